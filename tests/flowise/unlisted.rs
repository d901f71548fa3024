//! A profile that lacks a line: the refusal is quick, and says which line it is.
//!
//! How long Flowise itself goes on trying is printed and not asserted: it is Flowise's own patience.

use super::measure::{make_flow, make_flow_with};
use super::report::Report;
use super::server::{Server, Site, node_run, node_script};
use super::stand_in::TIKTOKEN_HOST;
use super::world;
use crate::common::start::finish;
use crate::kit::jail::{events, flowjail, is};
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use serde_json::Value;
use std::time::Duration;

/// The version that is tried.
pub const VERSION: &str = "3.1.4";
/// The sentences, in the order in which they are checked.
pub const SENTENCES: [&str; 4] = [
    "in a jail is refused a name without a line at once",
    "in a jail without a line for its model leaves one event that names the line",
    "in a jail without a line for tiktoken leaves one event that names the line",
    "in a jail has the lines that it lacked in the digest",
];

/// Longer than this no prediction is waited for, in seconds. Flowise itself tries for minutes.
const PATIENCE: &str = "15";

/// Two predictions side by side: one with a model that has lost its line, one with a model that streams and has not.
pub fn check(
    report: &mut Report,
    jailed: Server,
    site: &Site,
    scratch: &Scratch,
) -> Result<(), String> {
    let model = |host: &str| format!("http://{host}:{}/v1", site.mock_port);
    let lost = make_flow(&jailed, &model("mock.test"), &scratch.at("lost.state"))?;
    let streams = make_flow_with(
        &jailed,
        &model("model.test"),
        &scratch.at("streams.state"),
        &["--streaming-model"],
    )?;
    let (of_lost, of_streams) = std::thread::scope(|scope| {
        let other = scope.spawn(|| predict(&jailed, &streams));
        (predict(&jailed, &lost), other.join().unwrap_or_default())
    });
    println!("\nFlowise {VERSION} in a jail that lacks a line (not asserted):");
    println!("  no line for the model     {of_lost}");
    println!("  no line for tiktoken      {of_streams}");

    report.note(SENTENCES[0], refused_at_once(site));
    let file = jailed.events.clone();
    let (ended, _) = jailed.stop()?;
    report.note(SENTENCES[1], one_event(&events(&file)?, "mock.test"));
    report.note(SENTENCES[2], one_event(&events(&file)?, TIKTOKEN_HOST));
    let listed = |name: &str| {
        let line = format!("to allow it: --allow {name}");
        ensure(ended.stderr.lines().any(|l| l.trim() == line), || {
            format!("no {line:?} in {}", ended.stderr)
        })
    };
    report.note(
        SENTENCES[3],
        listed("mock.test").and_then(|()| listed(TIKTOKEN_HOST)),
    );
    Ok(())
}

/// What came of a prediction, and when, in words.
fn predict(server: &Server, flow: &str) -> String {
    let (_, said) =
        node_run(node_script("ask.mjs").args(["predict", &server.base, flow, PATIENCE]));
    let answer: Value = serde_json::from_str(said.trim()).unwrap_or_default();
    let body: String = answer["body"].to_string().chars().take(120).collect();
    format!(
        "{:6.1} s   status {} {body}",
        answer["ms"].as_f64().unwrap_or(f64::NAN) / 1000.0,
        answer["status"]
    )
}

/// The first line of each denial tells it; later ones only count.
fn one_event(events: &[Value], name: &str) -> Check {
    let of_name: Vec<&Value> = events
        .iter()
        .filter(|e| is(e, "query") && e["name"] == name && e["verdict"] == "refused")
        .collect();
    let line = format!("--allow {name}");
    let told = of_name.iter().filter(|e| e["count"] == 1).count();
    let right = told == 1 && of_name.iter().all(|e| e["allow"] == line.as_str());
    ensure(right, || format!("of {name}: {of_name:?}"))
}

/// Asked by node itself in a jail of its own, whose clock is the one that counts.
fn refused_at_once(site: &Site) -> Check {
    let script = "const { lookup } = require('dns'); const times = []; const ask = () => { \
        const t = performance.now(); lookup('mock.test', e => { times.push(performance.now() - t); \
        times.length < 5 ? ask() : console.log(JSON.stringify({ code: e?.code, times })) }) }; ask()";
    let mut command = flowjail(Who::Ordinary, &["run", "--profile", "node"]);
    command
        .args(["--add-host", &format!("mock.test={}", world::MOCK), "--"])
        .arg(&site.node)
        .args(["-e", script]);
    let ended = finish(command, "", Duration::from_secs(20)).map_err(|e| e.to_string())?;
    let answer: Value = serde_json::from_str(ended.stdout.trim()).unwrap_or_default();
    let times: Vec<f64> = serde_json::from_value(answer["times"].clone()).unwrap_or_default();
    let shown: Vec<String> = times.iter().map(|ms| format!("{ms:.1}")).collect();
    println!("  refusals of a name        {} ms", shown.join(", "));
    let quick = times.len() == 5 && times.iter().all(|ms| *ms < 1000.0);
    ensure(answer["code"] == "ENOTFOUND" && quick, || {
        format!("{answer} {}", ended.stderr)
    })
}
