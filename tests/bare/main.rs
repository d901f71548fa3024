//! The bare jail: no namespace of its own, so every socket is the supervisor's work. What a workload may try with
//! sockets, each act with its twin: without a jail it comes through, as the one who is reached says; in a bare jail it
//! does not, or it works as ever.
//!
//! Everything runs in network namespaces that this binary makes (tests/world). No packet leaves the machine.
#![forbid(unsafe_code)]

mod addresses;
mod case;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod guests;
#[path = "../kit/mod.rs"]
mod kit;
mod loads;
mod names;
mod outside;
mod peers;
mod program;
mod run;
#[allow(dead_code)] // as the acts of the namespaced jail need it
#[path = "../egress/start.rs"]
mod start;
mod table;
#[allow(dead_code)] // as the acts of the namespaced jail need it
#[path = "../egress/world.rs"]
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use case::Case;
use common::needs::{self, Need};
use kit::Check;
use kit::scratch;
use kit::who::Who;
use libtest_mimic::Trial;
use run::How;
use world::{World, Worlds};

/// Test names, and the worlds in which the tests run.
pub struct Stage {
    worlds: Option<Arc<Worlds>>,
    needs: Vec<Need>,
}

impl Stage {
    fn new() -> Self {
        let built = program::actor();
        let why = built.as_ref().err().map_or("", |why| why);
        let compiler = needs::condition("a C compiler", built.is_ok(), why);
        let (worlds, missing) = match Worlds::build() {
            Ok(worlds) => (Some(Arc::new(worlds)), None),
            Err(need) => (None, Some(need)),
        };
        Self {
            worlds,
            needs: missing.into_iter().chain([compiler]).collect(),
        }
    }

    /// A test in a world that it has for itself, which needs more than that, or nothing.
    pub fn trial(
        &self,
        more: &[Need],
        name: String,
        body: impl FnOnce(&World) -> Check + Send + 'static,
    ) -> Trial {
        let worlds = self.worlds.clone();
        let needs = [self.needs.as_slice(), more].concat();
        needs::trial(name, &needs, move || match worlds {
            Some(worlds) => body(&*worlds.enter()?).map_err(Into::into),
            None => Err("no world".into()),
        })
    }
}

fn main() -> ExitCode {
    let stage = Stage::new();
    let mut trials = Vec::new();
    for case in table::all() {
        trials.extend(trials_of(&stage, &case));
    }
    trials.extend(others(&stage));
    let code = needs::run(trials);
    drop(stage);
    scratch::remove_shared();
    code
}

