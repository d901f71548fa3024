//! What an installation needs, and says when it is not there.

use std::fs;

use flowjail::install::{Error, Fact, Free, Missing, Request, Unjailed, ensure};

use crate::place::{Facts, NODE, NOTHING, Place, missing, write_program};

#[test]
fn node_headers_that_are_not_there_are_said() {
    let place = Place::new("headers");
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
    assert!(
        facts.0.contains(&Fact::BuildUnjailed(Unjailed::NoHeaders)),
        "{:?}",
        facts.0
    );
}

#[test]
fn every_missing_program_is_named_at_once_with_the_mending_command() {
    let place = Place::new("all")
        .without("node")
        .without("npm")
        .without("python3")
        .without("make")
        .without("c++")
        .without("cc");
    let output = place.command().output().expect("flowjail runs");
    let text = String::from_utf8_lossy(&output.stderr);
    for expected in [
        "error: node is not in PATH",
        "npm is not in PATH",
        "make is not",
        "no C++ compiler",
        "hint: ",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(
        text.contains("hint: on Debian and Ubuntu: `apt-get install python3 make g++`"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(missing(place.ensure()).len(), 5);
}

#[test]
fn each_missing_program_is_named() {
    let cases = [
        ("node", Missing::Node),
        ("npm", Missing::Npm),
        ("python3", Missing::Python),
        ("make", Missing::Make),
        ("c++", Missing::Compiler),
        ("cc", Missing::Compiler),
    ];
    for (name, expected) in cases {
        let place = Place::new(&format!("no-{name}")).without(name);
        assert_eq!(missing(place.ensure()), [expected]);
        assert!(!place.0.join("trees/flowise-3.1.4.partial").exists());
    }
}

#[test]
fn another_compiler_name_is_a_compiler() {
    let place = Place::new("g++").without("c++");
    place.program("g++", NOTHING);
    assert!(place.ensure().is_ok());
}

#[test]
fn node_18_and_22_are_refused_20_is_taken() {
    for version in ["v18.19.0", "v22.11.0"] {
        let place = Place::new(version);
        place.program("node", &format!("#!/bin/sh\necho {version}\n"));
        let path = place.0.join("bin/node");
        assert_eq!(
            missing(place.ensure()),
            [Missing::NodeVersion {
                path,
                found: version.to_owned()
            }]
        );
    }
    let place = Place::new("v20");
    place.program("node", &NODE.replace("v24.1.0", "v20.20.2"));
    assert_eq!(
        place.ensure().expect("node 20 is fine").manifest.node,
        "20.20.2"
    );
}

#[test]
fn a_later_node_in_path_is_taken_when_the_first_does_not_do() {
    let place = Place::new("second");
    let old = place.0.join("old");
    fs::create_dir(&old).expect("a directory");
    write_program(&old.join("node"), "#!/bin/sh\necho v18.0.0\n");
    let path = std::env::join_paths([old, place.0.join("bin")]).expect("a PATH");
    let tree = ensure(
        &Request {
            path,
            ..place.request()
        },
        &mut Facts::default(),
    )
    .expect("an installation");
    assert_eq!(tree.manifest.node, "24.1.0");
    let first = format!("PATH={}", place.0.join("bin").display());
    assert!(
        place
            .read("npm.env")
            .lines()
            .any(|line| line.starts_with(&first)),
        "npm would run the old node"
    );
}

#[test]
fn a_full_disk_is_said_before_npm_starts() {
    for free in [
        Free {
            bytes: 1 << 30,
            inodes: None,
        },
        Free {
            bytes: u64::MAX,
            inodes: Some(1000),
        },
    ] {
        let place = Place::new("full");
        let result = ensure(
            &Request {
                free: Some(free),
                ..place.request()
            },
            &mut Facts::default(),
        );
        let Err(error @ Error::NoSpace { .. }) = result else {
            panic!("{result:?}")
        };
        assert!(error.to_string().contains("needed"), "{error}");
        assert!(error.hints()[0].contains("--dir DIR"));
        assert_eq!(place.read("npm.calls"), "");
    }
}

#[test]
fn an_unknown_version_is_answered_with_the_known_ones() {
    let place = Place::new("version");
    let output = place
        .command()
        .args(["--version", "2.2.8"])
        .output()
        .expect("flowjail runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("hint: versions that flowjail installs: 3.1.4, 3.0.5"),
        "{text}"
    );
}
