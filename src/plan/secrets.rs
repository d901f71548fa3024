//! Secrets of the plan: their names, where they lie and what they become. No value is ever in a plan.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::Serialize;

use super::{Mount, Plan, Refusal};
use crate::host::{ANYONE, Host, PathFact, PathKind, secret_place};
use crate::profile::{CREDENTIALS, Profile, Secret, SecretSource, Sourced};

/// The largest secret that is read, in bytes.
pub const MAX_SECRET: u64 = 1 << 16;

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretLine {
    /// Its name; that of its variable where it is one.
    pub name: String,
    /// Its name among the unit's credentials, where it is one of them.
    pub credential: Option<String>,
    /// Where it lies on the host; none where that cannot be said.
    pub source: Option<PathBuf>,
    /// The file in the jail's private `/tmp` that it becomes; none: it becomes a variable.
    pub at: Option<PathBuf>,
    /// Whether its absence is fine.
    pub optional: bool,
    /// Whether it is there.
    pub present: bool,
    /// The profile line, as `file:line`.
    pub origin: String,
    /// The profile's reason.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// A secret's file as it was found: by its path, or by the descriptor that it was opened as.
#[derive(Debug, Clone)]
pub struct SecretFile {
    /// What lies there, whose it is, and who can put another in its place.
    pub fact: PathFact,
    /// Its size in bytes; none before it was opened.
    pub size: Option<u64>,
}

/// What decides on whether a file is fit for a secret, beside the file.
#[derive(Debug, Clone, Copy)]
pub struct Starter {
    /// The user who starts the jail.
    pub uid: u32,
    /// Their group.
    pub gid: u32,
    /// Whether a container holds flowjail itself.
    pub container: bool,
}

impl Starter {
    /// The one that a host shows.
    pub fn of(host: &Host) -> Starter {
        Starter {
            uid: host.uid,
            gid: host.gid,
            container: host.container,
        }
    }
}

/// The lines of a profile, in the order of their names.
pub fn lines(profile: &Profile, host: &Host) -> Vec<SecretLine> {
    let line = |(name, entry): (&String, &Sourced<Secret>)| {
        let secret = &entry.value;
        let source = secret_place(&secret.source, &host.env, &host.variables);
        let fact = source.as_ref().and_then(|path| host.paths.get(path));
        SecretLine {
            name: name.clone(),
            credential: match &secret.source {
                SecretSource::Credential(name) => Some(name.clone()),
                SecretSource::File(_) => None,
            },
            present: fact.is_some_and(|fact| !is_absent(fact.kind)),
            source,
            at: secret.at.clone(),
            optional: secret.optional,
            origin: entry.origin.clone(),
            why: entry.why.clone(),
        }
    };
    profile.secrets.iter().map(line).collect()
}

/// Whether nothing is there. What is there and may not be looked at is something.
pub fn is_absent(kind: PathKind) -> bool {
    matches!(kind, PathKind::Missing(Errno::ENOENT | Errno::ENOTDIR))
}

/// Everything that stands in the way of the plan's secrets, as far as it can be seen without opening one.
pub fn refusals(plan: &Plan, host: &Host) -> Vec<Refusal> {
    let mut all = Vec::new();
    let private = |mount: &Mount| matches!(mount, Mount::Tmp { at, .. } if at == Path::new("/tmp"));
    let no_place = !plan.mounts.iter().any(private);
    for line in &plan.secrets {
        if line.at.is_some() && no_place {
            all.push(line.refuse(
                "a private /tmp",
                "this jail has none: its /tmp would be the host's".into(),
                format!(
                    "name the file itself in [files] read, in place of {}",
                    line.origin
                ),
            ));
            continue;
        }
        all.extend(bound_over(line, plan));
        let Some(source) = &line.source else {
            all.extend((!line.optional).then(|| line.without_source(host)));
            continue;
        };
        let fact = host.paths.get(source);
        all.extend(fact.and_then(|fact| {
            let file = SecretFile {
                fact: fact.clone(),
                size: None,
            };
            refuse_secret(line, &file, Starter::of(host), plan)
        }));
    }
    all
}

/// What the jail sees of the host below its private `/tmp` is no place for a secret: it would stay there.
fn bound_over(line: &SecretLine, plan: &Plan) -> Option<Refusal> {
    let at = line.at.as_deref()?;
    let leads_out = |mount: &&Mount| matches!(mount, Mount::Bind(_) | Mount::Link { .. });
    let below = plan.mounts.iter().filter(leads_out).map(Mount::at);
    let mut below = below.filter(|other| other.starts_with("/tmp"));
    let other = below.find(|other| at.starts_with(other) || other.starts_with(at))?;
    Some(line.refuse(
        "a place of its own in the private /tmp",
        format!("{} is the host's, by [files]", other.display()),
        format!("choose another `as` in {}", line.origin),
    ))
}

/// Secrets that the program could read where they lie, too.
pub fn notes(plan: &Plan, host: &Host) -> Vec<String> {
    let bound = plan.mounts.iter().filter_map(|mount| match mount {
        Mount::Bind(tree) => Some(tree.source.as_path()),
        _ => None,
    });
    let rules = plan.landlock.iter().flat_map(|landlock| &landlock.rules);
    let granted = rules.filter(|_| plan.mounts.is_empty());
    let seen: Vec<&Path> = bound
        .chain(granted.map(|rule| rule.path.as_path()))
        .collect();
    let note = |line: &SecretLine| {
        let fact = host.paths.get(line.source.as_ref()?)?;
        let read = seen.iter().find(|path| fact.real.starts_with(path))?;
        Some(format!(
            "warning: the secret `{}` lies in {}, which the jail reads by itself",
            line.name,
            read.display()
        ))
    };
    let present = plan.secrets.iter().filter(|line| line.present);
    present.filter_map(note).collect()
}

impl SecretLine {
    fn refuse(&self, needs: &str, found: String, hint: String) -> Refusal {
        Refusal {
            what: format!("secret `{}` ({})", self.name, self.origin),
            needs: needs.into(),
            found,
            hints: vec![hint],
        }
    }

    fn without_source(&self, host: &Host) -> Refusal {
        match &self.credential {
            Some(name) => self.refuse(
                &format!("the credential `{name}`"),
                match host.env.contains_key(CREDENTIALS) {
                    true => format!("{CREDENTIALS} is no absolute path: no unit has set it"),
                    false => format!("{CREDENTIALS} is not set: this is no unit with credentials"),
                },
                load_credential(name),
            ),
            None => self.refuse(
                "a path",
                "a variable in it is not known on this host".into(),
                format!("write the path itself in {}", self.origin),
            ),
        }
    }

    fn missing(&self, errno: Errno, fact: &PathFact, starter: Starter) -> Refusal {
        let shown = self.shown();
        let Starter { uid, gid, .. } = starter;
        if errno == Errno::EACCES || errno == Errno::EPERM {
            let found = format!("{shown} may not be read by uid {uid} ({errno:?})");
            let mut closed = fact
                .closed
                .iter()
                .filter(|above| !above.lets_pass(uid, gid));
            let hint = match closed.next() {
                Some(above) => format!(
                    "{} is closed to uid {uid}: move the file to a directory that is not, as /etc/flowjail",
                    above.at.display()
                ),
                None => format!("chown {uid} {shown}"),
            };
            return self.refuse("a file that can be read", found, hint);
        }
        if errno == Errno::ESTALE {
            let found = format!("{shown} changes all the time");
            let hint = "write it beside its place, and rename it once".into();
            return self.refuse("a file that stays", found, hint);
        }
        let (found, optional) = match errno {
            Errno::ENOENT | Errno::ENOTDIR => (
                format!("{shown} is not there"),
                "or write optional = true, where the program does without",
            ),
            other => (format!("{shown}: {}", other.desc()), ""),
        };
        let hint = match &self.credential {
            Some(name) => load_credential(name),
            None => format!("write the secret to {shown}"),
        };
        let hint = [hint.as_str(), optional].join(" ");
        self.refuse("a file", found, hint.trim_end().to_owned())
    }

    /// The path as a shell takes it.
    fn shown(&self) -> String {
        let path = self.source.as_deref().unwrap_or(Path::new(""));
        let text = path.display().to_string();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.@+:,".contains(c);
        match text.chars().all(plain) {
            true => text,
            false => format!("'{}'", text.replace('\'', r"'\''")),
        }
    }
}

fn load_credential(name: &str) -> String {
    format!("LoadCredential={name}:/path in the unit")
}

/// Judges a secret's file: by its path for the plan, and again by its descriptor once it is open.
///
/// Root's and the starter's own files are fit on a host, where others could neither have read nor written them, and nobody
/// else can lead the way to another file. In a container that Docker or Kubernetes have filled, ids are those of another
/// place, secrets are made readable for whatever user the image has, and what keeps them from others is the container
/// itself: there no owner is wrong, and no reader. What others may write is refused everywhere.
pub fn refuse_secret(
    line: &SecretLine,
    file: &SecretFile,
    starter: Starter,
    plan: &Plan,
) -> Option<Refusal> {
    let SecretFile { fact, size } = file;
    let shown = line.shown();
    let kind = match fact.kind {
        PathKind::Missing(_) if line.optional && is_absent(fact.kind) => return None,
        PathKind::Missing(errno) => return Some(line.missing(errno, fact, starter)),
        PathKind::Directory => "a directory",
        PathKind::Special => "a device, a socket or a FIFO",
        PathKind::File => "",
    };
    if !kind.is_empty() {
        let found = format!("{shown} is {kind}");
        let hint = "name the file that holds the secret and nothing else".into();
        return Some(line.refuse("a regular file", found, hint));
    }
    if plan.writes_below(&fact.real) {
        let found = format!("{shown} lies in a directory that the jail writes");
        let hint = "move it to a place that the jail does not write, as /etc/flowjail".into();
        return Some(line.refuse("a file that the program cannot change", found, hint));
    }
    bad_mode(line, fact, starter)
        .or_else(|| bad_owner(line, fact, starter))
        .or_else(|| size.and_then(|size| bad_size(line, size)))
}

fn bad_mode(line: &SecretLine, fact: &PathFact, starter: Starter) -> Option<Refusal> {
    let shown = line.shown();
    let written = fact.mode & 0o022 != 0;
    let read = !starter.container && fact.mode & 0o004 != 0;
    let (needs, change) = match (written, read) {
        (false, false) => return None,
        (true, false) => ("a file that only its owner can write", "go-w"),
        (false, true) => ("a file that others cannot read", "o-r"),
        (true, true) => (
            "a file that only its owner can write, and others cannot read",
            "go-w,o-r",
        ),
    };
    let found = format!("{shown} has mode {:04o}", fact.mode);
    Some(line.refuse(needs, found, format!("chmod {change} {shown}")))
}

fn bad_owner(line: &SecretLine, fact: &PathFact, starter: Starter) -> Option<Refusal> {
    if starter.container {
        return None;
    }
    let shown = line.shown();
    let uid = starter.uid;
    if fact.uid != 0 && fact.uid != uid {
        let found = format!("{shown} belongs to uid {}", fact.uid);
        let needs = "a file of root's, or of the user who starts flowjail";
        return Some(line.refuse(needs, found, format!("chown {uid} {shown}")));
    }
    let others = fact.replaceable_by.iter().chain(&fact.link_owners);
    let who = match others.filter(|&&other| other != uid).max() {
        Some(&ANYONE) => "anyone".to_owned(),
        Some(other) => format!("uid {other}"),
        // An ordinary user's private group is nobody else, most often.
        None if fact.group_replaceable && uid == 0 => "a group".to_owned(),
        None => return None,
    };
    let found =
        format!("{who} can put something else in the place of {shown}, or of a directory above it");
    let hint = "move it to a directory that only root can write, as /etc/flowjail".into();
    Some(line.refuse("a place that nobody else can change", found, hint))
}

fn bad_size(line: &SecretLine, size: u64) -> Option<Refusal> {
    let shown = line.shown();
    if size == 0 {
        let found = format!("{shown} is empty");
        return Some(line.refuse("a secret", found, format!("write the secret to {shown}")));
    }
    (size > MAX_SECRET).then(|| {
        let found = format!("{shown} has {size} bytes");
        let hint = "name a file that holds the secret and nothing else".into();
        line.refuse("at most 64 KiB", found, hint)
    })
}
