//! What the gateway's process is: no privilege, no file, no environment, in the host's network.

use crate::kit::procs::{self, Proc};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use std::fs;

/// No capability, no new privileges, a filter; and it is nobody's root.
pub fn no_process_has_privilege(who: Who) -> Check {
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&[])?;
    for process in puppet.processes()? {
        let status = procs::status(process.pid);
        let is = |key: &str, value: &str| {
            let found = status.get(key).cloned().unwrap_or_default();
            ensure(found == value, || {
                format!("{process:?}: {key} is {found}, not {value}")
            })
        };
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            is(set, "0000000000000000")?;
        }
        is("NoNewPrivs", "1")?;
        is("Seccomp", "2")?;
        let ids = ["Uid", "Gid"].map(|key| status.get(key).cloned().unwrap_or_default());
        let root = ids
            .iter()
            .any(|line| line.split_whitespace().any(|id| id == "0"));
        ensure(!root, || format!("{process:?}: {ids:?}"))?;
    }
    puppet.end().map(drop)
}

/// Supervisor, gateway, init, program; nobody else.
pub fn exactly_four_processes_run(who: Who) -> Check {
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&[])?;
    puppet.processes()?;
    let tree = puppet.jail.tree();
    ensure(tree.len() == 4, || format!("{tree:?}"))?;
    puppet.end().map(drop)
}

/// Sockets, pipes, epoll, /dev/null, and a pidfd at most.
pub fn the_gateway_holds_no_file(who: Who) -> Check {
    let port = crate::world::port();
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&["--publish", &format!("127.0.0.1:{port}")])?;
    let gateway = puppet.gateway()?;
    let mut seen = Vec::new();
    for entry in fs::read_dir(format!("/proc/{}/fd", gateway.pid)).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let Ok(to) = fs::read_link(&path) else {
            continue;
        };
        let to = to.display().to_string();
        let harmless = [
            "socket:",
            "pipe:",
            "/dev/null",
            "anon_inode:[eventpoll]",
            "anon_inode:[eventfd]",
        ];
        let pidfd = to == "anon_inode:[pidfd]" || to.starts_with("pidfd:");
        ensure(
            pidfd || harmless.iter().any(|start| to.starts_with(start)),
            || format!("{}: {to}", path.display()),
        )?;
        seen.push(to);
    }
    ensure(seen.iter().any(|to| to.starts_with("socket:")), || {
        format!("{seen:?}")
    })?;
    puppet.end().map(drop)
}

/// Its root is an empty one, not the host's; nothing of the caller's environment is in it.
pub fn the_gateway_sees_no_file_and_no_environment(who: Who) -> Check {
    let stage = Stage::new(who, "")?;
    let mut command = stage.command(&[]);
    command.env("SECRET_OF_THE_CALLER", "b7c1f0d2");
    let mut puppet = stage.start_command(command)?;
    let gateway = puppet.gateway()?;
    let environment =
        fs::read(format!("/proc/{}/environ", gateway.pid)).map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&environment);
    ensure(environment.iter().all(|byte| *byte == 0), || {
        format!("{text:?}")
    })?;
    let root = fs::read_link(format!("/proc/{}/root", gateway.pid)).map_err(|e| e.to_string())?;
    ensure(root.as_os_str() != "/", || {
        "the gateway's root is the host's".into()
    })?;
    puppet.end().map(drop)
}

/// The gateway is in the host's network, everyone else in the jail's.
pub fn only_the_gateway_is_in_the_hosts_network(who: Who) -> Check {
    let stage = Stage::new(who, "")?;
    let mut puppet = stage.start(&[])?;
    let [supervisor, gateway, init, program] = puppet.processes()?;
    let network = |process: &Proc| procs::namespace(process.pid, "net");
    let own = fs::read_link("/proc/self/ns/net").map_err(|e| e.to_string())?;
    let host = own.display().to_string();
    let jail = network(&program)?;
    ensure(jail != host, || {
        "the program is in the host's network".into()
    })?;
    ensure(network(&gateway)? == host, || {
        "the gateway is not in the host's network".into()
    })?;
    for process in [supervisor, init] {
        let found = network(&process)?;
        ensure(found == jail, || {
            format!("{process:?} is in {found}, not in {jail}")
        })?;
    }
    puppet.end().map(drop)
}
