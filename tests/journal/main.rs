//! Events as records of the journal: a stand-in listens where the journal does, in a mount namespace of each test's own.
#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod daemon;
mod journald;
#[path = "../kit/mod.rs"]
mod kit;
mod queue;
mod records;
#[allow(dead_code)] // as the tests of the lifecycle need it
#[path = "../lifecycle/stage.rs"]
mod stage;

use common::needs;
use kit::who::Who;
use kit::{Check, scratch};
use libtest_mimic::Trial;

/// The kinds of jail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// With namespaces.
    Namespaced,
    /// Without any.
    Bare,
}

/// A test for both kinds of jail, started as root and as an ordinary user.
type Test = (&'static str, fn(Kind, Who) -> Check);

const TESTS: [Test; 10] = [
    (
        "records go where stderr goes",
        records::records_go_where_stderr_goes,
    ),
    (
        "stderr that is something else gets none",
        records::stderr_that_is_something_else_gets_none,
    ),
    ("records are asked for", records::records_are_asked_for),
    (
        "a file takes JSON beside a journal",
        records::a_file_takes_json_beside_a_journal,
    ),
    (
        "no field is forged by a newline",
        records::no_field_is_forged_by_a_newline,
    ),
    (
        "long arguments do not hide the path",
        records::long_arguments_do_not_hide_the_path,
    ),
    (
        "a name of lines is one word",
        records::a_name_of_lines_is_one_word,
    ),
    ("no journal is said", records::no_journal_is_said),
    (
        "a deaf journal holds nobody up",
        queue::a_deaf_journal_holds_nobody_up,
    ),
    (
        "a dead journal holds nobody up",
        queue::a_dead_journal_holds_nobody_up,
    ),
];

const JOURNALD: Test = (
    "journald stores what is sent",
    journald::journald_stores_what_is_sent,
);

fn main() -> std::process::ExitCode {
    let built = stage::compiled("actor");
    let why = built.as_ref().err().map_or("", |why| why);
    let needed = [
        needs::condition("a C compiler", built.is_ok(), why),
        needs::root(),
        needs::program("unshare"),
        needs::program("setpriv"),
        needs::program("mount"),
    ];
    let mut trials = Vec::new();
    for kind in [Kind::Namespaced, Kind::Bare] {
        for who in [Who::Ordinary, Who::Root] {
            trials.extend(TESTS.iter().map(|test| trial(test, kind, who, &needed)));
            let also: Vec<_> = needed.iter().cloned().chain(journald::needed()).collect();
            trials.push(trial(&JOURNALD, kind, who, &also));
        }
    }
    let code = needs::run(trials);
    scratch::remove_shared();
    code
}

fn trial((name, test): &Test, kind: Kind, who: Who, needed: &[needs::Need]) -> Trial {
    let (test, word) = (*test, format!("{kind:?}").to_lowercase());
    needs::trial(
        format!("{name}, {word} jail, started {}", who.word()),
        needed,
        move || test(kind, who).map_err(Into::into),
    )
}
