//! What holds in every jail, as the host, the events and a visitor see it.

use super::server::{Server, node_run, node_script};
use super::world;
use crate::kit::jail::{events, is};
use crate::kit::{Check, ensure, procs};
use serde_json::Value;
use std::path::Path;

/// At its end the events have the connections to the LLM: where to, by which line, and that bytes went both ways.
pub fn told_of_the_model(file: &Path, address: &str) -> Check {
    let fits = |event: &Value| {
        let bytes = |key: &str| event[key].as_u64().unwrap_or_default();
        let rule = event["rule"].as_str().unwrap_or_default();
        is(event, "connection")
            && event["host"] == "mock.test"
            && event["address"] == address
            && event["verdict"] == "allowed"
            && rule.starts_with("--allow")
            && rule.contains("mock.test")
            && bytes("sent") > 0
            && bytes("received") > 0
    };
    let events = events(file)?;
    ensure(events.iter().any(fits), || {
        format!("no connection to mock.test at {address}: {events:?}")
    })
}

/// Asked at the published address from another one.
pub fn sees_the_visitor(jailed: &Server) -> Check {
    let port = jailed.base.rsplit(':').next().unwrap_or_default();
    let base = format!("http://{}:{port}", world::PUBLISHED);
    let (_, told) = node_run(node_script("ask.mjs").args(["ip", &base, world::VISITOR]));
    let seen: serde_json::Value = serde_json::from_str(&told).unwrap_or_default();
    let seen = seen["body"]["ip"].as_str().unwrap_or_default();
    let right = seen.trim_start_matches("::ffff:") == world::VISITOR;
    ensure(right, || {
        format!("{told} flowjail said: {}", jailed.stderr())
    })
}

/// Supervisor -> init -> node, and no more in the jail.
pub fn exactly_init_and_node(jailed: &Server) -> Check {
    let tree = jailed.tree();
    let in_jail: Vec<i32> = tree
        .iter()
        .filter(|p| {
            procs::status(p.pid)
                .get("NSpid")
                .is_some_and(|s| s.split_whitespace().count() > 1)
        })
        .map(|p| p.pid)
        .collect();
    let right = in_jail == [jailed.node.ppid, jailed.node.pid];
    ensure(right, || format!("in the jail {in_jail:?} of {tree:?}"))
}

/// What the kernel says of node, and of everything else of flowjail's.
pub fn without_privilege(jailed: &Server) -> Check {
    for process in jailed.tree() {
        let status = procs::status(process.pid);
        let line = |name: &str| status.get(name).cloned().unwrap_or_default();
        for caps in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            ensure(line(caps) == "0".repeat(16), || {
                format!("{process:?}: {caps} {}", line(caps))
            })?;
        }
        ensure(line("NoNewPrivs") == "1", || {
            format!("{process:?}: NoNewPrivs {}", line("NoNewPrivs"))
        })?;
        ensure(line("Seccomp") == "2", || {
            format!("{process:?}: Seccomp {}", line("Seccomp"))
        })?;
        let root = line("Uid").split_whitespace().any(|uid| uid == "0");
        ensure(!root, || format!("{process:?}: Uid {}", line("Uid")))?;
    }
    Ok(())
}
