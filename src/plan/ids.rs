//! Whose ids the workload has.
#![forbid(unsafe_code)]

use serde::Serialize;

use super::refusal::Refusal;
use crate::host::{Host, PathFact};
use crate::profile::UserChoice;

/// flowjail's own plain id, for a start as root over data that root owns; not nobody's, which others share.
pub const PLAIN_ID: u32 = 64_120;

/// The ids inside and outside of the user namespace, which maps exactly these two to themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdPlan {
    /// Whether flowjail was started as root.
    pub root_start: bool,
    /// The workload's user id, on the host and in the jail.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
    /// Whether `vm.memfd_noexec` can be set in the pid namespace.
    pub memfd_noexec: bool,
    /// Supplementary groups that a start as an ordinary user cannot drop: id and name.
    pub kept_groups: Vec<(u32, String)>,
}

/// Groups that are as good as root, or near it.
const POWERFUL: [&str; 7] = ["root", "docker", "disk", "lxd", "shadow", "sudo", "kvm"];

/// Resolves `[ids] user`.
pub fn resolve(
    choice: UserChoice,
    host: &Host,
    data: Option<&PathFact>,
) -> Result<IdPlan, Refusal> {
    let root_start = host.uid == 0;
    let (uid, gid) = match choice {
        UserChoice::Ids { uid, gid } => (uid, gid),
        UserChoice::Auto if !root_start => (host.uid, host.gid),
        UserChoice::Auto => match data {
            Some(fact) if fact.uid != 0 => {
                (fact.uid, if fact.gid == 0 { PLAIN_ID } else { fact.gid })
            }
            _ => (PLAIN_ID, PLAIN_ID),
        },
    };
    if !root_start && (uid, gid) != (host.uid, host.gid) {
        return Err(Refusal {
            what: format!("[ids] user {uid}:{gid}"),
            needs: "a start as root, or as that user".into(),
            found: format!("started as {}:{}", host.uid, host.gid),
            hints: vec![
                "write `user = \"auto\"` under [ids] to run as whoever starts flowjail".into(),
            ],
        });
    }
    let keeps = |group: &(u32, String)| !root_start && group.0 != gid;
    let kept_groups = host
        .groups
        .iter()
        .filter(|group| keeps(group))
        .cloned()
        .collect();
    Ok(IdPlan {
        root_start,
        uid,
        gid,
        memfd_noexec: host.memfd_noexec,
        kept_groups,
    })
}

impl IdPlan {
    /// What the reader should know about groups that stay.
    pub fn notes(&self) -> Vec<String> {
        if self.kept_groups.is_empty() {
            return Vec::new();
        }
        let shown = |group: &(u32, String)| {
            if group.1.is_empty() {
                group.0.to_string()
            } else {
                group.1.clone()
            }
        };
        let all: Vec<String> = self.kept_groups.iter().map(shown).collect();
        let mut notes = vec![format!(
            "groups kept (only a start as root can drop them): {}",
            all.join(", ")
        )];
        let strong: Vec<String> = all
            .into_iter()
            .filter(|name| POWERFUL.contains(&name.as_str()))
            .collect();
        if !strong.is_empty() {
            notes.push(format!(
                "warning: members of {} are as good as root outside a jail",
                strong.join(", ")
            ));
        }
        notes
    }
}
