//! Flowise's throughput, bare and jailed beside each other, and the size of flowjail's own processes.

use crate::kit::scratch::Scratch;
use crate::kit::who::{Who, on_path};
use crate::pairs::{Aim, Pairs};
use crate::server::{Net, Server, Site, Start, node_run, node_script};
use crate::stand_in::Mock;
use crate::trees;
use std::path::Path;
use std::process::Command;

type Result<T> = std::result::Result<T, String>;

/// Seconds per load; long enough for V8 to be warm after the first, uncounted round.
const SECONDS: &str = "4";

/// The namespaced jail.
pub const JAILED: (Net, &str) = (Net::Private, "jailed");
/// The bare jail, as in a container.
pub const BARE: (Net, &str) = (Net::Bare, "bare jail");

/// Both run at the same time and are loaded in turn.
pub fn throughput(version: &str, jails: &[(Net, &str)], pairs: usize) -> Result<()> {
    let mock = Mock::start()?;
    let scratch = Scratch::new();
    let site = Site {
        install: trees::tree(version)?,
        node: trees::node()?,
        mock_port: mock.port,
        ca: None,
    };
    let start = |name: &str, jail: Option<Net>| {
        scratch.dir_of(Who::Ordinary, name);
        let data = scratch.dir_of(Who::Ordinary, &format!("{name}/.flowise"));
        let start = Start {
            name,
            who: Who::Ordinary,
            jail,
            data: &data,
        };
        let server = Server::start(&site, &scratch, &start)?;
        let host = match jail {
            Some(_) => "mock.test",
            None => "127.0.0.1",
        };
        let flow = make_flow(
            &server,
            &format!("http://{host}:{}/v1", mock.port),
            &scratch.at(&format!("{name}.state")),
        )?;
        Ok::<_, String>((server, flow))
    };
    let (bare, bare_flow) = start("bare", None)?;
    for &(jail, name) in jails {
        let (jailed, jailed_flow) = start(&name.replace(' ', "-"), Some(jail))?;
        side_by_side(
            version,
            pairs,
            name,
            [(&jailed, &jailed_flow), (&bare, &bare_flow)],
        )?;
        own_size(&jailed);
        jailed.stop()?;
    }
    bare.stop()?;
    Ok(())
}

fn side_by_side(
    version: &str,
    pairs: usize,
    name: &str,
    [jailed, bare]: [(&Server, &str); 2],
) -> Result<()> {
    for (what, connections) in [
        ("ping", "1"),
        ("ping", "16"),
        ("predict", "1"),
        ("predict", "8"),
    ] {
        let load = |(server, flow): (&Server, &str)| rate(&server.base, what, connections, flow);
        let measured = Pairs::measure(pairs, || load(jailed), || load(bare))?;
        let label = format!("Flowise {version} {what}, {connections} connections");
        measured.print(&label, [name, "bare"], "/s", Some(Aim::AtLeast(0.98)));
    }
    Ok(())
}

/// Requests per second: wrk where it is installed, the tests' own loop elsewhere.
fn rate(base: &str, what: &str, connections: &str, flow: &str) -> Result<f64> {
    let Some(wrk) = on_path("wrk") else {
        let (_, said) = node_run(node_script("load.mjs").args([
            base,
            what,
            SECONDS,
            connections,
            "--flow",
            flow,
        ]));
        return said.trim().parse().map_err(|_| said);
    };
    let mut command = Command::new(wrk);
    command.args(["-t", "1", "-c", connections, "-d", SECONDS]);
    if what == "ping" {
        command.arg(format!("{base}/api/v1/ping"));
    } else {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/post.lua");
        command
            .arg("-s")
            .arg(script)
            .arg(format!("{base}/api/v1/prediction/{flow}"));
    }
    let output = command.output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if said.contains("Non-2xx") {
        return Err(said);
    }
    let line = said.lines().find_map(|l| l.strip_prefix("Requests/sec:"));
    line.and_then(|l| l.trim().parse().ok()).ok_or(said)
}

fn make_flow(server: &Server, mock: &str, state: &Path) -> Result<String> {
    let mut smoke = node_script("smoke.mjs");
    smoke.arg(&server.base).args([
        "--mock",
        mock,
        "--keep",
        "--only",
        "chatflow-create",
        "--state",
    ]);
    let (_, said) = node_run(smoke.arg(state));
    let text = std::fs::read_to_string(state).map_err(|_| said.clone())?;
    let state: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    state["cf"].as_str().map(str::to_owned).ok_or(said)
}

/// RSS and PSS of the supervisor and of init. Only root may look: they are not dumpable.
fn own_size(jailed: &Server) {
    for process in jailed.tree().iter().filter(|p| p.pid != jailed.node.pid) {
        let path = format!("/proc/{}/smaps_rollup", process.pid);
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!(
                "memory of {}: not measured, only root may read {path}",
                process.comm
            );
            continue;
        };
        let line = |name: &str| {
            let found = text.lines().find_map(|l| l.strip_prefix(name));
            found.map_or_else(String::new, |l| l.trim().to_owned())
        };
        let role = if process.pid == jailed.node.ppid {
            "init"
        } else {
            "supervisor"
        };
        println!(
            "memory of the {role}: RSS {}, PSS {}, private dirty {}",
            line("Rss:"),
            line("Pss:"),
            line("Private_Dirty:")
        );
    }
}
