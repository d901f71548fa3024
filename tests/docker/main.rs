//! flowjail as the first process of unmodified Docker containers: a real engine, real containers, the configurations
//! that people write, and the real Flowise. Every denial has its twin in the same container without flowjail.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // what the tests stand on, and the time they take, is part of what they show

#[path = "../denied_acts/act.rs"]
#[allow(dead_code)]
mod act;
mod acts;
mod bed;
#[path = "../common/mod.rs"]
mod common;
mod config;
mod container;
mod engine;
mod entry;
mod flowise;
mod image;
#[path = "../kit/mod.rs"]
mod kit;
mod life;
mod matrix;
mod neighbours;
mod own;
mod probes;
mod seccomp;
#[path = "../denied_acts/stage.rs"]
#[allow(dead_code)]
mod stage;
#[path = "../denied_acts/table/mod.rs"]
mod table;
mod world;

use common::needs;
use config::Config;
use kit::{Check, scratch};
use libtest_mimic::{Arguments, Trial};
use matrix::JAILED;
use std::sync::OnceLock;

/// A test of one configuration.
type OfConfig = (&'static str, fn(&Config) -> Check);

/// Where flowjail runs.
const RUNS: [OfConfig; 11] = [
    ("the plan says which jail", matrix::the_plan_says_which_jail),
    ("exit codes pass", matrix::exit_codes_pass),
    ("stdout passes through", matrix::stdout_passes_through),
    ("a terminal is a terminal", matrix::a_terminal_is_a_terminal),
    ("nothing is left behind", matrix::nothing_is_left_behind),
    ("a stop ends it in time", life::a_stop_ends_it_in_time),
    ("exec works beside it", life::exec_works_beside_it),
    ("orphans are reaped", life::orphans_are_reaped),
    ("health is told", life::health_is_told),
    ("the published port is served", |config| {
        neighbours::the_published_port_is_served(config, &[])?;
        neighbours::the_published_port_is_served(config, &JAILED)
    }),
    ("twenty restarts", life::twenty_restarts),
];

fn main() -> std::process::ExitCode {
    // A wrong flag ends here, with nothing to take down.
    if !Arguments::from_args().list {
        bed::set_up();
    }
    let code = needs::run(
        [
            matrix_trials(),
            act_trials(),
            neighbour_trials(),
            probe_trials(),
            flowise::trials(),
        ]
        .into_iter()
        .flatten()
        .collect(),
    );
    bed::take_down();
    scratch::remove_shared();
    code
}

fn trial(name: impl Into<String>, body: impl FnOnce() -> Check + Send + 'static) -> Trial {
    needs::trial(name, &bed::needs(), move || body().map_err(Into::into))
}

fn matrix_trials() -> Vec<Trial> {
    let mut trials = vec![trial(
        "an image with flowjail as its entry point becomes healthy",
        entry::an_image_becomes_healthy,
    )];
    for config in &config::ALL {
        let named = |words: &str| format!("{}: {words}", config.name);
        trials.push(trial(named("node runs without flowjail"), || {
            matrix::node_runs_without_flowjail(config)
        }));
        if !config.runs() {
            trials.push(trial(named("it refuses and says why"), || {
                matrix::it_refuses_and_says_why(config)
            }));
            continue;
        }
        for (words, test) in RUNS {
            // Forty seconds: two configurations stand for all.
            if words != "twenty restarts" || config.restarts() {
                trials.push(trial(named(words), move || test(config)));
            }
        }
    }
    trials
}

/// All acts in one pair of containers, the twin first.
fn act_trials() -> Vec<Trial> {
    fn place() -> Result<&'static acts::Place, String> {
        static PLACE: OnceLock<Result<acts::Place, String>> = OnceLock::new();
        PLACE
            .get_or_init(acts::Place::new)
            .as_ref()
            .map_err(Clone::clone)
    }
    let mut trials = vec![
        trial("what is allowed works without flowjail", || {
            place()?.allowed_works(&[])
        }),
        trial("what is allowed works behind flowjail", || {
            place()?.allowed_works(&acts::CLIENT)
        }),
    ];
    for (bare, jailed) in acts::refused().into_iter().zip(acts::refused()) {
        let named = |words: &str| format!("a workload {}: {words}", bare.name);
        let names = [
            named("works without flowjail"),
            named("is refused behind flowjail"),
        ];
        let [works, refused] = names;
        trials.push(trial(works, move || place()?.works_bare(&bare)));
        trials.push(trial(refused, move || place()?.is_refused(&jailed)));
    }
    trials
}

fn neighbour_trials() -> Vec<Trial> {
    vec![
        trial(
            "another container reaches both ports bare",
            neighbours::another_container_reaches_both_bare,
        ),
        trial(
            "another container reaches the published port alone",
            neighbours::another_container_reaches_the_published_alone,
        ),
        trial("a sidecar gets no way out bare", || {
            neighbours::a_sidecar_gets_no_way_out(&[])
        }),
        trial("a sidecar gets no way out of flowjail", || {
            neighbours::a_sidecar_gets_no_way_out(&JAILED)
        }),
        trial(
            "no zombie is left to a first process that reaps nothing",
            life::no_zombie_is_left_to_others,
        ),
        trial(
            "a bare program can touch its neighbour",
            own::a_bare_program_can_touch_its_neighbour,
        ),
        trial(
            "the workload cannot touch flowjail",
            own::the_workload_cannot_touch_flowjail,
        ),
        trial(
            "the workload cannot touch the first process",
            own::the_workload_cannot_touch_the_first_process,
        ),
    ]
}

fn probe_trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (number, act) in probes::acts().into_iter().enumerate() {
        let (bare, jailed) = (act.clone(), act.clone());
        trials.push(trial(
            format!("{}: in the container", act.sentence),
            move || probes::works_in_the_container(number, &bare),
        ));
        if probes::claims(&act).is_empty() {
            println!("a bare jail does not claim to deny: {}", act.sentence);
        } else {
            trials.push(trial(
                format!("{}: denied in a bare jail", act.sentence),
                move || probes::is_denied(number, &jailed),
            ));
        }
    }
    trials
}
