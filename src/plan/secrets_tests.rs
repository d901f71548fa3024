//! Which files are fit for secrets, on hosts that are made up.
#![forbid(unsafe_code)]

use std::path::Path;

use super::facts::{differing, facts};
use super::tests::{fact, flowise, host};
use super::{Plan, SecretFile, SecretLine, Starter, refuse_secret, resolve, resolve_again};
use crate::host::{ANYONE, PathFact, PathKind};
use crate::profile::{Part, Profile, Secret, SecretSource, Sourced, Template};

const HOST: Starter = Starter {
    uid: 1000,
    gid: 1000,
    container: false,
};
const ROOT: Starter = Starter {
    uid: 0,
    gid: 0,
    container: false,
};
const CONTAINER: Starter = Starter {
    uid: 1000,
    gid: 1000,
    container: true,
};

fn line() -> SecretLine {
    SecretLine {
        name: "DB".into(),
        credential: None,
        source: Some("/etc/keys/d b".into()),
        at: None,
        optional: false,
        present: true,
        origin: "a.toml:3".into(),
        why: String::new(),
    }
}

fn plan() -> Plan {
    resolve(&flowise(), &host(), "test").unwrap()
}

/// The hint of the refusal; empty: it is fit.
fn hint(starter: Starter, change: impl FnOnce(&mut PathFact)) -> String {
    let mut fact = fact("/etc/keys/d b", PathKind::File, 0);
    fact.mode = 0o400;
    change(&mut fact);
    let file = SecretFile {
        fact,
        size: Some(5),
    };
    let refusal = refuse_secret(&line(), &file, starter, &plan());
    refusal.map_or(String::new(), |refusal| refusal.hints.join("\n"))
}

#[test]
fn root_and_the_starter_may_own_it_on_a_host() {
    for (starter, owner, wanted) in [
        (HOST, 0, ""),
        (HOST, 1000, ""),
        (HOST, 1001, "chown 1000 '/etc/keys/d b'"),
        (ROOT, 0, ""),
        (ROOT, 1000, "chown 0 '/etc/keys/d b'"),
        (CONTAINER, 1001, ""),
        (CONTAINER, 65_534, ""),
    ] {
        assert_eq!(hint(starter, |fact| fact.uid = owner), wanted);
    }
}

#[test]
fn others_may_read_it_in_a_container_and_write_it_nowhere() {
    for (mode, on_host, in_container) in [
        (0o400, "", ""),
        (0o440, "", ""),
        (0o640, "", ""),
        (0o444, "chmod o-r", ""),
        (0o644, "chmod o-r", ""),
        (0o660, "chmod go-w", "chmod go-w"),
        (0o602, "chmod go-w", "chmod go-w"),
        (0o666, "chmod go-w,o-r", "chmod go-w"),
    ] {
        let command = |hint: String| hint.replace(" '/etc/keys/d b'", "");
        let found =
            [HOST, CONTAINER].map(|starter| command(hint(starter, |fact| fact.mode = mode)));
        assert_eq!(found, [on_host, in_container], "{mode:o}");
    }
}

#[test]
fn nobody_else_may_be_able_to_put_another_file_in_its_place() {
    let moved = "move it to a directory that only root can write, as /etc/flowjail";
    let by = |starter, user: u32| {
        hint(starter, |fact| {
            fact.replaceable_by.insert(user);
        })
    };
    assert_eq!(by(HOST, 1000), "");
    assert_eq!(by(HOST, 1001), moved);
    assert_eq!(by(HOST, ANYONE), moved);
    assert_eq!(by(ROOT, 1000), moved);
    assert_eq!(by(CONTAINER, ANYONE), "");
    let link = |starter| {
        hint(starter, |fact| {
            fact.link_owners.insert(1001);
        })
    };
    assert_eq!((link(HOST).as_str(), link(CONTAINER).as_str()), (moved, ""));
    let group = |starter| hint(starter, |fact| fact.group_replaceable = true);
    assert_eq!((group(HOST).as_str(), group(ROOT).as_str()), ("", moved));
}

