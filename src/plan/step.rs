//! One step of a launch.
#![forbid(unsafe_code)]

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::{CgroupWrite, Mount, Plan, SecretLine};
use crate::profile::Layer;

/// Which process carries a step out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runner {
    /// The process that the user started.
    Supervisor,
    /// The jail's pid 1.
    Init,
    /// The process that becomes the program.
    Workload,
    /// The jail's way out of its network and into it.
    Gateway,
}

/// The steps, in the order of their variants; what they need beyond that stands in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// flowjail moves to a leaf of its cgroup, alone.
    OwnLeaf,
    /// The controllers, for the cgroups below.
    Controllers,
    /// The jail's cgroup.
    JailLeaf,
    /// One limit of the whole jail.
    Cgroup(CgroupWrite),
    /// Clone the trees that the jail's root is made of, as root, where init could not reach them.
    OpenTrees,
    /// The supervisor's own user namespace, for a start as an ordinary user.
    OwnNamespace,
    /// The gateway, which stays in the host's network.
    ForkGateway,
    /// The jail's own network, in which the supervisor is from now on, and all that it forks.
    Network,
    /// The gateway drops all it has; the others go on beside it, and the program is not executed before.
    ConfineGateway,
    /// clone3 with the namespaces.
    Namespaces,
    /// clone3 without any, for the bare jail.
    ForkInit,
    /// init, which waits for its id maps, is moved into the jail's cgroup.
    JoinLeaf,
    /// Write the id maps.
    MapIds,
    /// Wait until they are written.
    AwaitMaps,
    /// Die with the supervisor, in a session of one's own.
    Tie,
    /// The same in the bare jail, where others must be ended first: watch for its end, and be the parent of whoever is
    /// left.
    WatchSupervisor,
    /// Refuse executable memfds in the pid namespace.
    MemfdNoexec,
    /// Become the mapped ids, keeping the namespace's capabilities for the steps to come.
    TakeIds,
    /// The jail's own host name.
    HostName,
    /// No mount event leaves or enters.
    PrivateMounts,
    /// Clone the trees as init.
    OpenTreesInside,
    /// The empty root.
    NewRoot,
    /// One part of the root.
    Mount(Mount),
    /// pivot_root, the old root detached, the new one read-only.
    EnterRoot,
    /// Bounding set empty, securebits locked; the workload inherits both.
    SealCapabilities,
    /// The process that becomes the program.
    ForkWorkload,
    /// init drops all it has; the workload goes on beside it and waits for it before the filter.
    ConfineInit,
    /// The supervisor drops all it has, before it answers the execve; the workload goes on beside it, too.
    ConfineSupervisor,
    /// The workload's session, signal handlers and umask.
    Session,
    /// One resource limit.
    Limit(&'static str, u32, u64),
    /// Supplementary groups, gid, uid.
    DropIds,
    /// Ambient, effective, permitted, inheritable: empty.
    DropCapabilities,
    /// A directory that the program writes, and that is not there yet.
    MakeDirectory(PathBuf),
    /// A file that the program writes, for its whole group.
    MakeFile(PathBuf),
    /// Die with init.
    TieToInit,
    /// The working directory.
    WorkingDirectory,
    /// A secret, into the environment of the program.
    ReadSecret(String),
    /// A secret, into a file of the private `/tmp`.
    WriteSecret(String, PathBuf),
    /// no_new_privs.
    NoNewPrivs,
    /// Landlock.
    Landlock,
    /// Only descriptors 0, 1 and 2 from execve on.
    CloseDescriptors,
    /// The system call filter.
    Filter,
    /// execve.
    Execute,
}

impl Plan {
    /// The steps in order.
    pub fn steps(&self) -> Vec<Step> {
        let own_root = self.has(Layer::Mounts);
        let mut steps = Vec::new();
        let mut when = |wanted: bool, step: Step| {
            if wanted {
                steps.push(step);
            }
        };
        if let Some(cgroup) = &self.cgroup {
            when(cgroup.inside.is_none(), Step::OwnLeaf);
            when(true, Step::Controllers);
            when(true, Step::JailLeaf);
            let writes = cgroup.writes.iter();
            writes.for_each(|line| when(true, Step::Cgroup(line.clone())));
        }
        let network = self.network.is_some();
        when(!self.ids.root_start && !self.is_bare(), Step::OwnNamespace);
        when(network, Step::ForkGateway);
        when(network && !self.is_bare(), Step::Network);
        when(network, Step::ConfineGateway);
        when(own_root && self.ids.root_start, Step::OpenTrees);
        let bare = self.is_bare();
        when(bare, Step::ForkInit);
        when(bare, Step::WatchSupervisor);
        when(!bare, Step::Namespaces);
        when(self.joins_leaf(), Step::JoinLeaf);
        when(!bare, Step::MapIds);
        when(!bare, Step::Tie);
        when(!bare, Step::AwaitMaps);
        when(!bare, Step::TakeIds);
        when(self.has(Layer::Uts), Step::HostName);
        when(!bare, Step::PrivateMounts);
        when(own_root && !self.ids.root_start, Step::OpenTreesInside);
        when(own_root, Step::NewRoot);
        self.mounts
            .iter()
            .for_each(|mount| when(own_root, Step::Mount(mount.clone())));
        when(own_root, Step::EnterRoot);
        when(self.memfd_noexec(), Step::MemfdNoexec);
        when(self.has(Layer::Caps) && self.seals, Step::SealCapabilities);
        when(true, Step::ForkWorkload);
        when(true, Step::ConfineInit);
        when(true, Step::ConfineSupervisor);
        when(true, Step::Session);
        self.rlimits
            .iter()
            .for_each(|&(name, number, value)| when(true, Step::Limit(name, number, value)));
        when(true, Step::DropIds);
        when(self.has(Layer::Caps), Step::DropCapabilities);
        self.makes
            .iter()
            .for_each(|place| when(true, Step::MakeDirectory(place.clone())));
        self.group_files
            .iter()
            .for_each(|place| when(true, Step::MakeFile(place.clone())));
        when(true, Step::TieToInit);
        when(true, Step::WorkingDirectory);
        self.secrets
            .iter()
            .for_each(|line| when(line.present, Step::of_secret(line)));
        when(self.has(Layer::NoNewPrivs), Step::NoNewPrivs);
        when(self.landlock.is_some(), Step::Landlock);
        when(self.has(Layer::Fds), Step::CloseDescriptors);
        when(self.filter.is_some(), Step::Filter);
        when(true, Step::Execute);
        steps
    }

