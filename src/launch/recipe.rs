//! What the launching processes share by being forked from one another.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::Failure;
use super::secrets::{self, SecretFd, SharedFd};
use crate::filter::{self, Insn, Policy, Program};
use crate::gateway::doors::Door;
use crate::plan::{Plan, Runner, Step};
use crate::sys::launch_page::{LaunchPage, Words};
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
    /// Its pid.
    pub supervisor: Pid,
    /// Secrets, in the descriptor table that supervisor and workload share.
    pub secrets: Vec<SharedFd>,
    /// Whether it had children before the launch.
    pub has_children: bool,
}

/// The gateway, as its supervisor holds it.
pub struct GatewayProcess {
    /// Its pid.
    pub pid: i32,
    /// Readable once it has ended.
    pub pidfd: OwnedFd,
    /// The supervisor's end of their channel.
    pub channel: OwnedFd,
    /// Listeners that the bare jail's program gets; they are bound, and listen once it does.
    pub published: Vec<Door>,
    /// Where the gateway takes the bare jail's connections.
    pub inner: Vec<SocketAddr>,
}

impl<'a> Recipe<'a> {
    /// Maps the page, and gives the secrets up to the workload.
    pub fn new(plan: &'a Plan, secrets: Vec<SecretFd>) -> Result<Recipe<'a>, Failure> {
        let outside = |what: &'static str| move |errno: Errno| Failure::outside(what, errno);
        Ok(Recipe {
            plan,
            secrets: secrets::share(secrets),
            supervisor: nix::unistd::getpid(),
            has_children: plan.is_bare() && has_children(),
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

/// Of a caller that became this process by execve. A kernel that does not list them: none is known.
fn has_children() -> bool {
    let listed = std::fs::read_to_string("/proc/thread-self/children");
    listed.is_ok_and(|listed| !listed.trim().is_empty())
}

/// Exit code of a process that failed in a step; the page says which.
const STEP_FAILED: i32 = 125;

/// A policy of flowjail's own processes as the kernel reads it, with this process's own pid filled in.
pub fn own_instructions(policy: &Policy) -> Result<Vec<Instruction>, Errno> {
    let program = filter::compile_constant(policy).map_err(|_| Errno::E2BIG)?;
    Ok(for_this_process(&program))
}

impl Recipe<'_> {
    /// Makes the workload's filter while the others are busy, and leaves it on the page.
    pub fn make_filter(&self) -> Result<(), Errno> {
        let Some(filter) = &self.plan.filter else {
            return Ok(());
        };
        let program = filter::compile(&filter.policy).map_err(|_| Errno::E2BIG)?;
        let marked: Vec<Instruction> = program.instructions().iter().map(to_kernel).collect();
        self.page.leave_filter(&marked)
    }

    /// The filter from the page, for the process that loads it. ETIMEDOUT: none came.
    pub fn take_filter(&self) -> Result<Vec<Instruction>, Errno> {
        let made = |page: &Words| page.filter_length.load(SeqCst) != 0;
        if !self.page.wait(PATIENCE, made) {
            return Err(Errno::ETIMEDOUT);
        }
        let marked = self.page.filter();
        let program = Program::of(marked.iter().map(from_kernel).collect());
        Ok(for_this_process(&program))
    }
}

/// Patience with the supervisor's compiler, which takes a tenth of a millisecond.
const PATIENCE: Duration = Duration::from_secs(30);

fn for_this_process(program: &Program) -> Vec<Instruction> {
    let pid = nix::unistd::getpid().as_raw().cast_unsigned();
    program.with_own_pid(pid).iter().map(to_kernel).collect()
}

fn to_kernel(insn: &Insn) -> Instruction {
    Instruction {
        code: insn.code,
        jt: insn.jt,
        jf: insn.jf,
        k: insn.k,
    }
}

fn from_kernel(instruction: &Instruction) -> Insn {
    Insn {
        code: instruction.code,
        jt: instruction.jt,
        jf: instruction.jf,
        k: instruction.k,
    }
}