#[test]
fn the_jail_does_not_write_it() {
    for starter in [HOST, ROOT, CONTAINER] {
        let inside = hint(starter, |fact| fact.real = "/home/u/.flowise/key".into());
        assert!(inside.starts_with("move it to a place that the jail does not write"));
    }
}

#[test]
fn a_jail_that_runs_keeps_what_it_has_read() {
    let line = |source: SecretSource, optional: bool, origin: &str| Sourced {
        value: Secret {
            source,
            at: None,
            optional,
        },
        origin: origin.into(),
        why: String::new(),
    };
    let credential = |name: &str| SecretSource::Credential(name.into());
    let mut profile = flowise();
    let all = &mut profile.secrets;
    all.insert("KEY".into(), line(credential("key"), false, "a.toml:3"));
    let mut unit = host();
    unit.env
        .insert("CREDENTIALS_DIRECTORY".into(), "/run/c".into());
    let found = fact("/run/c/key", PathKind::File, 0);
    unit.paths.insert("/run/c/key".into(), found);
    let running = facts(&resolve(&profile, &unit, "test").unwrap());
    let again = |profile: &Profile| {
        let plan = resolve_again(profile, &host(), "test").unwrap();
        differing(&running, &facts(&plan))
    };
    assert!(resolve(&profile, &host(), "test").is_err());
    // From a shell, and with a line above it.
    let all = &mut profile.secrets;
    all.insert("KEY".into(), line(credential("key"), false, "a.toml:4"));
    assert!(again(&profile).is_empty(), "{:?}", again(&profile));
    for (source, optional) in [("other", false), ("key", true)] {
        let all = &mut profile.secrets;
        all.insert("KEY".into(), line(credential(source), optional, "a.toml:4"));
        assert_eq!(again(&profile), ["[secrets] KEY"]);
    }
    profile.secrets.clear();
    assert_eq!(again(&profile), ["[secrets] KEY"]);
}

#[test]
fn a_variable_beside_a_secret_that_is_a_file_is_compared() {
    let mut profile = flowise();
    let value = Secret {
        source: SecretSource::File(Template(vec![Part::Text("/etc/key".into())])),
        at: Some("/tmp/key".into()),
        optional: true,
    };
    let (origin, why) = ("a.toml:3".into(), String::new());
    let line = Sourced { value, origin, why };
    profile.secrets.insert("KEY".into(), line);
    let place = Template(vec![Part::Text("/tmp/key".into())]);
    profile.env.set.insert("KEY".into(), place);
    let all = facts(&resolve(&profile, &host(), "test").unwrap());
    assert!(all.contains_key("[env] KEY") && all.contains_key("[secrets] KEY"));
}

#[test]
fn a_plan_knows_names_and_places_of_the_credentials() {
    let mut profile = flowise();
    let value = Secret {
        source: SecretSource::Credential("key".into()),
        at: None,
        optional: true,
    };
    let (origin, why) = ("a.toml:3".into(), String::new());
    let line = Sourced { value, origin, why };
    profile.secrets.insert("KEY".into(), line);
    let mut host = host();
    let plan = resolve(&profile, &host, "test").unwrap();
    assert!(!plan.secrets[0].present && plan.secrets[0].source.is_none());
    let directory = "/run/credentials/flowise.service";
    host.env
        .insert("CREDENTIALS_DIRECTORY".into(), directory.into());
    let file = Path::new(directory).join("key");
    let found = fact(&file.to_string_lossy(), PathKind::File, 0);
    host.paths.insert(
        file.clone(),
        PathFact {
            mode: 0o440,
            ..found
        },
    );
    let plan = resolve(&profile, &host, "test").unwrap();
    assert!(plan.secrets[0].present);
    assert_eq!(plan.secrets[0].source.as_deref(), Some(file.as_path()));
    assert!(
        plan.env
            .iter()
            .all(|(name, _)| name != "CREDENTIALS_DIRECTORY")
    );
}
