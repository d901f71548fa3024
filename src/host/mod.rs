//! What the kernel and the place offer, observed once; a value, so that every test can make one up.
#![forbid(unsafe_code)]

mod bare;
mod cgroup;
mod command;
mod elf;
mod namespaces;
mod observe;
mod paths;
mod secrets;

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::errno::Errno;

pub use bare::Bare;
pub use cgroup::{Cgroup, FILES as LIMIT_FILES, JAIL_LEAF, Limits, NoCgroup, OWN_LEAF};
pub use command::{Command, CommandError};
pub use namespaces::{NamespaceBlock, probe as probe_namespaces, probe_network};
pub use observe::{SHARED, Surroundings, observe, surroundings};
pub use paths::{ANYONE, Closed, PathFact, PathKind, look};
pub use secrets::secret_place;

/// The host, as `plan::resolve` reads it.
#[derive(Debug, Clone)]
pub struct Host {
    /// The kernel's release, for the reader only: nothing is decided by it.
    pub kernel: String,
    /// The real user id that flowjail was started with.
    pub uid: u32,
    /// The real group id.
    pub gid: u32,
    /// Supplementary groups and their names.
    pub groups: Vec<(u32, String)>,
    /// Whether user, mount, pid, ipc, uts and cgroup namespaces can be made and used, found by doing. A launch
    /// is such a doing, so `run` looks only when one has failed.
    pub namespaces: Result<(), NamespaceBlock>,
    /// Whether a network namespace can be had; looked at only where a profile would do without.
    pub network: Result<(), Errno>,
    /// The Landlock ABI, or the errno of landlock_create_ruleset(2).
    pub landlock: Result<i32, Errno>,
    /// Whether a seccomp listener with WAIT_KILLABLE_RECV can be had.
    pub listener: Result<(), Errno>,
    /// Whether this start may set `vm.memfd_noexec` of a new pid namespace (Linux 6.3, started as root).
    pub memfd_noexec: bool,
    /// What the bare jail would find; looked at where it may be chosen.
    pub bare: Option<Bare>,
    /// How many descriptors this process may be allowed at most (RLIMIT_NOFILE, hard).
    pub open_files: u64,
    /// What flowjail itself is limited to, by the container, the unit, or whatever holds it.
    pub limits: Limits,
    /// The cgroup below which limits of the jail can be set.
    pub cgroup: Result<Cgroup, NoCgroup>,
    /// The disk of the first directory that is written, where its use is limited.
    pub disk: Option<(u64, u64)>,
    /// Whether a container holds flowjail itself.
    pub container: bool,
    /// The variable PORT.
    pub port: Option<u16>,
    /// The caller's environment; names or values that are not UTF-8 are left out.
    pub env: BTreeMap<String, String>,
    /// The text of /etc/hosts.
    pub etc_hosts: String,
    /// The text of /etc/resolv.conf.
    pub resolv_conf: String,
    /// The command, resolved to one program.
    pub command: Command,
    /// Values of the profile's variables.
    pub variables: BTreeMap<String, String>,
    /// What the paths of the profile are on this host.
    pub paths: BTreeMap<PathBuf, PathFact>,
}

/// What the command line asks for beside the profile.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The command and its arguments; empty: the profile's.
    pub command: Vec<String>,
    /// Whether to find out about namespaces by making some, which costs half a millisecond.
    pub probe: bool,
}
