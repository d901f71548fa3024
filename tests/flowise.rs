//! The main job: the real Flowise in a jail, beside the real Flowise without one.
//!
//! Each version is started four times, one after the other, and everything is checked on those.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // the comparison line is part of what these tests show

#[path = "flowise/attacks.rs"]
mod attacks;
mod kit;
#[path = "flowise/measure.rs"]
mod measure;
#[path = "flowise/report.rs"]
mod report;
#[path = "flowise/scenario.rs"]
mod scenario;
#[path = "flowise/server.rs"]
mod server;
#[path = "flowise/trees.rs"]
mod trees;

use kit::who::Who;
use kit::{jail, needs};
use libtest_mimic::{Arguments, Trial};
use report::Report;
use std::sync::{Arc, OnceLock};

const VERSIONS: [&str; 2] = ["3.1.4", scenario::VULNERABLE];

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    // The first sentence of a version runs all of them: side by side the starts would only disturb
    // each other's measurements.
    arguments.test_threads = Some(1);
    let trials = VERSIONS
        .iter()
        .flat_map(|version| of_version(version))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    jail::remove_binary();
    conclusion.exit_code()
}

/// A test per sentence; the scenario behind them runs once.
fn of_version(version: &'static str) -> Vec<Trial> {
    let (tree, node) = (trees::tree(version), trees::node());
    let need = needs::both(&tree.clone().map(|_| ()), &node.clone().map(|_| ()));
    let report: Arc<OnceLock<Report>> = Arc::default();
    let mut trials = Vec::new();
    for who in [Who::Ordinary, Who::Root] {
        let need = if who == Who::Root {
            needs::both(&need, &needs::root())
        } else {
            need.clone()
        };
        for sentence in scenario::sentences(version, who) {
            let (report, tree, node) = (report.clone(), tree.clone(), node.clone());
            trials.push(needs::trial(
                format!("Flowise {version} {sentence}"),
                &need,
                move || {
                    report
                        .get_or_init(|| {
                            scenario::run(
                                version,
                                tree.unwrap_or_default(),
                                node.unwrap_or_default(),
                            )
                        })
                        .outcome(&sentence)
                },
            ));
        }
    }
    trials
}
