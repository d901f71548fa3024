//! Secrets: they reach the program and nobody else, from files that are fit for them; each with its twin.
#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod hidden;
#[path = "../kit/mod.rs"]
mod kit;
mod reach;
mod refused;
#[allow(dead_code)] // as the tests of the lifecycle need it
#[path = "../lifecycle/stage.rs"]
mod stage;
mod vault;

use common::needs;
use kit::who::Who;
use kit::{Check, scratch};
use libtest_mimic::Trial;
use vault::Kind;

/// A test for both kinds of jail, started as root and as an ordinary user.
type Test = (&'static str, fn(Kind, Who) -> Check);

const REACH: [Test; 6] = [
    (
        "a secret reaches the environment",
        reach::a_secret_reaches_the_environment,
    ),
    (
        "a credential reaches the environment",
        reach::a_credential_reaches_the_environment,
    ),
    (
        "a secret becomes a file or is refused",
        reach::a_secret_becomes_a_file_or_is_refused,
    ),
    (
        "links lead to a secret as in Kubernetes",
        reach::links_lead_to_a_secret_as_in_kubernetes,
    ),
    (
        "what is optional may be missing",
        reach::what_is_optional_may_be_missing,
    ),
    (
        "a restart reads the file anew",
        reach::a_restart_reads_the_file_anew,
    ),
];
const HIDDEN: [Test; 3] = [
    (
        "the plan names it and never shows it",
        hidden::the_plan_names_it_and_never_shows_it,
    ),
    (
        "the program cannot read its source",
        hidden::the_program_cannot_read_its_source,
    ),
    (
        "a file that is replaced all the time is read or refused",
        hidden::a_file_that_is_replaced_all_the_time_is_read_or_refused,
    ),
];
const REFUSED: [Test; 5] = [
    (
        "an unfit file is refused with what mends it",
        refused::an_unfit_file_is_refused_with_what_mends_it,
    ),
    (
        "a missing source is refused with what gives it",
        refused::a_missing_source_is_refused_with_what_gives_it,
    ),
    (
        "a NUL byte is refused in a variable",
        refused::a_nul_byte_is_refused_in_a_variable,
    ),
    (
        "a newline and nothing else is no secret",
        refused::a_newline_and_nothing_else_is_no_secret,
    ),
    (
        "more than an environment holds is said",
        refused::more_than_an_environment_holds_is_said,
    ),
];
/// Of the jail with a `/tmp` of its own.
const OF_TMP: Test = (
    "a place of the host takes no secret",
    refused::a_place_of_the_host_takes_no_secret,
);
/// Those that make files of other users, or look into the memory of others.
const AS_ROOT: [Test; 3] = [
    (
        "nobody but the program holds it",
        hidden::nobody_but_the_program_holds_it,
    ),
    (
        "a file of others is refused",
        refused::a_file_of_others_is_refused,
    ),
    (
        "in a container whoever reads it does not matter",
        refused::in_a_container_whoever_reads_it_does_not_matter,
    ),
];

fn main() -> std::process::ExitCode {
    let built = stage::compiled("actor");
    let why = built.as_ref().err().map_or("", |why| why);
    let compiler = needs::condition("a C compiler", built.is_ok(), why);
    let mut trials = Vec::new();
    for kind in [Kind::Namespaced, Kind::Bare] {
        for who in [Who::Ordinary, Who::Root] {
            let mut needed = vec![compiler.clone()];
            needed.extend((who == Who::Root).then(needs::root));
            let groups: [&[Test]; 3] = [&REACH, &HIDDEN, &REFUSED];
            for test in groups.into_iter().flatten() {
                trials.push(trial(test, kind, who, &needed));
            }
            if kind == Kind::Namespaced {
                trials.push(trial(&OF_TMP, kind, who, &needed));
            }
            needed.push(needs::root());
            needed.push(needs::program("unshare"));
            let as_root = AS_ROOT.iter();
            trials.extend(as_root.map(|test| trial(test, kind, who, &needed)));
        }
    }
    let code = needs::run(trials);
    scratch::remove_shared();
    code
}

fn trial((name, test): &Test, kind: Kind, who: Who, needed: &[needs::Need]) -> Trial {
    let test = *test;
    needs::trial(
        format!("{name}, {} jail, started {}", kind.word(), who.word()),
        needed,
        move || test(kind, who).map_err(Into::into),
    )
}
