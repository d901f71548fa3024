//! The parts of the jail's root, in the order in which they are put in place.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::files::{Files, Grant};
use super::ids::IdPlan;
use super::network;
use super::refusal::Refusal;
use crate::host::Host;
use crate::profile::{ByteSize, Layer, Profile};

/// One part of the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Mount {
    /// An empty directory.
    Directory {
        /// Where.
        at: PathBuf,
    },
    /// A symbolic link as the host has it.
    Link {
        /// Where.
        at: PathBuf,
        /// What it says.
        target: PathBuf,
    },
    /// A small generated file.
    Text {
        /// Where.
        at: PathBuf,
        /// Its content.
        text: String,
        /// Whether the host's own file does not do in its place.
        needed: bool,
    },
    /// A part of the host.
    Bind(Tree),
    /// A private tmpfs, without execution.
    Tmp {
        /// Where.
        at: PathBuf,
        /// Its size.
        size: ByteSize,
    },
    /// The pid namespace's own /proc, read-only, other processes hidden.
    Proc {
        /// Where.
        at: PathBuf,
    },
}

/// A file or directory of the host, bound into the root; never set-user-ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// Where it lies on the host, without symbolic links.
    pub source: PathBuf,
    /// Where the jail sees it.
    pub at: PathBuf,
    /// Device and inode: what is opened for it must still be that; none where it is the kernel's own.
    pub inode: Option<(u64, u64)>,
    /// Whether it is a directory.
    pub directory: bool,
    /// Whether it can be written; then nothing in it can be executed or mapped as code.
    pub writable: bool,
    /// Whether what lies in it can be executed or mapped as code.
    pub code: bool,
    /// Whether it is a device.
    pub device: bool,
    /// Root's ids on disk that appear as the workload's: uid and gid on disk.
    pub owned_by_root: Option<(u32, u32)>,
}

impl Mount {
    /// Where the jail sees it.
    pub fn at(&self) -> &Path {
        match self {
            Mount::Directory { at }
            | Mount::Link { at, .. }
            | Mount::Text { at, .. }
            | Mount::Tmp { at, .. }
            | Mount::Proc { at } => at,
            Mount::Bind(tree) => &tree.at,
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Mount::Directory { at } => write!(out, "mount  directory  {}", at.display()),
            Mount::Link { at, target } => write!(
                out,
                "mount  link   {} -> {}",
                at.display(),
                target.display()
            ),
            Mount::Text { at, text, .. } => write!(
                out,
                "mount  file   {}  generated, {} bytes",
                at.display(),
                text.len()
            ),
            Mount::Tmp { at, size } => {
                write!(
                    out,
                    "mount  tmpfs  {}  {} MiB, noexec nosuid nodev",
                    at.display(),
                    size.0 >> 20
                )
            }
            Mount::Proc { at } => write!(
                out,
                "mount  proc   {}  read-only, others hidden",
                at.display()
            ),
            Mount::Bind(tree) => write!(out, "mount  bind   {tree}"),
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}", self.source.display())?;
        if self.at != self.source {
            write!(out, " -> {}", self.at.display())?;
        }
        let how = match (self.writable, self.device) {
            (true, _) => "writable noexec nosuid nodev",
            (false, true) => "device nosuid noexec",
            (false, false) if self.code => "read-only nosuid nodev",
            (false, false) => "read-only noexec nosuid nodev",
        };
        write!(out, "  {how}")?;
        match self.owned_by_root {
            Some((uid, gid)) => write!(out, ", ids {uid}:{gid} on disk are the jail's"),
            None => Ok(()),
        }
    }
}

/// Builds the list: parents before children.
pub fn resolve(
    profile: &Profile,
    host: &Host,
    files: &Files,
    ids: &IdPlan,
) -> Result<Vec<Mount>, Vec<Refusal>> {
    let mut parts: BTreeMap<PathBuf, Mount> = BTreeMap::new();
    let mut put = |mount: Mount| {
        parts.insert(mount.at().to_owned(), mount);
    };
    if files.cwd != Path::new("/") {
        put(Mount::Directory {
            at: files.cwd.clone(),
        });
    }
    files.links.iter().for_each(|(at, target)| {
        put(Mount::Link {
            at: at.clone(),
            target: target.clone(),
        })
    });
    put(Mount::Tmp {
        at: "/tmp".into(),
        size: profile.files.tmp,
    });
    put(match profile.layers_off.contains(&Layer::Pid) {
        false => Mount::Proc { at: "/proc".into() },
        true => Mount::Bind(Tree::read_only("/proc".into(), true)),
    });
    for (name, descriptor) in [
        ("fd", ""),
        ("stdin", "/0"),
        ("stdout", "/1"),
        ("stderr", "/2"),
    ] {
        let target = format!("/proc/self/fd{descriptor}").into();
        put(Mount::Link {
            at: Path::new("/dev").join(name),
            target,
        });
    }
    files
        .grants
        .iter()
        .for_each(|grant| put(Mount::Bind(tree(grant, files))));
    written_elsewhere(files).for_each(|tree| put(Mount::Bind(tree)));
    // Generated files win over binds of the same place.
    put(Mount::Text {
        at: "/etc/hosts".into(),
        text: hosts_file(profile, host),
        needed: !network::is_own(profile, host) && !profile.net.hosts.is_empty(),
    });
    if network::is_own(profile, host) {
        put(Mount::Text {
            at: "/etc/resolv.conf".into(),
            text: "nameserver 127.0.0.1\n".into(),
            needed: false,
        });
        put(Mount::Text {
            at: "/etc/nsswitch.conf".into(),
            text: "hosts: files dns\npasswd: files\ngroup: files\nservices: files\n".into(),
            needed: false,
        });
    }
    put(Mount::Text {
        at: "/etc/passwd".into(),
        text: passwd_file(files, ids),
        needed: false,
    });
    let mounts = without_covered(parts);
    let refusals = misplaced(&mounts);
    if refusals.is_empty() {
        Ok(mounts)
    } else {
        Err(refusals)
    }
}

