//! The main job: the real Flowise in a jail, beside the real Flowise without one.
//!
//! Each version is started a few times, one after the other, and everything is checked on those.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // the comparison line is part of what these tests show

#[path = "flowise/attacks.rs"]
mod attacks;
mod common;
#[path = "flowise/inside.rs"]
mod inside;
mod kit;
#[path = "flowise/measure.rs"]
mod measure;
#[path = "flowise/report.rs"]
mod report;
#[path = "flowise/scenario.rs"]
mod scenario;
#[path = "flowise/scripts.rs"]
mod scripts;
#[path = "flowise/server.rs"]
mod server;
#[path = "flowise/stand_in.rs"]
mod stand_in;
#[path = "flowise/trees.rs"]
mod trees;
#[path = "flowise/unlisted.rs"]
mod unlisted;
#[path = "flowise/world.rs"]
mod world;

use common::needs::{self, Need};
use kit::scratch;
use kit::who::Who;
use libtest_mimic::Trial;
use report::Report;
use std::sync::{Arc, Mutex, OnceLock};

const VERSIONS: [&str; 2] = ["3.1.4", scenario::VULNERABLE];

fn main() -> std::process::ExitCode {
    // What misses for it is said by the tests that need it.
    world::enter();
    let code = needs::run(
        VERSIONS
            .iter()
            .flat_map(|version| of_version(version))
            .collect(),
    );
    scratch::remove_shared();
    code
}

/// A test per sentence; the first that asks runs the scenario behind them.
fn of_version(version: &'static str) -> Vec<Trial> {
    // Side by side, two versions would only disturb each other's measurements.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let (tree, node) = (trees::tree(version), trees::node());
    let report: Arc<OnceLock<Report>> = Arc::default();
    let mut trials = Vec::new();
    for who in [Who::Ordinary, Who::Root] {
        let mut needed = vec![need("Flowise", &tree), need("node", &node)];
        needed.extend((who == Who::Root).then(needs::root));
        for (sentence, worldly) in scenario::sentences(version, who) {
            let mut needed = needed.clone();
            needed.extend(
                worldly
                    .then(|| [world::need(), stand_in::need()])
                    .into_iter()
                    .flatten(),
            );
            let (report, tree, node) = (report.clone(), tree.clone(), node.clone());
            let run = move || {
                let _alone = ONE_AT_A_TIME.lock();
                scenario::run(version, tree.unwrap_or_default(), node.unwrap_or_default())
            };
            trials.push(needs::trial(
                format!("Flowise {version} {sentence}"),
                &needed,
                move || {
                    report
                        .get_or_init(run)
                        .outcome(&sentence)
                        .map_err(Into::into)
                },
            ));
        }
    }
    trials
}

fn need<T>(what: &'static str, found: &Result<T, String>) -> Need {
    needs::condition(
        what,
        found.is_ok(),
        found.as_ref().err().map_or("", |why| why),
    )
}
