//! What the launching processes share by being forked from one another.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::SeqCst;

use nix::errno::Errno;

use super::Failure;
use crate::filter::{self, Insn, Policy};
use crate::plan::{Plan, Runner, Step};
use crate::sys::launch_page::LaunchPage;
use crate::sys::notify::Instruction;
use crate::sys::process::{exit_now, open_pidfd};

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

    /// Carries out every step of `runner` in order. A failure is noted on the page, and ends the process.
    pub fn carry_out(&self, runner: Runner, mut act: impl FnMut(&Step) -> Result<(), Errno>) {
        for (index, step) in self.steps.iter().enumerate() {
            if step.runner() != runner {
                continue;
            }
            self.page.step.store(index as u32 + 1, SeqCst);
            if let Err(errno) = act(step) {
                self.page.fail(index + 1, errno);
                exit_now(STEP_FAILED);
            }
        }
    }
}

/// Exit code of a process that failed in a step; the page says which.
const STEP_FAILED: i32 = 125;

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
