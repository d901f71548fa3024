//! The comparison line: printed beside bare node's, never asserted.

use super::server::{Server, node_run, node_script};
use crate::kit::procs;
use std::path::Path;

/// What one server costs and gives.
pub struct Numbers {
    ready_s: f64,
    rss_mb: u64,
    others_mb: u64,
    ping: f64,
    predict: f64,
}

impl Numbers {
    /// Measures a server that has an account. Makes one chat flow for it.
    pub fn of(server: &Server, mock: &str, state: &Path) -> Result<Self, String> {
        let flow = make_flow(server, mock, state)?;
        let rate = |args: &[&str]| -> Result<f64, String> {
            let (_, said) = node_run(node_script("load.mjs").arg(&server.base).args(args));
            said.trim().parse().map_err(|_| format!("no rate: {said}"))
        };
        let ping = rate(&["ping", "3"])?;
        let predict = rate(&["predict", "3", "4", "--flow", &flow])?;
        let rss = |pid: i32| procs::rss_kib(pid) / 1024;
        let beside = server
            .tree()
            .into_iter()
            .filter(|p| p.pid != server.node.pid);
        Ok(Self {
            ready_s: server.ready.as_secs_f64(),
            rss_mb: rss(server.node.pid),
            others_mb: beside.map(|p| rss(p.pid)).sum(),
            ping,
            predict,
        })
    }

    /// Both on one line each, the ratio below.
    pub fn print_beside(&self, bare: &Self, version: &str) {
        let line = |name: &str, n: &Self| {
            format!(
                "  {name:<7} ready {:5.1} s   node {:4} MB (flowjail {} MB)   ping {:7.1}/s   prediction {:6.1}/s",
                n.ready_s, n.rss_mb, n.others_mb, n.ping, n.predict
            )
        };
        println!("\nFlowise {version}, same run and data directory (not asserted):");
        println!("{}\n{}", line("bare", bare), line("jailed", self));
        println!(
            "  ratio   ready {:5.2}     node {:4.2}                      ping {:7.2}     prediction {:6.2}\n",
            self.ready_s / bare.ready_s,
            self.rss_mb as f64 / bare.rss_mb.max(1) as f64,
            self.ping / bare.ping,
            self.predict / bare.predict
        );
    }
}

/// A conversation chain whose LLM is the mock, made by the smoke test's own means.
pub fn make_flow(server: &Server, mock: &str, state: &Path) -> Result<String, String> {
    make_flow_with(server, mock, state, &[])
}

/// The same with more flags of the smoke test.
pub fn make_flow_with(
    server: &Server,
    mock: &str,
    state: &Path,
    more: &[&str],
) -> Result<String, String> {
    let mut smoke = node_script("smoke.mjs");
    smoke
        .arg(&server.base)
        .args(["--mock", mock, "--keep", "--only", "chatflow-create"]);
    let (code, said) = node_run(smoke.arg("--state").arg(state).args(more));
    let text = std::fs::read_to_string(state).unwrap_or_default();
    let state: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let flow = state["cf"].as_str().map(str::to_owned);
    flow.filter(|_| code == 0)
        .ok_or_else(|| format!("no chat flow: {said}"))
}
