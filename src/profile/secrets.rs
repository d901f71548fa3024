//! `[secrets]`: where values lie that only the program is to know. A profile names them, and never holds one.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use super::file::{Fragment, Item};
use super::problem::Place;
use super::reader::{Fields, Node};
use super::report::{Flaw, Report};
use super::types::{Part, Template};
use super::value::Kind;
use super::{leaf, template};

/// One line of `[secrets]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Where its value lies.
    pub source: SecretSource,
    /// Where the jail sees it, as a file in its private `/tmp` (`as`). Default: it is a variable of the environment.
    pub at: Option<PathBuf>,
    /// Whether its absence is fine (`optional = true`). Default: it must be there.
    pub optional: bool,
}

/// Where a secret's value lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file of this name in `$CREDENTIALS_DIRECTORY`, as `LoadCredential=` of a unit makes them (systemd.exec(5)).
    Credential(String),
    /// A file of the host.
    File(Template),
}

/// The keys of a line.
const KEYS: [&str; 5] = ["credential", "file", "as", "optional", "why"];

/// Where files of secrets lie in the jail.
const PRIVATE: &str = "/tmp";

/// Reads `[secrets]`, after `[env]`.
pub fn secrets(node: &Node<'_>, out: &mut Fragment, report: &mut Report) {
    for (name, key, node) in node.pairs(report) {
        if report.is_full() {
            return;
        }
        if let Err((message, hint)) = names_a_source(&node) {
            // The line itself is not shown: what stands there may be the secret, and this goes to the journal.
            let at = format!("line {}: secrets.{}", key.line(), name.escape_debug());
            report.whole(&key.source, format!("{at} {message}"), Some(hint.into()));
            continue;
        }
        let fields = node.table(&KEYS, report);
        let at = fields.get("as").map(|node| private_file(&node, report));
        let fine = match at {
            Some(_) => report.keep(&key, file_name(name)),
            None => report.keep(&key, variable(name)),
        };
        let source = source(&fields, report);
        let optional = fields.get("optional").and_then(|node| node.truth(report));
        let why = fields.why(report);
        if at.is_none() {
            refuse_clash(name, &key, out, report);
        }
        let (Some(()), Some(source)) = (fine, source) else {
            continue;
        };
        let value = Secret {
            source,
            at: at.flatten(),
            optional: optional.unwrap_or(false),
        };
        let item = Item {
            value,
            place: key,
            why,
        };
        out.secrets.insert(name.to_owned(), item);
    }
}

/// Where it does not, what is wrong and what to write.
fn names_a_source(node: &Node<'_>) -> Result<(), (String, &'static str)> {
    let Kind::Table(entries) = &node.value.kind else {
        let hint =
            "a profile holds no secret: name where it lies, as in { file = \"/run/secrets/db\" }";
        return Err((format!("is {}, not a table", node.value.kind.name()), hint));
    };
    let sources = ["credential", "file"];
    match entries
        .iter()
        .any(|entry| sources.contains(&entry.key.as_str()))
    {
        true => Ok(()),
        false => {
            let hint =
                "name its source: credential = \"...\" of the unit, or file = \"/run/secrets/...\"";
            Err(("has neither `credential` nor `file`".into(), hint))
        }
    }
}

/// A name of the environment that no secret can be used to run code by.
fn variable(name: &str) -> Result<(), Flaw> {
    if leaf::env_name(name).is_err() {
        let hint =
            "without `as` a secret is a variable: letters, digits and _, as in DATABASE_PASSWORD";
        return Err(Flaw::new("not a variable's name", hint));
    }
    if leaf::never_passed(name) {
        let hint = "it decides what code runs, and is no secret: give it a value in [env] set";
        return Err(Flaw::new("never comes from a file", hint));
    }
    if name == leaf::CREDENTIALS {
        let hint = "name one of the credentials, as in { credential = \"flowise-key\" }";
        return Err(Flaw::new("never passes to the program", hint));
    }
    Ok(())
}

/// A secret that is a file has any plain name.
fn file_name(name: &str) -> Result<(), Flaw> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(Flaw::new(
            "not a secret's name",
            "letters, digits and -_., as in tls-key",
        )),
    }
}

fn refuse_clash(name: &str, key: &Place, out: &Fragment, report: &mut Report) {
    let set = [(&out.set, "set"), (&out.bare, "bare")];
    let set = set
        .iter()
        .find_map(|(all, list)| Some((&all.get(name)?.place, *list)));
    let mut passed = out.pass.iter().filter(|item| item.value == *name);
    let clash = set.or_else(|| passed.next().map(|item| (&item.place, "pass")));
    if let Some((other, list)) = clash {
        let hint = format!("a variable has one value: see line {}", other.line());
        report.hinted(key, format!("both a secret and in env.{list}"), hint);
    }
}

fn source(fields: &Fields<'_>, report: &mut Report) -> Option<SecretSource> {
    match (fields.get("credential"), fields.get("file")) {
        (Some(credential), None) => {
            let name = credential.text(report)?;
            report.keep(&credential.place(), credential_name(&name))?;
            Some(SecretSource::Credential(name))
        }
        (None, Some(file)) => {
            let text = file.text(report)?;
            report
                .keep(&file.place(), template::parse_path(&text))
                .map(SecretSource::File)
        }
        (Some(_), Some(file)) => {
            report.hinted(
                &file.place(),
                "beside `credential`",
                "a secret has one source",
            );
            None
        }
        (None, None) => None,
    }
}

/// As systemd takes it (credential_name_valid): a file's name without a colon.
fn credential_name(name: &str) -> Result<(), Flaw> {
    let odd = |c: char| c == '/' || c == ':' || c.is_control() || !c.is_ascii();
    match name.is_empty() || name.len() > 255 || matches!(name, "." | "..") || name.contains(odd) {
        true => Err(Flaw::new(
            "not a credential's name",
            "the one before the colon of LoadCredential=NAME:PATH",
        )),
        false => Ok(()),
    }
}

/// A place below the private `/tmp`.
fn private_file(node: &Node<'_>, report: &mut Report) -> Option<PathBuf> {
    let text = node.text(report)?;
    let place = node.place();
    let flaw = || {
        let hint = "a secret's file lies in the jail's private /tmp, as in \"/tmp/tls.pem\"";
        Flaw::new("not below /tmp", hint)
    };
    let path = report.keep(&place, template::parse_path(&text))?;
    let path = match path.0.as_slice() {
        [Part::Text(text)] => PathBuf::from(text),
        _ => return report.keep(&place, Err(flaw())),
    };
    let below = path.starts_with(PRIVATE) && path != Path::new(PRIVATE);
    let odd = text.ends_with('/') || text.contains("//");
    report.keep(&place, if below && !odd { Ok(path) } else { Err(flaw()) })
}

/// Two files at one place, or one where another needs a directory.
pub fn refuse_one_place(merged: &Fragment, report: &mut Report) {
    let files: Vec<(&Path, &Place)> = merged
        .secrets
        .values()
        .filter_map(|item| Some((item.value.at.as_deref()?, &item.place)))
        .collect();
    for (index, (at, place)) in files.iter().enumerate() {
        let meets = |(other, _): &&(&Path, &Place)| at.starts_with(other) || other.starts_with(at);
        if let Some((_, other)) = files[..index].iter().find(meets) {
            let hint = format!("see {}", other.origin());
            report.hinted(place, "another secret lies there", hint);
        }
    }
}
