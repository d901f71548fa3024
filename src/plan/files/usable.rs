//! Whether the workload's ids can use a directory that is to be written.
#![forbid(unsafe_code)]

use std::path::Path;

use nix::errno::Errno;

use super::Collector;
use crate::host::{PathFact, PathKind};

impl Collector<'_> {
    /// Whether the workload's ids can use a writable directory, by its mode or by mapping root's ids.
    pub(super) fn usable(&self, fact: &PathFact) -> Result<Option<(u32, u32)>, (String, String)> {
        let bits = match fact {
            fact if fact.uid == self.ids.uid => fact.mode >> 6,
            fact if fact.gid == self.ids.gid => fact.mode >> 3,
            fact => fact.mode,
        };
        let shown = fact.real.display();
        if let Some(closed) = self.closed_to_us(fact) {
            return Err(closed);
        }
        if bits & 0o7 == 0o7 && fact.uid != 0 {
            return Ok(None);
        }
        if fact.uid == 0 && self.ids.root_start && self.own_root {
            if !is_of_the_system(&fact.real) {
                return Ok(Some((0, fact.gid)));
            }
            let found =
                "it is a directory of the system, which a jail never gets as its own".to_owned();
            return Err((found, "use a directory of Flowise's own".to_owned()));
        }
        if bits & 0o7 == 0o7 {
            return Ok(None);
        }
        let found = format!("owned by {}:{}, mode {:o}", fact.uid, fact.gid, fact.mode);
        Err((
            found,
            format!("chown -R {}:{} {shown}", self.ids.uid, self.ids.gid),
        ))
    }

    /// In a root of its own the jail comes to a directory from nowhere; else it passes those above it.
    fn closed_to_us(&self, fact: &PathFact) -> Option<(String, String)> {
        let (uid, gid) = (self.ids.uid, self.ids.gid);
        let mut closed = fact.closed.iter().filter(|_| !self.own_root);
        let closed = closed.find(|above| !above.lets_pass(uid, gid))?;
        let at = closed.at.display();
        let found = format!(
            "{at} above it is closed to uid {uid} (owned by {}:{}, mode {:o})",
            closed.uid, closed.gid, closed.mode
        );
        let hint =
            format!("use a directory elsewhere, --set data=/PATH, or open the way: chmod a+x {at}");
        Some((found, hint))
    }

    /// Whether the program itself could make a directory that is not there yet.
    pub(super) fn makes(&self, fact: &PathFact) -> bool {
        let missing = matches!(fact.kind, PathKind::Missing(Errno::ENOENT));
        // What is not there has the owner and the mode of what is above it.
        missing
            && fact.real.parent().is_some_and(|above| above == fact.above)
            && self.usable(fact).is_ok()
    }

    /// Why a directory is none, and how to make it one that the workload can use.
    pub(super) fn not_there(&self, fact: &PathFact, path: &Path) -> (String, String) {
        let shown = path.display();
        let found = match fact.kind {
            PathKind::Missing(errno) => format!("{shown}: {errno}"),
            _ => format!("{shown} is not a directory"),
        };
        if let Some(closed) = self.closed_to_us(fact) {
            return closed;
        }
        let hint = match self.ids.root_start && !self.own_root {
            true => format!(
                "install -d -m 700 -o {} -g {} {shown}",
                self.ids.uid, self.ids.gid
            ),
            false => format!("mkdir -m 700 -p {shown}"),
        };
        (found, hint)
    }
}

/// Directories whose files are everyone's: a start as root maps no owner there.
fn is_of_the_system(path: &Path) -> bool {
    let of_the_system = [
        "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root",
        "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var",
    ];
    let below = [
        "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr",
    ];
    of_the_system.iter().any(|place| path == Path::new(place))
        || below.iter().any(|place| path.starts_with(place))
}
