//! The checked profile: every value in it is valid, nothing in it is resolved against a host yet.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::net::Net;
use super::resources::Resources;
use super::secrets::Secret;
use super::service::Service;
use crate::syscalls::Rule;

/// A profile after parsing, inheritance and checks; what `plan::resolve` reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The file's stem, or the built-in's name.
    pub name: String,
    /// One line for `flowjail profiles`.
    pub about: String,
    /// Which kind of jail is asked for. Default: auto.
    pub jail: JailKind,
    /// Names of the features switched on, in order.
    pub features: Vec<String>,
    /// Parameters: `${name}` in paths, the command and environment values. A value may use other variables.
    pub params: BTreeMap<String, Template>,
    /// What runs where the command line names nothing. Default: empty (a command must then be given).
    pub command: Vec<Template>,
    /// Whose uid the workload has.
    pub user: UserChoice,
    /// Files that the workload may read, write, and its private directories.
    pub files: Files,
    /// Programs that the workload may start, beside its own first one. Default: none, and no child process.
    pub programs: Vec<Sourced<Template>>,
    /// The network side.
    pub net: Net,
    /// Memory, CPU and process limits.
    pub resources: Resources,
    /// What a service manager is told.
    pub service: Service,
    /// The workload's environment.
    pub env: Environment,
    /// Values that only the program is to know, by the names of their variables or, of files, by any.
    pub secrets: BTreeMap<String, Sourced<Secret>>,
    /// How binding each promise is; all eight are there.
    pub promises: BTreeMap<Promise, Level>,
    /// Layers that the profile switches off: for tests and debugging, shouted about.
    pub layers_off: BTreeSet<Layer>,
    /// System calls that are allowed, each with its reason; one entry per rule, several rules per call may stand.
    pub allow: Vec<Rule>,
    /// System calls answered with an errno at once, unseen by the supervisor (`ENOSYS` for clone3).
    pub answer: Vec<Answer>,
}

/// A list entry with the place that it came from and the reason that the profile gives for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The entry.
    pub value: T,
    /// `file:line`, for plans and events ("allowed by flowise.toml:14").
    pub origin: String,
    /// The profile's reason, if any; shipped entries always have one.
    pub why: String,
}

/// Text with `${variable}` and a leading `~/`, expanded by `plan::resolve`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Template(pub Vec<Part>);

/// One piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Literal text.
    Text(String),
    /// `${name}`; a leading `~` is the variable `user_home`.
    Variable(String),
}

/// Which kind of jail a profile asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JailKind {
    /// Namespaced wherever it can be had.
    Auto,
    /// Namespaces, or a refusal.
    Namespaced,
    /// No namespaces (not built yet: a refusal).
    Bare,
}

/// `[ids] user`: `"auto"`, a number, or `"uid:gid"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserChoice {
    /// Started as a user: that user. Started as root: the data's owner unless that is root, else flowjail's own id.
    Auto,
    /// Exactly these ids; another id than one's own needs a start as root. 0 is a problem.
    Ids {
        /// The user id.
        uid: u32,
        /// The group id; the same number as `uid` where only one was given.
        gid: u32,
    },
}

/// `[files]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// Read-only paths.
    pub read: Vec<Sourced<ReadPath>>,
    /// Writable directories, without execution.
    pub write: Vec<Sourced<WritePath>>,
    /// Size of the private `/tmp`. Default: 64M.
    pub tmp: ByteSize,
    /// The working directory. Default: `/`.
    pub cwd: Option<Sourced<Template>>,
}

/// A path that may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPath {
    /// Where it is on the host; the jail sees it at the same place.
    pub path: Template,
    /// Whether its absence is fine (`optional = true`). Default: it must exist.
    pub optional: bool,
}

/// A directory that may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritePath {
    /// Where it is on the host.
    pub path: Template,
    /// Where the jail sees it. Default: at the same place.
    pub at: Option<Template>,
    /// Whether symbolic links may be made in it (`links = true`). Default: no.
    pub links: bool,
    /// Names of files that are made empty before the program runs, where its group is root's: as containers with
    /// arbitrary user ids have it, and the program itself would keep the file from the next id's group. Default: none.
    pub group_files: Vec<String>,
}

/// A size in bytes; written as a number and K, M, G or T (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct ByteSize(pub u64);

/// A validated host pattern and its port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct HostPort {
    /// Lower-case letters, digits, hyphens in labels; `*` for one label or a part of one; never `**`.
    pub host: String,
    /// The port. Default: 443.
    pub port: u16,
}

/// `[env]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Environment {
    /// Names that pass from the caller; a `*` at the end matches any rest.
    pub pass: Vec<Sourced<String>>,
    /// Names that are set.
    pub set: BTreeMap<String, Template>,
    /// Names that are set in the bare jail, which has no private home; they win over `set` and over what is passed.
    pub bare: BTreeMap<String, Template>,
}

/// What a jail promises; see DESIGN in the crate documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// No program but the command runs.
    Exec,
    /// Named paths are read, named directories written.
    Files,
    /// Nothing that the workload wrote is loaded as code.
    NativeCode,
    /// Named hosts on named ports are reached.
    Egress,
    /// Only the published addresses are served.
    Ingress,
    /// There is no privilege to gain.
    Privilege,
    /// Memory, CPU and processes are bounded.
    Limits,
    /// Other processes are invisible and out of reach.
    Processes,
}

/// How binding a promise is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// What cannot be held is a refusal. The default.
    Require,
    /// What cannot be held is said, and the jail runs.
    Prefer,
    /// Not wanted.
    Off,
}

/// The mechanisms, by the names that `[layers]` and plans use. The user and the mount namespace carry
/// the others and have no switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Own pid namespace.
    Pid,
    /// Own ipc namespace.
    Ipc,
    /// Own host name.
    Uts,
    /// Own view of the cgroup tree.
    Cgroup,
    /// Own network, with the gateway as the only way out and in.
    Net,
    /// Own root of read-only binds.
    Mounts,
    /// Empty capability sets, locked securebits.
    Caps,
    /// `no_new_privs`.
    NoNewPrivs,
    /// Landlock rules.
    Landlock,
    /// The system call filter.
    Seccomp,
    /// Mediated execve.
    Exec,
    /// Resource limits of the process.
    Rlimits,
    /// Limits of the whole jail, by a cgroup of its own.
    Limits,
    /// The environment allow-list.
    Env,
    /// Only descriptors 0, 1 and 2.
    Fds,
}

/// A system call answered with an errno, when its conditions hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Number, conditions and reason.
    pub rule: Rule,
    /// The errno's name, as in `ENOSYS`.
    pub errno_name: String,
    /// Its number.
    pub errno: i32,
}