/// A test for a jail and for its twin.
type Both = (&'static str, fn(&World, How) -> Check);

const BOTH: [Both; 10] = [
    ("the host sees a close at once", ends::a_close_is_seen),
    (
        "the host sees a half close at once",
        ends::a_half_close_is_seen,
    ),
    (
        "a half close of the host's is seen",
        ends::the_hosts_half_close_is_seen,
    ),
    (
        "100,000 sockets one after the other",
        loads::made_and_closed,
    ),
    ("30,000 connections one after the other", loads::one_by_one),
    ("3000 sockets held at once", |world, how| {
        loads::held(world, how, "stream")
    }),
    ("3000 datagram sockets held at once", |world, how| {
        loads::held(world, how, "datagram")
    }),
    ("3000 sockets in the queue of another", |world, how| {
        loads::held(world, how, "unsent")
    }),
    (
        "descriptors sent to the name server stay with nobody",
        loads::rights,
    ),
    ("processes that end in the middle of calls", loads::deaths),
];

/// A test from outside of a jail.
type Outside = (&'static str, fn(&World, Who) -> Check);

const OUTSIDE: [Outside; 13] = [
    (
        "a published address of another host is an error",
        guests::an_address_of_another_host_is_an_error,
    ),
    (
        "allow_from lets those in that it names",
        guests::those_who_are_named_come_in,
    ),
    (
        "a full queue does not hold the supervisor",
        outside::a_full_queue_does_not_hold_the_supervisor,
    ),
    (
        "a slow end does not hold the supervisor",
        outside::a_slow_end_does_not_hold_the_supervisor,
    ),
    (
        "strangers at the gateway's port are turned away",
        outside::strangers_are_turned_away,
    ),
    (
        "the supervisor stopped lets nothing out",
        outside::the_supervisor_stopped_lets_nothing_out,
    ),
    (
        "the supervisor killed ends every process",
        outside::the_supervisor_killed_ends_them_all,
    ),
    (
        "the supervisor killed ends every connection",
        outside::the_supervisor_killed_ends_connections,
    ),
    (
        "the gateway killed ends every process",
        outside::the_gateway_killed_ends_them_all,
    ),
    (
        "the program or its parent killed ends every process",
        outside::the_program_or_its_parent_killed_ends_them_all,
    ),
    (
        "orphans end with the program",
        outside::orphans_end_with_the_program,
    ),
    (
        "a listener held by another is a refusal",
        outside::a_listener_held_by_another_is_a_refusal,
    ),
    (
        "a listener of its own is none",
        outside::a_listener_of_its_own_is_none,
    ),
];

fn named(sentence: &str, how: How) -> String {
    match how {
        How::Free => format!("{sentence}: the twin, without a jail"),
        How::Jailed(who) => format!("{sentence}, started {}", who.word()),
    }
}

fn others(stage: &Stage) -> Vec<Trial> {
    let mut trials = Vec::new();
    for how in loads::HOW {
        for (name, test) in BOTH {
            trials.push(stage.trial(&[], named(name, how), move |world| test(world, how)));
        }
        for place in &addresses::PLACES {
            let name = named(&place.words(), how);
            let test = move |world: &World| place.is_not_the_jails(world, how);
            trials.push(stage.trial(&[], name, test));
        }
        for act in &peers::ACTS {
            let name = named(act.sentence, how);
            trials.push(stage.trial(&[], name, move |world| act.show(world, how)));
        }
        let name = named(
            "a datagram socket that was open at the start reaches nobody",
            how,
        );
        trials.push(stage.trial(&[], name, move |world| {
            peers::a_socket_that_was_open(world, how)
        }));
        trials.extend(resolvers(stage, how));
    }
    trials.extend(from_outside(stage));
    trials
}

fn resolvers(stage: &Stage, how: How) -> Vec<Trial> {
    use names::Resolver::{CAres, Glibc, Musl};
    let kinds = [
        (Glibc, "glibc", needs::condition("a C compiler", true, "")),
        (Musl, "musl", needs::program("musl-gcc")),
        (CAres, "c-ares", needs::program("node")),
    ];
    let trial = |(resolver, word, need)| {
        let name = named(&format!("names are known or not by {word}"), how);
        let test = move |world: &World| names::names_are_known_or_not(world, how, resolver);
        stage.trial(&[need], name, test)
    };
    kinds.into_iter().map(trial).collect()
}

fn from_outside(stage: &Stage) -> Vec<Trial> {
    let twin = "the supervisor killed ends every process: the twin, without a jail";
    let mut trials =
        vec![stage.trial(&[], twin.into(), outside::an_orphan_lives_on_without_a_jail)];
    for who in [Who::Root, Who::Ordinary] {
        for (name, test) in OUTSIDE {
            let name = named(name, How::Jailed(who));
            trials.push(stage.trial(&[], name, move |world| test(world, who)));
        }
    }
    trials
}

/// Two ways to start the jail, and the twin.
fn trials_of(stage: &Stage, case: &Case) -> Vec<Trial> {
    let twin = case.clone();
    let name = format!("{}: the twin, without a jail", case.sentence);
    let mut trials = vec![stage.trial(&[], name, move |world| twin.show_free(world))];
    for who in [Who::Root, Who::Ordinary] {
        let case = case.clone();
        let name = format!("{}, started {}", case.sentence, who.word());
        trials.push(stage.trial(&[], name, move |world| case.show_jailed(world, who)));
    }
    trials
}
