//! flowjail under a service manager that these tests play: what is told, when, and by whom. `tests/systemd` has the real one.
#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod flowise;
mod handed;
#[path = "../kit/mod.rs"]
mod kit;
mod manager;
mod stand_in;
#[path = "../flowise/trees.rs"]
mod trees;

use common::needs;
use kit::who::Who;
use libtest_mimic::Trial;

fn main() -> std::process::ExitCode {
    // A loopback of its own, where the tests may make one: ports are free there.
    let _ = needs::is_root() && enter();
    let mut trials: Vec<Trial> = Vec::new();
    for who in [Who::Ordinary, Who::Root] {
        for kind in ["namespaced", "bare"] {
            let mut needed = vec![needs::program("node"), needs::program("python3")];
            needed.extend((who == Who::Root).then(needs::root));
            for (sentence, check) in stand_in::CHECKS {
                let name = format!("{sentence} ({kind}, {})", who.word());
                trials.push(needs::trial(name, &needed, move || Ok(check(who, kind)?)));
            }
        }
    }
    trials.push(flowise::trial());
    let code = needs::run(trials);
    kit::scratch::remove_shared();
    code
}

/// A network namespace with a loopback.
fn enter() -> bool {
    let made = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET);
    let up = std::process::Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    made.is_ok() && up.is_ok_and(|status| status.success())
}
