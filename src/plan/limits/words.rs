//! Limits in words: how much, why not, and what would mend it.
#![forbid(unsafe_code)]

use std::fmt;
use std::path::Path;

use nix::errno::Errno;

use super::heap;
use crate::host::{Host, JAIL_LEAF, NoCgroup, OWN_LEAF};
use crate::plan::Plan;
use crate::profile::Profile;

/// The flag of `docker run`.
pub fn ask_docker(file: &str) -> &'static str {
    match file {
        "memory.max" => "--memory 2g",
        "cpu.max" => "--cpus 2",
        _ => "--pids-limit 128",
    }
}

/// The profile's line.
pub fn ask_profile(file: &str) -> &'static str {
    match file {
        "memory.max" => "memory = \"2G\"",
        "cpu.max" => "cpus = 2",
        _ => "pids = 128",
    }
}

/// A limit, with its unit.
pub fn amount(file: &str, number: f64) -> String {
    match file {
        "memory.max" => size(number as u64),
        // Quotas of others may be any fraction.
        "cpu.max" => format!("{} CPUs", (number * 1000.0).round() / 1000.0),
        _ => format!("{number} processes and threads"),
    }
}

/// Bytes, in the unit that shows them.
pub fn size(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    }
}

/// What is to be known of a jail's limits.
pub fn notes(profile: &Profile, host: &Host, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let asked = matches!(profile.resources.heap, Some(Some(_)));
    if asked && heap(profile, host, plan.cgroup.as_ref()).is_none() {
        notes.push(
            "[resources] heap sets nothing: only node has one, and --max-old-space-size of the command or of NODE_OPTIONS comes before it".into(),
        );
    }
    let Some(cgroup) = &plan.cgroup else {
        return notes;
    };
    let place = cgroup.place.display();
    if host.cgroup.as_ref().is_ok_and(|cgroup| !cgroup.marked) {
        notes.push(format!(
            "cgroup {place}: flowjail is alone in it, but it is not marked as handed over; in a unit write Delegate=yes"
        ));
    }
    let shares = ["memory.low", "cpu.weight"];
    if cgroup.writes.iter().any(|line| shares.contains(&line.file)) {
        notes.push(format!(
            "cgroup {place}: reserve and cpu_weight count within it; beside other units its own shares do (MemoryLow=, CPUWeight=)"
        ));
    }
    notes
}

/// What would give limits.
pub fn hints(host: &Host, missing: &str) -> Vec<String> {
    let surroundings = match host.container {
        true => {
            "let the container set them: docker run --memory 2g --cpus 2 --pids-limit 128, or resources.limits of a pod"
        }
        false => "let the unit set them: MemoryMax=2G, CPUQuota=200%, TasksMax=128",
    };
    let surroundings = surroundings.to_owned();
    let why = match &host.cgroup {
        Ok(_) if missing.contains("is not handed on") => return vec![
            "hand the controller on: Delegate=cpu io memory pids in the unit (for a user's services in a drop-in of user@.service)".into(),
        ],
        Ok(_) | Err(NoCgroup::NotAsked) => return Vec::new(),
        Err(why) => why,
    };
    match why {
        // Twice the same service, or two starts in one scope.
        NoCgroup::Crowded { place, .. } if is_leaf(place) => {
            vec!["start each flowjail in a unit or scope of its own".into()]
        }
        NoCgroup::Threaded { .. } => {
            vec!["start flowjail in a cgroup whose cgroup.type is `domain`".into()]
        }
        NoCgroup::NoRoom(_, Errno::EAGAIN) => vec![
            "raise cgroup.max.depth or cgroup.max.descendants of the cgroups above: flowjail makes two below its own".into(),
        ],
        _ if host.container => vec![surroundings],
        NoCgroup::Crowded { .. } => {
            let user = if host.uid == 0 { "" } else { "--user " };
            let scope = format!("give it a cgroup of its own: systemd-run {user}--scope -p Delegate=yes flowjail run ...");
            vec![scope, HANDED_ON.into()]
        }
        NoCgroup::NotMounted { v1: true } => vec![V2.into(), surroundings],
        NoCgroup::Denied(..) => vec![HANDED_ON.into()],
        NoCgroup::ReadOnly(_) => vec![
            "in a unit remove ProtectControlGroups=, and write Delegate=yes".into(),
            surroundings,
        ],
        _ => vec![surroundings],
    }
}

/// Whether it is one that a flowjail has made.
fn is_leaf(place: &Path) -> bool {
    place.ends_with(JAIL_LEAF) || place.ends_with(OWN_LEAF)
}

/// How a unit hands its cgroup over.
const HANDED_ON: &str = "in a unit write Delegate=yes, and start flowjail itself by ExecStart=";

/// How a host with systemd has version 2 alone.
const V2: &str = "boot with systemd.unified_cgroup_hierarchy=1";

impl fmt::Display for NoCgroup {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            NoCgroup::NotAsked => out.write_str("no limit is asked for"),
            NoCgroup::NotMounted { v1: true } => out.write_str(
                "cgroup controllers here are of version 1 only, which flowjail does not use",
            ),
            NoCgroup::NotMounted { v1: false } => out.write_str("no cgroup hierarchy is mounted"),
            NoCgroup::Hidden => out.write_str("its own cgroup is not among those that are mounted"),
            NoCgroup::ReadOnly(place) => {
                write!(out, "the cgroup {} is read-only", place.display())
            }
            NoCgroup::Denied(place, errno) => write!(
                out,
                "the cgroup {} was not handed over to this user ({errno:?})",
                place.display()
            ),
            NoCgroup::Threaded { place, kind } => write!(
                out,
                "the cgroup {} is of the type `{kind}`, which bounds no memory",
                place.display()
            ),
            NoCgroup::NoRoom(place, errno) => write!(
                out,
                "no cgroup can be made below {} ({errno:?})",
                place.display()
            ),
            NoCgroup::Crowded { place, pid, name } if is_leaf(place) => {
                write!(
                    out,
                    "another jail is in the cgroup {} ({name}, pid {pid})",
                    place.display()
                )
            }
            NoCgroup::Crowded { place, pid: 0, .. } => write!(
                out,
                "the cgroup {} holds processes of others",
                place.display()
            ),
            NoCgroup::Crowded { place, pid, name } => write!(
                out,
                "the cgroup {} holds another process ({name}, pid {pid}), which is not flowjail's to move",
                place.display()
            ),
        }
    }
}
