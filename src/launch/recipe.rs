//! What the launching processes share by being forked from one another.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::SeqCst;

use nix::errno::Errno;

use super::Failure;
use crate::filter::{self, Insn, Policy};
use crate::plan::{Plan, Step};
use crate::sys::launch_page::LaunchPage;
use crate::sys::notify::Instruction;
use crate::sys::process::open_pidfd;

/// A plan made ready: its steps, and the means to report.
pub struct Recipe<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Where progress is left.
    pub page: LaunchPage,
    /// A pidfd of the supervisor.
    pub supervisor_pidfd: OwnedFd,
}

impl<'a> Recipe<'a> {
    /// Maps the page.
    pub fn new(plan: &'a Plan) -> Result<Recipe<'a>, Failure> {
        let outside = |what: &'static str| move |errno: Errno| Failure::outside(what, errno);
        Ok(Recipe {
            plan,
            steps: plan.steps(),
            page: LaunchPage::new().map_err(outside("mapping the launch page"))?,
            supervisor_pidfd: open_pidfd(nix::unistd::getpid().as_raw())
                .map_err(outside("opening a pidfd of the supervisor"))?,
        })
    }

    /// Says which step comes next.
    pub fn at(&self, index: usize) {
        self.page.step.store(index as u32 + 1, SeqCst);
    }

    /// Says that a step failed. The first failure stays.
    pub fn failed(&self, errno: Errno) {
        self.page.announce(|page| {
            // Only the first one is told, so a lost race is fine.
            let _ = page.errno.compare_exchange(0, errno as i32, SeqCst, SeqCst);
        });
    }
}

/// A policy as the kernel reads it, with this process's own pid filled in. Each process compiles its own, so that
/// they do it side by side.
pub fn instructions(policy: &Policy) -> Result<Vec<Instruction>, Errno> {
    let program = filter::compile(policy).map_err(|_| Errno::E2BIG)?;
    let filled = program.with_own_pid(nix::unistd::getpid().as_raw().cast_unsigned());
    let kernel = |insn: &Insn| Instruction {
        code: insn.code,
        jt: insn.jt,
        jf: insn.jf,
        k: insn.k,
    };
    Ok(filled.iter().map(kernel).collect())
}
