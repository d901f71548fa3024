//! Limits in words: how much, why not, and what would mend it.
#![forbid(unsafe_code)]

use std::fmt;

use crate::host::{Host, NoCgroup};

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
        "memory.max" => format!("{} MiB", number as u64 >> 20),
        "cpu.max" => format!("{number} CPUs"),
        _ => format!("{number} processes and threads"),
    }
}

/// What would give limits.
pub fn hints(host: &Host, missing: &str) -> Vec<String> {
    let surroundings = match host.container {
        true => {
            "let the container set them: docker run --memory 2g --cpus 2 --pids-limit 128, or resources.limits of a pod"
        }
        false => "let the unit set them: MemoryMax=2G, CPUQuota=200%, TasksMax=128",
    };
    let handed_on = "in a unit write Delegate=yes, and start flowjail itself by ExecStart=";
    let mut hints: Vec<String> = Vec::new();
    match &host.cgroup {
        Ok(_) if missing.contains("is not handed on") => hints.push(
            "hand the controller on: Delegate=cpu io memory pids in the unit (for a user's services in a drop-in of user@.service)".into(),
        ),
        Ok(_) | Err(NoCgroup::NotAsked) => {}
        Err(NoCgroup::Crowded { .. }) if !host.container => {
            let user = if host.uid == 0 { "" } else { "--user " };
            hints.push(format!("give it a cgroup of its own: systemd-run {user}--scope -p Delegate=yes flowjail run ..."));
            hints.push(handed_on.into());
        }
        Err(NoCgroup::NotMounted { v1: true }) if !host.container => {
            hints.push("boot with systemd.unified_cgroup_hierarchy=1".into());
            hints.push(surroundings.into());
        }
        Err(NoCgroup::Denied(..)) if !host.container => hints.push(handed_on.into()),
        Err(NoCgroup::ReadOnly(_)) if !host.container => {
            hints.push("in a unit remove ProtectControlGroups=, and write Delegate=yes".into());
            hints.push(surroundings.into());
        }
        Err(_) => hints.push(surroundings.into()),
    }
    hints
}

impl fmt::Display for NoCgroup {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            NoCgroup::NotAsked => out.write_str("no limit is asked for"),
            NoCgroup::NotMounted { v1: true } => {
                out.write_str("cgroups here are of version 1 only, which flowjail does not use")
            }
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