    /// Whether init is moved into the jail's cgroup, instead of being made there: a start as root makes it with the
    /// workload's effective uid, which may not write there.
    pub fn joins_leaf(&self) -> bool {
        self.cgroup.is_some() && self.ids.root_start && !self.is_bare()
    }

    /// Whether executable memfds are refused in the jail's pid namespace.
    pub fn memfd_noexec(&self) -> bool {
        self.ids.memfd_noexec && self.has(Layer::Pid)
    }
}

impl Step {
    fn of_secret(line: &SecretLine) -> Step {
        match &line.at {
            Some(at) => Step::WriteSecret(line.name.clone(), at.clone()),
            None => Step::ReadSecret(line.name.clone()),
        }
    }

    /// Who carries it out.
    pub fn runner(&self) -> Runner {
        match self {
            Step::ConfineGateway => Runner::Gateway,
            Step::OwnLeaf
            | Step::Controllers
            | Step::JailLeaf
            | Step::Cgroup(_)
            | Step::OpenTrees
            | Step::OwnNamespace
            | Step::ForkGateway
            | Step::Network
            | Step::Namespaces
            | Step::ForkInit
            | Step::JoinLeaf
            | Step::MapIds
            | Step::MemfdNoexec
            | Step::ConfineSupervisor => Runner::Supervisor,
            Step::AwaitMaps
            | Step::Tie
            | Step::WatchSupervisor
            | Step::TakeIds
            | Step::HostName
            | Step::PrivateMounts
            | Step::OpenTreesInside
            | Step::NewRoot
            | Step::Mount(_)
            | Step::EnterRoot
            | Step::SealCapabilities
            | Step::ForkWorkload
            | Step::ConfineInit => Runner::Init,
            _ => Runner::Workload,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let text = match self {
            Step::OwnLeaf => "move flowjail to a leaf of its cgroup",
            Step::Controllers => "enable the controllers below its cgroup",
            Step::JailLeaf => "make the jail's cgroup",
            Step::Cgroup(line) => {
                return write!(out, "limit the jail: {} = {}", line.file, line.value);
            }
            Step::OpenTrees | Step::OpenTreesInside => "clone the trees of the new root",
            Step::OwnNamespace => "make the supervisor's own user namespace",
            Step::ForkGateway => "fork the gateway",
            Step::Network => "make the network namespace, every address of it local",
            Step::ConfineGateway => "confine the gateway",
            Step::Namespaces => "make the namespaces",
            Step::ForkInit => "fork init",
            Step::JoinLeaf => "move init into the jail's cgroup",
            Step::MapIds => "map the ids",
            Step::Tie => "die with the supervisor",
            Step::WatchSupervisor => "watch the supervisor, adopt orphans",
            Step::MakeFile(place) => {
                return write!(
                    out,
                    "make the file {} for the group, where there is none",
                    place.display()
                );
            }
            Step::MakeDirectory(place) => {
                return write!(out, "make the directory {}", place.display());
            }
            Step::MemfdNoexec => "refuse executable memfds (vm.memfd_noexec=2)",
            Step::TakeIds => "become the mapped ids",
            Step::HostName => "set the host name",
            Step::PrivateMounts => "keep mounts private",
            Step::NewRoot => "make the empty root",
            Step::Mount(mount) => return write!(out, "{mount}"),
            Step::EnterRoot => "enter the root, leave the old one, make it read-only",
            Step::AwaitMaps => "wait for the id maps",
            Step::ForkWorkload => "fork the workload",
            Step::ConfineInit => "confine init",
            Step::ConfineSupervisor => "confine the supervisor",
            Step::Session => "new session, default signals, umask",
            Step::Limit(name, _, value) => return write!(out, "limit {name} to {value}"),
            Step::DropIds => "drop groups, set gid and uid",
            Step::SealCapabilities => "empty the capability bounding set, lock securebits",
            Step::DropCapabilities => "empty all other capability sets",
            Step::TieToInit => "die with init",
            Step::WorkingDirectory => "change to the working directory",
            Step::ReadSecret(name) => {
                return write!(out, "read the secret {name} into its variable");
            }
            Step::WriteSecret(name, at) => {
                return write!(out, "write the secret {name} to {}", at.display());
            }
            Step::NoNewPrivs => "set no_new_privs",
            Step::Landlock => "enforce Landlock",
            Step::Filter => "load the system call filter",
            Step::CloseDescriptors => "close every descriptor but 0, 1 and 2 at execve",
            Step::Execute => "execute the program",
        };
        out.write_str(text)
    }
}
