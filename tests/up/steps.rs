//! The steps: npm, the build, and what happens when they are cut off.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;

use flowjail::install::{Error, Fact, Request, Unjailed, ensure};

use crate::place::{Facts, NODE, Place, wait_for};

#[test]
fn a_tree_is_installed_once_and_found_again() {
    let place = Place::new("once");
    let first = place.ensure().expect("an installation");
    assert!(first.fresh);
    assert_eq!(first.path, place.0.join("trees/flowise-3.1.4"));
    assert_eq!(first.manifest.node, "24.1.0");
    assert!(first.script().is_file());
    let again = place.ensure().expect("the tree is found");
    assert!(!again.fresh);
    assert_eq!(again.manifest, first.manifest);
    assert_eq!(place.read("npm.calls").lines().count(), 1);
    assert!(!place.0.join("trees/flowise-3.1.4.partial").exists());
}

#[test]
fn npm_runs_no_install_script_and_sees_no_node_options() {
    let place = Place::new("clean");
    let status = place
        .command()
        .env("NODE_OPTIONS", "--require /x")
        .env("LD_LIBRARY_PATH", "/x")
        .status();
    assert!(status.is_ok());
    assert!(
        place
            .read("npm.calls")
            .contains("ci --ignore-scripts --legacy-peer-deps")
    );
    let environment = place.read("npm.env");
    assert!(environment.contains("PATH="), "npm ran");
    assert!(
        !environment.contains("NODE_OPTIONS") && !environment.contains("LD_LIBRARY_PATH"),
        "{environment}"
    );
}

#[test]
fn only_the_module_is_left_of_the_build_and_everyone_may_read_the_tree() {
    let place = Place::new("modes");
    let tree = place.ensure().expect("an installation").path;
    assert!(
        tree.join("node_modules/sqlite3/build/Release/node_sqlite3.node")
            .is_file()
    );
    assert!(!tree.join("node_modules/sqlite3/build/Release/obj").exists());
    let mode = |path: &str| {
        tree.join(path)
            .metadata()
            .map(|data| data.permissions().mode() & 0o777)
            .ok()
    };
    assert_eq!(mode("node_modules/flowise"), Some(0o755));
    assert_eq!(mode("node_modules/flowise/package.json"), Some(0o644));
    assert_eq!(mode(""), Some(0o755));
}

#[test]
fn an_unjailed_build_is_reported() {
    let place = Place::new("unjailed");
    let mut facts = Facts::default();
    ensure(&place.request(), &mut facts).expect("an installation");
    assert!(
        facts.0.contains(&Fact::BuildUnjailed(Unjailed::NotAsked)),
        "{:?}",
        facts.0
    );
}

#[test]
fn a_jail_that_cannot_be_had_is_reported_with_its_reason_and_the_build_goes_on() {
    let place = Place::new("refused");
    place.program(
        "flowjail",
        "#!/bin/sh\necho 'error: no user namespaces here' >&2\nexit 125\n",
    );
    let include = place.0.join("include/node");
    fs::create_dir_all(&include).expect("a directory for headers");
    fs::write(
        include.join("node_version.h"),
        "#define NODE_MAJOR_VERSION 24\n",
    )
    .expect("a header");
    let mut facts = Facts::default();
    let flowjail = Some(place.0.join("bin/flowjail"));
    ensure(
        &Request {
            flowjail,
            ..place.request()
        },
        &mut facts,
    )
    .expect("an installation");
    let refused = Fact::BuildUnjailed(Unjailed::Refused("no user namespaces here".to_owned()));
    assert_eq!(
        facts.0.iter().filter(|fact| **fact == refused).count(),
        1,
        "{:?}",
        facts.0
    );
}

#[test]
fn a_build_that_fails_in_its_jail_is_not_repeated_outside() {
    let place = Place::new("jailed-failure");
    place.program(
        "flowjail",
        "#!/bin/sh\necho 'fatal error: x.h' >&2\nexit 1\n",
    );
    let include = place.0.join("include/node");
    fs::create_dir_all(&include).expect("a directory for headers");
    fs::write(
        include.join("node_version.h"),
        "#define NODE_MAJOR_VERSION 24\n",
    )
    .expect("a header");
    let flowjail = Some(place.0.join("bin/flowjail"));
    let result = ensure(
        &Request {
            flowjail,
            ..place.request()
        },
        &mut Facts::default(),
    );
    let Err(Error::Failed { tail, log, .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(tail, ["fatal error: x.h"]);
    assert!(log.is_file());
}

#[test]
fn a_failing_npm_is_shown_with_its_last_lines_and_its_log() {
    let place = Place::new("fails");
    place.mark("npm.fails");
    let Err(error) = place.ensure() else {
        panic!("npm failed")
    };
    let text = error.to_string();
    assert!(text.contains("npm error code ENOTFOUND"), "{text}");
    assert!(
        text.contains("trees/flowise-3.1.4.partial/npm.log"),
        "{text}"
    );
    place.unmark("npm.fails");
    assert!(place.ensure().expect("the next run goes on").fresh);
}

#[test]
fn a_registry_with_other_addresses_is_asked_for_them() {
    let place = Place::new("elsewhere");
    place.mark("npm.elsewhere");
    place.ensure().expect("the second way is taken");
    assert_eq!(place.read("npm.calls").lines().count(), 2);
    assert_eq!(place.read("npm.addressed").lines().count(), 1);
}

#[test]
fn an_interrupted_installation_is_taken_up_again() {
    let place = Place::new("killed");
    place.mark("npm.slow");
    let mut first = place
        .command()
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("flowjail runs");
    wait_for(
        &place
            .0
            .join("trees/flowise-3.1.4.partial/node_modules/half"),
    );
    // only flowjail: the npm that it leaves behind must not work beside the next one
    first.kill().expect("it runs");
    first.wait().expect("it ended");
    assert!(!place.0.join("trees/flowise-3.1.4").exists());
    let mut facts = Facts::default();
    let tree = ensure(&place.request(), &mut facts).expect("the next run installs");
    assert!(tree.fresh);
    assert!(
        facts
            .0
            .iter()
            .any(|fact| matches!(fact, Fact::Waiting { .. })),
        "{:?}",
        facts.0
    );
    assert!(facts.0.contains(&Fact::Clearing), "{:?}", facts.0);
    assert!(!tree.path.join("node_modules/half").exists());
    tree.verify().expect("the tree is whole");
}

#[test]
fn after_npm_is_done_an_interrupted_build_does_not_fetch_again() {
    let place = Place::new("build-killed");
    place.program("node", &NODE.replace("mkdir -p", "exit 1; mkdir -p"));
    let Err(Error::Failed { what, .. }) = place.ensure() else {
        panic!("the build failed")
    };
    assert_eq!(what, "the build of sqlite3");
    place.program("node", NODE);
    assert!(place.ensure().expect("the next run goes on").fresh);
    assert_eq!(place.read("npm.calls").lines().count(), 1);
}

#[test]
fn of_two_at_once_one_installs_and_the_other_takes_its_tree() {
    let place = Place::new("two");
    place.mark("npm.slow");
    let trees = thread::scope(|scope| {
        let both = [
            scope.spawn(|| place.ensure()),
            scope.spawn(|| place.ensure()),
        ];
        both.map(|one| one.join().expect("no panic").expect("a tree"))
    });
    assert_eq!(trees.iter().filter(|tree| tree.fresh).count(), 1);
    assert_eq!(place.read("npm.calls").lines().count(), 1);
}