impl Tree {
    fn read_only(path: PathBuf, directory: bool) -> Tree {
        Tree {
            source: path.clone(),
            at: path,
            inode: None,
            directory,
            writable: false,
            code: false,
            device: false,
            owned_by_root: None,
        }
    }
}

fn tree(grant: &Grant, files: &Files) -> Tree {
    let written = files.grants.iter().filter(|other| other.writable);
    let written = |path: &Path| written.clone().any(|other| path.starts_with(&other.source));
    Tree {
        source: grant.source.clone(),
        at: grant.at.clone(),
        inode: Some(grant.inode),
        directory: grant.directory,
        writable: grant.writable,
        code: !grant.device && !written(&grant.source),
        device: grant.device,
        owned_by_root: grant.owned_by_root,
    }
}

/// What is written at one place of the jail and read at another, below a readable directory of the host: there it
/// is no code either.
fn written_elsewhere(files: &Files) -> impl Iterator<Item = Tree> {
    let seen = |grant: &&Grant| {
        let mut others = files
            .grants
            .iter()
            .filter(|other| !other.writable && other.directory);
        grant.writable
            && grant.at != grant.source
            && others.any(|other| grant.source.starts_with(&other.source))
    };
    files.grants.iter().filter(seen).map(|grant| Tree {
        at: grant.source.clone(),
        writable: false,
        ..tree(grant, files)
    })
}

/// Leaves out what a bind of an ancestor shows already, and links and directories that lie inside a bind.
fn without_covered(parts: BTreeMap<PathBuf, Mount>) -> Vec<Mount> {
    let mut kept: Vec<Mount> = Vec::new();
    for mount in parts.into_values() {
        let shown = above(&kept, mount.at()).is_some_and(|above| match &mount {
            Mount::Bind(tree) => {
                let same_place = tree.at.strip_prefix(&above.at).ok()
                    == tree.source.strip_prefix(&above.source).ok();
                let as_free = above.writable || !tree.writable && tree.code == above.code;
                same_place && as_free && !tree.device
            }
            Mount::Link { .. } | Mount::Directory { .. } => true,
            Mount::Text { needed, .. } => !needed && !above.writable,
            Mount::Tmp { .. } | Mount::Proc { .. } => false,
        });
        if !shown {
            kept.push(mount);
        }
    }
    kept
}

/// The innermost bind of a directory that a place lies in.
fn above<'a>(mounts: &'a [Mount], at: &Path) -> Option<&'a Tree> {
    mounts.iter().rev().find_map(|other| match other {
        Mount::Bind(tree) if at.starts_with(&tree.at) && at != tree.at => Some(tree),
        _ => None,
    })
}

/// init makes mount points while the host's root is still in reach: never inside a directory that the jail writes,
/// where a link could lead it elsewhere, and no file inside one that is read-only.
fn misplaced(mounts: &[Mount]) -> Vec<Refusal> {
    let refuse = |mount: &Mount| {
        let above = above(mounts, mount.at())?;
        let is_text = matches!(mount, Mount::Text { .. });
        (above.writable || is_text).then(|| Refusal {
            what: format!("`{}` in the jail", mount.at().display()),
            needs: "a place of its own".into(),
            found: format!(
                "it lies in `{}`, which the profile binds as a whole",
                above.at.display()
            ),
            hints: vec!["name the single files or directories that are needed".into()],
        })
    };
    mounts.iter().filter_map(refuse).collect()
}

/// In a network of its own the jail knows itself, and asks the stub for all others. Else the host's own /etc/hosts, with
/// the profile's names before it.
fn hosts_file(profile: &Profile, host: &Host) -> String {
    if network::is_own(profile, host) {
        return "127.0.0.1\tlocalhost flowjail\n::1\tlocalhost flowjail\n".into();
    }
    let own = profile
        .net
        .hosts
        .iter()
        .map(|(name, address)| format!("{address}\t{name}\n"));
    own.chain([
        "127.0.0.1\tlocalhost\n::1\tlocalhost\n".to_owned(),
        host.etc_hosts.clone(),
    ])
    .collect()
}

/// One line, so that getpwuid(3) finds a name and a home.
fn passwd_file(files: &Files, ids: &IdPlan) -> String {
    format!(
        "flowjail:x:{}:{}::{}:/nonexistent\n",
        ids.uid,
        ids.gid,
        files.home.display()
    )
}
