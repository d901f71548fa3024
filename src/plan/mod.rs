//! The plan: what will be done, as data, in the order in which it will be done.
//!
//! `resolve` is pure: a profile and a host go in, a plan or refusals come out. [`Plan::steps`] is the one list
//! that the printed plan, the launching processes and the error text ("step 7 of 34") all use.
#![forbid(unsafe_code)]

mod again;
mod bare;
mod confine;
mod egress;
mod facts;
mod files;
mod ids;
mod landlock;
mod limits;
mod mounts;
mod network;
mod place;
mod promises;
mod readiness;
mod refusal;
mod resolve;
mod secrets;
#[cfg(test)]
mod secrets_tests;
mod step;
#[cfg(test)]
mod tests;
mod text;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::filter::Policy;
use crate::profile::Layer;
use crate::syscalls::Rule;

pub use again::resolve_again;
pub use bare::{CHANGES, are_one};
pub use confine::filters as own_filters;
pub use egress::{Difference, Egress};
pub use facts::{Asked, Facts, differing, facts, sealed};
pub use ids::IdPlan;
pub use landlock::{Access, DNS, LandlockPlan, LandlockRule};
pub use limits::{CgroupPlan, CgroupWrite, JAIL_LEAF, OWN_LEAF};
pub use mounts::{Mount, Tree};
pub use network::{AddressLine, HostLine, NetworkPlan, PublishLine};
pub use place::{Kind, published};
pub use promises::{Holding, PromiseLine};
pub use readiness::Readiness;
pub use refusal::{Refusal, Refusals};
pub use resolve::{filter, refuse_namespaces, refuse_network, resolve};
pub use secrets::{MAX_SECRET, SecretFile, SecretLine, Starter, is_absent, refuse_secret};
pub use step::{Runner, Step};
pub use text::render;

/// Everything that a launch does, resolved against one host.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The profile's name.
    pub profile: String,
    /// The jail's name.
    pub name: String,
    /// The kind of jail.
    pub kind: Kind,
    /// The program that the kernel executes.
    pub program: PathBuf,
    /// Its arguments, from the name on.
    pub argv: Vec<String>,
    /// Its environment, but for secrets.
    pub env: Vec<(String, String)>,
    /// What only the program is to know: names and places.
    pub secrets: Vec<SecretLine>,
    /// Its working directory, as the jail sees it.
    pub cwd: PathBuf,
    /// What is asked for, whatever this host makes of it.
    #[serde(skip)]
    pub asked: Asked,
    /// Whose ids it has.
    pub ids: IdPlan,
    /// The addresses that it serves.
    pub publish: Vec<SocketAddr>,
    /// The gateway's policy; none where it has an empty network, or the host's.
    pub network: Option<NetworkPlan>,
    /// When it counts as ready.
    pub readiness: Readiness,
    /// Whether it has an empty network namespace.
    pub no_network: bool,
    /// Directories that the program makes for itself before it runs: they are not there yet, and it could.
    pub makes: Vec<PathBuf>,
    /// Files that are made empty before the program runs, where its group is root's: the next user of the group is to write
    /// them, too.
    pub group_files: Vec<PathBuf>,
    /// Whether flowjail can empty the capability bounding set.
    pub seals: bool,
    /// What its root is made of; empty: the host's own root is seen.
    pub mounts: Vec<Mount>,
    /// Its Landlock rules; none where the layer is off or cannot be had.
    pub landlock: Option<LandlockPlan>,
    /// Its cgroup; none where no limit of its own can be set.
    pub cgroup: Option<CgroupPlan>,
    /// Its resource limits: name, number of the resource, value.
    pub rlimits: Vec<(&'static str, u32, u64)>,
    /// Its system call filter; none where the layer is off.
    pub filter: Option<FilterPlan>,
    /// Filters of flowjail's own processes.
    #[serde(skip)]
    pub own_filters: OwnFilters,
    /// Layers that the profile has switched off.
    pub layers_off: Vec<Layer>,
    /// What is promised, and what holds it.
    pub promises: Vec<PromiseLine>,
    /// What the reader should know beside the promises.
    pub notes: Vec<String>,
}

/// The workload's system call filter.
#[derive(Debug, Clone, Serialize)]
pub struct FilterPlan {
    /// Allowed and answered calls, and what happens to the rest.
    #[serde(skip)]
    pub policy: Policy,
    /// Whether the supervisor sees what is denied.
    pub listener: bool,
    /// Whether execve is allowed to the first call only.
    pub mediated_exec: bool,
    /// Calls that are carried out by the supervisor, or looked at by it first: those of the bare jail's sockets.
    #[serde(skip)]
    pub mediated: Vec<Rule>,
    /// How many system calls are allowed in some form.
    pub allowed: usize,
}

/// The filters of init and the supervisor.
#[derive(Debug, Clone)]
pub struct OwnFilters {
    /// For init.
    pub init: Policy,
    /// For the supervisor.
    pub supervisor: Policy,
    /// For the gateway.
    pub gateway: Policy,
}

impl Plan {
    /// The names of the promises in a state, as [`PromiseLine::state`] says it, with spaces between.
    pub fn promises_in(&self, state: &str) -> String {
        let lines = self.promises.iter().filter(|line| line.state() == state);
        let names: Vec<String> = lines.map(PromiseLine::name).collect();
        names.join(" ")
    }

    /// Whether the jail can write at or below this place of the host.
    pub fn writes_below(&self, place: &Path) -> bool {
        let writable = |mount: &Mount| match mount {
            Mount::Bind(tree) => tree.writable && place.starts_with(&tree.source),
            _ => false,
        };
        // Without a root of its own the jail sees every place where it lies.
        let rules = self.landlock.iter().flat_map(|landlock| &landlock.rules);
        let mut granted =
            rules.filter(|rule| rule.access == Access::Write && self.mounts.is_empty());
        self.mounts.iter().any(writable) || granted.any(|rule| place.starts_with(&rule.path))
    }

    /// Whether a layer is applied.
    pub fn has(&self, layer: Layer) -> bool {
        let bare = !matches!(
            layer,
            Layer::Mounts | Layer::Pid | Layer::Ipc | Layer::Uts | Layer::Cgroup
        );
        !self.layers_off.contains(&layer) && (bare || !self.is_bare())
    }

    /// Whether it is the bare jail.
    pub fn is_bare(&self) -> bool {
        self.kind == Kind::Bare
    }

    /// The directories that Landlock lets the program write.
    pub fn written(&self) -> Vec<PathBuf> {
        let rules = self.landlock.iter().flat_map(|landlock| &landlock.rules);
        rules
            .filter(|rule| rule.access == Access::Write)
            .map(|rule| rule.path.clone())
            .collect()
    }
}
