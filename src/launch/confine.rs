//! flowjail's own processes drop what they no longer need: they read hostile bytes.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::stat::Mode;

use super::recipe::{Recipe, own_instructions};
use crate::layers::{caps, ids, landlock, process};
use crate::profile::Layer;
use crate::sys::notify::Instruction;
use crate::sys::process::close_from;
use crate::sys::{environment, notify};

/// init, which in the bare jail keeps the list of its children: no capabilities, no_new_privs, not dumpable, no descriptor, no file, and the few system calls of pid 1.
pub fn confine_init(recipe: &Recipe, children: &mut Option<OwnedFd>) -> Result<(), Errno> {
    close_from(0)?;
    environment::wipe();
    // With the layer on it was sealed before the workload was forked.
    if !recipe.plan.has(Layer::Caps) && recipe.plan.seals {
        caps::seal()?;
    }
    if recipe.plan.is_bare() {
        // A kernel that does not list children (CONFIG_PROC_CHILDREN) has only the group to end.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        *children = open("/proc/thread-self/children", flags, Mode::empty()).ok();
        if recipe.plan.ids.root_start {
            ids::take(&recipe.plan.ids)?;
        }
        // A change of ids wipes it.
        process::hear_of_supervisor(recipe.supervisor)?;
    }
    drop_privilege()?;
    if let Some(landlock) = &recipe.plan.landlock {
        landlock::enforce_nothing(landlock.abi)?;
    }
    notify::load_filter(&own_instructions(&recipe.plan.own_filters.init)?)
}

/// The supervisor, its bounding set empty already: the workload's ids, no capabilities, no_new_privs, not dumpable,
/// an environment of zeros, /proc as its root, and few system calls.
///
/// It reads the path and the arguments of a refused execve from `/proc/PID/mem`. A Landlock domain would forbid
/// that (ptrace is for ancestors of the target's domain only), so that a root without any file but /proc and
/// an open(2) that can only read stand in its place. The capabilities for it come from a start as root, or from
/// the supervisor's own user namespace, from where it cannot look into the user's other processes. A start as root
/// has no such namespace: there it could look into other processes of the workload's uid, and so could that of a bare
/// jail, which keeps its root, too, and writes the memory of calls that wait.
pub fn confine_supervisor(recipe: &Recipe, filter: &[Instruction]) -> Result<(), Errno> {
    if !recipe.plan.is_bare() {
        nix::unistd::chroot("/proc")?;
        nix::unistd::chdir("/")?;
    }
    if recipe.plan.ids.root_start {
        ids::take(&recipe.plan.ids)?;
    }
    drop_privilege()?;
    environment::wipe();
    notify::load_filter(filter)
}

/// The gateway: the workload's ids, no capabilities, no_new_privs, not dumpable, an environment of zeros, no file, and
/// the system calls of moving bytes. It stays in the host's network: sockets are what it is for.
pub fn confine_gateway(recipe: &Recipe) -> Result<(), Errno> {
    let plan = recipe.plan;
    if !plan.is_bare() {
        nix::unistd::chroot("/proc")?;
        nix::unistd::chdir("/")?;
    }
    if plan.seals {
        caps::seal()?;
    }
    if plan.ids.root_start {
        ids::take(&plan.ids)?;
    }
    drop_privilege()?;
    // A change of ids wipes it.
    process::die_with_supervisor(recipe.supervisor_pidfd.as_fd())?;
    environment::wipe();
    if let Some(domain) = &plan.landlock {
        landlock::enforce_no_file(domain.abi)?;
    }
    notify::load_filter(&own_instructions(&plan.own_filters.gateway)?)
}

fn drop_privilege() -> Result<(), Errno> {
    caps::clear()?;
    set_no_new_privs()?;
    set_dumpable(false)
}
