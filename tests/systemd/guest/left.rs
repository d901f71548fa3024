//! What a unit that has ended may not leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use super::unit::Unit;
use crate::kit::{Check, procs, wait_for};

/// pid 1's mounts before the first story.
static MOUNTS: OnceLock<BTreeSet<String>> = OnceLock::new();

/// Remembers how things are before any unit was started.
pub fn remember() {
    MOUNTS.get_or_init(mounts);
}

/// Nothing is left of the unit: no process, no cgroup, no mount, no directory that ends with it. What the kernel and
/// systemd take away a little later is waited for.
pub fn nothing(unit: Unit) -> Check {
    let mut last = Vec::new();
    let all_gone = || {
        last = found(unit);
        last.is_empty().then_some(())
    };
    wait_for(Duration::from_secs(60), all_gone).ok_or_else(|| format!("left: {last:?}"))
}

fn found(unit: Unit) -> Vec<String> {
    let ours = |name: &str| name == "flowjail" || name == "node";
    let processes = procs::all()
        .into_iter()
        .filter(|process| ours(&process.comm));
    let mut all: Vec<String> = processes.map(|process| format!("{process:?}")).collect();
    if let Ok(place) = unit.cgroup() {
        all.extend(
            place
                .exists()
                .then(|| format!("the cgroup {}", place.display())),
        );
    }
    all.extend(cgroups(Path::new("/sys/fs/cgroup"), unit.name));
    if let Some(before) = MOUNTS.get() {
        all.extend(mounts().difference(before).cloned());
    }
    let short = unit.name.trim_end_matches(".service");
    for place in [
        format!("/run/{short}"),
        format!("/run/credentials/{}", unit.name),
        format!("/run/user/1001/credentials/{}", unit.name),
    ] {
        all.extend(Path::new(&place).exists().then_some(place));
    }
    let temporary = fs::read_dir("/tmp").into_iter().flatten().flatten();
    let names = temporary.map(|entry| entry.file_name().to_string_lossy().into_owned());
    all.extend(names.filter(|name| name.contains(unit.name)));
    all
}

/// Groups that bear the unit's name, or flowjail's, wherever they are.
fn cgroups(place: &Path, unit: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == unit || name.starts_with("flowjail") {
            found.push(path.display().to_string());
        }
        found.extend(cgroups(&path, unit));
    }
    found
}

/// Root, place and kind of each mount of pid 1, without the numbers that differ from one to the next.
fn mounts() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/1/mountinfo").unwrap_or_default();
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let kind = line
            .split(" - ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        format!(
            "mount {} at {} ({})",
            words[3],
            words[4],
            kind.unwrap_or_default()
        )
    };
    text.lines().map(line).collect()
}
