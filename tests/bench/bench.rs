//! What flowjail costs, as ratios with intervals. `tests/bench/run` starts it; it is no test.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // its output is its purpose

#[path = "../common/mod.rs"]
mod common;
#[path = "flowise.rs"]
mod flowise;
#[path = "../kit/mod.rs"]
mod kit;
mod net;
mod pairs;
mod place;
#[allow(dead_code)] // the tests look at more of it
#[path = "../flowise/scripts.rs"]
mod scripts;
#[allow(dead_code)] // the same
#[path = "../flowise/server.rs"]
mod server;
mod small;
#[allow(dead_code)] // the same
#[path = "../flowise/stand_in.rs"]
mod stand_in;
#[path = "../flowise/trees.rs"]
mod trees;
#[allow(dead_code)] // measured on the machine's own network
#[path = "../flowise/world.rs"]
mod world;

use std::process::ExitCode;

/// One kind of measurement; the error is why it could not be made.
type Part = fn() -> Result<(), String>;

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|c| c == name);
    let parts: [(&str, Part); 6] = [
        ("size", size),
        ("start", small::start_and_end),
        ("calls", small::per_call),
        ("boot", small::node_boot),
        ("flowise", || {
            flowise::throughput("3.1.4", &[flowise::JAILED], 12)
        }),
        ("flowise.bare", || {
            flowise::throughput("3.1.4", &[flowise::BARE], 10)
        }),
    ];
    let mut code = ExitCode::SUCCESS;
    for (name, part) in parts.into_iter().filter(|(name, _)| wanted(name)) {
        if let Err(why) = part() {
            eprintln!("{name}: not measured: {why}");
            code = ExitCode::FAILURE;
        }
    }
    let network: Vec<String> = chosen
        .iter()
        .filter(|c| *c == "net" || c.starts_with("net."))
        .cloned()
        .collect();
    if !network.is_empty()
        && let Err(why) = net::measure(&network)
    {
        eprintln!("net: not measured: {why}");
        code = ExitCode::FAILURE;
    }
    kit::scratch::remove_shared();
    code
}

/// The binary that is measured.
fn size() -> Result<(), String> {
    let bytes = std::fs::metadata(kit::jail::binary())
        .map_err(|e| e.to_string())?
        .len();
    println!(
        "size of the binary: {:.2} MiB",
        bytes as f64 / 1024.0 / 1024.0
    );
    Ok(())
}
