//! flowjail's own processes drop what they no longer need: they read hostile bytes.
#![forbid(unsafe_code)]

use nix::errno::Errno;
use nix::sys::prctl::{set_dumpable, set_no_new_privs};

use super::recipe::instructions;
use crate::filter::Program;
use crate::layers::{caps, ids, landlock};
use crate::plan::Plan;
use crate::profile::Layer;
use crate::sys::notify;

/// Takes the workload's ids where the process is root; then no capabilities, no_new_privs, not dumpable.
pub fn drop_privilege(plan: &Plan) -> Result<(), Errno> {
    if nix::unistd::geteuid().is_root() {
        ids::take(&plan.ids)?;
    }
    if plan.has(Layer::Caps) {
        if caps::can_drop_all() { caps::drop_all()? } else { caps::drop_own()? }
    }
    set_no_new_privs()?;
    set_dumpable(false)
}

/// A Landlock domain without rights (wherever the plan has Landlock), and a filter of the few calls to come.
pub fn close_in(plan: &Plan, filter: &Program) -> Result<(), Errno> {
    if let Some(landlock) = &plan.landlock {
        landlock::enforce_nothing(landlock.abi)?;
    }
    notify::load_filter(&instructions(filter))
}
