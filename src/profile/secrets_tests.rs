//! Secrets as profiles write them, and what later lines make of earlier ones.
#![forbid(unsafe_code)]

use super::tests::load_from;
use super::{Overlay, Profile, SecretSource};

fn loaded(files: &[(&str, &str)]) -> Profile {
    load_from(files, &Overlay::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The names, each with its source.
fn secrets(profile: &Profile) -> Vec<String> {
    let shown = |source: &SecretSource| match source {
        SecretSource::Credential(name) => format!("credential {name}"),
        SecretSource::File(path) => path.to_string(),
    };
    let all = profile.secrets.iter();
    all.map(|(name, entry)| format!("{name} {}", shown(&entry.value.source)))
        .collect()
}

fn over(parent: &str, child: &str) -> Profile {
    let child = format!("extends = ['p.toml']\n{child}");
    loaded(&[("c.toml", child.as_str()), ("p.toml", parent)])
}

#[test]
fn a_line_says_where_from_and_what_it_becomes() {
    let text = "[params]\nkeys = '/etc/keys'\n[secrets]\nKEY = { credential = 'flowise-key', why = 'the key' }\n\
        tls-key = { file = '${keys}/tls', as = '/tmp/tls.pem', optional = true }\n";
    let profile = loaded(&[("a.toml", text)]);
    let expected = ["KEY credential flowise-key", "tls-key ${keys}/tls"];
    assert_eq!(secrets(&profile), expected);
    let [key, tls] = ["KEY", "tls-key"].map(|name| &profile.secrets[name]);
    assert_eq!(
        (key.why.as_str(), key.origin.as_str()),
        ("the key", "a.toml:4")
    );
    assert!(key.value.at.is_none() && !key.value.optional && tls.value.optional);
    assert_eq!(tls.value.at.as_deref(), Some("/tmp/tls.pem".as_ref()));
}

#[test]
fn later_lines_add_replace_and_take_away() {
    let parent = "[secrets]\nA = { file = '/a' }\nB = { file = '/b' }\nC = { file = '/c' }\n";
    let child =
        "[secrets]\nB = { credential = 'b' }\nD = { file = '/d' }\n[remove]\nsecrets = ['C']\n";
    let expected = ["A /a", "B credential b", "D /d"];
    assert_eq!(secrets(&over(parent, child)), expected);
}

#[test]
fn a_variable_has_one_value_the_later_one() {
    let parent = "[env]\npass = ['A', 'DB_*']\nset = { B = 'b' }\nbare = { C = 'c' }\n";
    let child = "[secrets]\nA = { file = '/a' }\nB = { file = '/b' }\nC = { file = '/c' }\n";
    let profile = over(parent, child);
    assert_eq!(secrets(&profile), ["A /a", "B /b", "C /c"]);
    let passed: Vec<&str> = profile
        .env
        .pass
        .iter()
        .map(|item| item.value.as_str())
        .collect();
    assert_eq!(passed, ["DB_*"]);
    assert!(profile.env.set.is_empty() && profile.env.bare.is_empty());
    let back = over(child, parent);
    assert!(back.secrets.is_empty(), "{:?}", secrets(&back));
    assert_eq!(back.env.set.len() + back.env.bare.len(), 2);
}

#[test]
fn the_place_of_a_file_may_stand_in_a_variable() {
    let parent = "[env]\nset = { KEY = '/tmp/key' }\n";
    let child = "[secrets]\nKEY = { file = '/a', as = '/tmp/key' }\n";
    let profile = over(parent, child);
    assert_eq!(secrets(&profile), ["KEY /a"]);
    assert_eq!(profile.env.set.len(), 1);
    assert_eq!(secrets(&over(child, parent)), ["KEY /a"]);
}

#[test]
fn a_feature_may_bring_secrets() {
    let text = "features = ['db']\n[feature.db]\nsecrets = { DB = { file = '/db' } }\n";
    assert_eq!(secrets(&loaded(&[("a.toml", text)])), ["DB /db"]);
}

#[test]
fn json_has_the_same_shape() {
    let text = r#"{ "secrets": { "KEY": { "credential": "key", "why": "the key" },
        "tls-key": { "file": "/etc/tls", "as": "/tmp/tls.pem", "optional": true } } }"#;
    let profile = loaded(&[("a.json", text)]);
    assert_eq!(
        secrets(&profile),
        ["KEY credential key", "tls-key /etc/tls"]
    );
    assert!(profile.secrets["tls-key"].value.optional);
}
