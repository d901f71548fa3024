//! The unit files on paper: what systemd itself says of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::Story;
use crate::guest::{Analysed, Manager, output};
use crate::kit::{Check, ensure};

pub const STORY: Story = Story {
    about: "unit files",
    scenes: &[
        ("systemd-analyze verify has nothing to say", verified),
        ("a flawed one is told", a_flawed_one_is_told),
        ("the namespaced units score 3.0 or better", || {
            scored(&NAMESPACED, 3.0)
        }),
        ("the bare unit scores 1.5 or better", || {
            scored(&["flowise-bare.service"], 1.5)
        }),
        (
            "each point that is left is explained, and nothing else",
            explained,
        ),
        ("memory stays executable for V8", executable),
    ],
    end: || Ok(()),
};

const NAMESPACED: [&str; 2] = ["flowise.service", "flowise-activated.service"];
const SYSTEM: [&str; 4] = [
    "flowise.service",
    "flowise-activated.service",
    "flowise-activated.socket",
    "flowise-bare.service",
];

fn place(name: &str) -> PathBuf {
    let of = if name.contains("user") {
        "user"
    } else {
        "system"
    };
    PathBuf::from(format!("/etc/systemd/{of}/{name}"))
}

fn verify(manager: Manager, file: &PathBuf) -> Result<String, String> {
    let mut command = manager.command("systemd-analyze");
    command.args(["verify", "--man=no"]).arg(file);
    let ended = output(command)?;
    let well = ended.status.is_some_and(|status| status.success());
    let said = format!("{}{}", ended.stdout, ended.stderr);
    match well || !said.is_empty() {
        true => Ok(said),
        false => Err("failed without a word".into()),
    }
}

fn verified() -> Check {
    let system = SYSTEM.map(|name| (Manager::System, name));
    let all = system
        .into_iter()
        .chain([(Manager::Ada, "flowise-user.service")]);
    for (manager, name) in all {
        let said = verify(manager, &place(name))?;
        ensure(said.is_empty(), || format!("{name}: {said}"))?;
    }
    Ok(())
}

fn a_flawed_one_is_told() -> Check {
    let text = std::fs::read_to_string(place("flowise.service")).map_err(|e| e.to_string())?;
    let flawed = PathBuf::from("/run/flawed.service");
    let text = text.replace("PrivateTmp=", "PrivateTemp=");
    std::fs::write(&flawed, text).map_err(|error| error.to_string())?;
    let said = verify(Manager::System, &flawed)?;
    ensure(said.contains("PrivateTemp"), || format!("said: {said:?}"))
}

fn scored(names: &[&str], most: f64) -> Check {
    for name in names {
        let score = Analysed::score(&place(name))?;
        ensure(score <= most, || {
            format!("{name} scores {score}, more than {most}")
        })?;
    }
    Ok(())
}

/// The directives that a unit's comments name as left out, and those that count, are the same.
fn explained() -> Check {
    for name in [
        "flowise.service",
        "flowise-activated.service",
        "flowise-bare.service",
    ] {
        let text = std::fs::read_to_string(place(name)).map_err(|error| error.to_string())?;
        let all = Analysed::all(&place(name))?;
        let counts = all.iter().filter(|line| line.counts());
        // Some are called after two directives, of which either does.
        let counts = counts.filter_map(|line| directives(&line.name).into_iter().next());
        let counts: BTreeSet<String> = counts.collect();
        let comments = text.lines().filter(|line| line.starts_with('#'));
        let said: BTreeSet<String> = comments.flat_map(directives).collect();
        let set = text.lines().filter(|line| !line.starts_with('#'));
        let set: BTreeSet<String> = set.flat_map(directives).collect();
        let silent: Vec<_> = counts.difference(&said).collect();
        ensure(silent.is_empty(), || {
            format!("{name} does not explain {silent:?}")
        })?;
        let mut known: BTreeSet<String> = counts.union(&set).cloned().collect();
        known.insert("User".into()); // in the place of DynamicUser=
        let idle: Vec<_> = said.difference(&known).collect();
        ensure(idle.is_empty(), || {
            format!("{name} explains {idle:?}, which is neither set nor counts")
        })?;
    }
    Ok(())
}

/// Words that end in `=`, without what is behind: systemd's directives.
fn directives(line: &str) -> Vec<String> {
    let words = line.split(|c: char| c.is_whitespace() || "(),;:`/".contains(c));
    let name = |word: &str| {
        let (name, _) = word.split_once('=')?;
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_one = plain && name.starts_with(|c: char| c.is_ascii_uppercase());
        is_one.then(|| name.to_owned())
    };
    words.filter_map(name).collect()
}

fn executable() -> Check {
    for name in SYSTEM.into_iter().chain(["flowise-user.service"]) {
        let text = std::fs::read_to_string(place(name)).map_err(|error| error.to_string())?;
        let denied = text
            .lines()
            .any(|line| line.starts_with("MemoryDenyWriteExecute"));
        ensure(!denied, || format!("{name} sets MemoryDenyWriteExecute="))?;
    }
    Ok(())
}
