//! `flowjail reload`: a jail that runs gets the rules of a changed profile. Each test is shown in both kinds of jail, and
//! for a start as root and one as an ordinary user.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)] // the memory lines are part of what these tests show

mod asked;
#[path = "../common/mod.rs"]
mod common;
#[path = "../kit/mod.rs"]
mod kit;
mod load;
#[path = "../gateway/memory.rs"]
mod memory;
#[allow(dead_code)] // as the tests of the gateway need it
#[path = "../gateway/names.rs"]
mod names;
mod restart;
mod rules;
mod running;
#[allow(dead_code)] // as the tests of the gateway need it
#[path = "../gateway/stage.rs"]
mod stage;
#[allow(dead_code)] // as the tests of the gateway need it
#[path = "../gateway/world.rs"]
mod world;

use common::needs;
use kit::who::Who;
use kit::{Check, scratch};
use running::{How, Kind};

type Test = (&'static str, fn(How) -> Check);

const TESTS: [Test; 21] = [
    (
        "another name server is asked from now on",
        rules::another_name_server_is_asked,
    ),
    (
        "a host that is added is reached, and one that is removed is not",
        rules::hosts_come_and_go,
    ),
    (
        "a host that comes again has its address again",
        rules::a_host_comes_again,
    ),
    (
        "a port that is added to a known name is reached",
        rules::a_known_name_gets_another_port,
    ),
    (
        "a protocol that changes holds from the next byte on",
        rules::protocols_change,
    ),
    (
        "a static name gets another address",
        rules::a_static_name_moves,
    ),
    (
        "a private host becomes a public one",
        rules::a_private_host_becomes_public,
    ),
    ("addresses come and go", rules::addresses_come_and_go),
    ("an empty list denies all", rules::an_empty_list_denies_all),
    ("limits are in force at once", rules::limits_change),
    (
        "a port that a Landlock domain lacks needs a restart",
        restart::a_port_may_need_a_restart,
    ),
    (
        "what needs a restart is named, and the rest is in force",
        restart::what_needs_a_restart_is_named,
    ),
    (
        "the same profile changes nothing",
        restart::the_same_profile_changes_nothing,
    ),
    (
        "a profile with a problem changes nothing",
        restart::a_wrong_profile_changes_nothing,
    ),
    (
        "a jail that does not run is a clear error",
        restart::no_such_jail,
    ),
    ("another user may not reload", asked::another_user_may_not),
    (
        "the jail itself may not reload",
        asked::the_jail_itself_may_not,
    ),
    (
        "a message that is wrong or half changes nothing",
        asked::wrong_messages_change_nothing,
    ),
    (
        "peers that say nothing hold up nobody for long",
        asked::silent_peers_hold_up_nobody,
    ),
    (
        "reloads at once come out as one of them",
        load::reloads_at_once,
    ),
    (
        "200 reloads disturb no connection and leave nothing behind",
        load::two_hundred_reloads,
    ),
];

fn main() -> std::process::ExitCode {
    let world = world::enter();
    let built = world::compiled("puppet");
    let compiler = needs::condition(
        "a C compiler",
        built.is_ok(),
        built.as_ref().err().map_or("", |e| e),
    );
    let needed = [world, compiler];
    let mut trials = Vec::new();
    for who in [Who::Ordinary, Who::Root] {
        for kind in [Kind::Namespaced, Kind::Bare] {
            for (name, test) in TESTS {
                let name = format!("{name}: {}, started {}", kind.word(), who.word());
                trials.push(needs::trial(name, &needed, move || {
                    test(How { who, kind }).map_err(Into::into)
                }));
            }
        }
    }
    let code = needs::run(trials);
    scratch::remove_shared();
    code
}
