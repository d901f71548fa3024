//! The launch: a plan's steps carried out by the supervisor, init and the workload, in the plan's order.
#![forbid(unsafe_code)]

mod confine;
mod gateway;
mod init;
mod recipe;
mod secrets;
mod start;
mod unfinished;
mod workload;

use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use nix::errno::Errno;

use crate::layers::limits::{Group, Short};
use crate::plan::{Runner, Step};
use crate::sys::launch_page::LaunchPage;
use crate::sys::proc::Proc;

pub use recipe::GatewayProcess;
pub use secrets::SecretFd;
pub use start::{launch, step_failure};

/// A jail whose program is about to be executed. The supervisor is confined by now, and where it has a listener
/// the program's execve waits for its answer.
pub struct Launched {
    /// init.
    pub init: OwnedFd,
    /// Its pid.
    pub init_pid: i32,
    /// Whether every child of the supervisor is the jail's.
    pub alone: bool,
    /// /proc, for a supervisor that opens nothing else.
    pub proc: Rc<Proc>,
    /// Where denied calls arrive; none without a listener.
    pub listener: Option<OwnedFd>,
    /// The gateway; none where the jail has no network of its own.
    pub gateway: Option<GatewayProcess>,
    /// The jail's cgroup; none where no limit of its own is set.
    pub group: Option<Group>,
    /// The gateway's pid.
    pub gateway_pid: Option<i32>,
    /// What init and the workload leave behind.
    pub page: LaunchPage,
    /// The plan's steps; the last is execve.
    pub steps: Vec<Step>,
}

/// A step that failed; the program was not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The step's number, from 1; 0 for what is in no list.
    pub step: usize,
    /// How many there are.
    pub of: usize,
    /// What it does.
    pub what: String,
    /// Who carried it out.
    pub runner: Option<Runner>,
    /// Why it failed; none where the process was killed in it.
    pub errno: Option<Errno>,
    /// flowjail's exit code: 125, or 126 and 127 where execve itself failed.
    pub exit: u8,
    /// Which of the jail's own limits was reached until then.
    pub short: Option<Short>,
}

impl Failure {
    /// A failure beside the list of steps.
    pub fn outside(what: &str, errno: Errno) -> Failure {
        Failure {
            step: 0,
            of: 0,
            what: what.into(),
            runner: None,
            errno: Some(errno),
            exit: 125,
            short: None,
        }
    }
}

impl Failure {
    /// Whether it was the jail's own network that could not be made, and why.
    pub fn concerns_network(&self) -> Option<Errno> {
        let made = self.what == Step::Network.to_string();
        self.errno.filter(|_| made)
    }

    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        self.of_secret()
            .or(self.of_unit())
            .or(self.of_limits())
            .or(self.of_size())
            .or(self.of_kernel())
    }

    /// What to do where a secret could not be read: it was fit by its file, and is not by what is in it.
    fn of_secret(&self) -> Option<&'static str> {
        let secret = self.runner == Some(Runner::Workload) && self.what.contains(" the secret ");
        match self.errno.filter(|_| secret)? {
            Errno::EILSEQ => Some(
                "a variable cannot hold a NUL byte: make the secret a file by `as = \"/tmp/NAME\"`",
            ),
            Errno::ENODATA => Some(
                "its file is empty, or holds a newline and nothing else: write the secret to it",
            ),
            Errno::EFBIG => Some("its file was changed meanwhile: start again"),
            Errno::ENOSPC => {
                Some("the private /tmp is too small: [files] tmp = { size = \"64M\" }")
            }
            _ => None,
        }
    }

    /// What to do where the jail's own limits leave no room for the launch, or another jail has taken its place.
    fn of_limits(&self) -> Option<&'static str> {
        let first = [Step::OwnLeaf, Step::Controllers, Step::JailLeaf];
        let first = first.map(|step| step.to_string()).contains(&self.what);
        match self.short {
            Some(Short::Memory) => {
                Some("the jail's memory was used up by then: raise [resources] memory")
            }
            Some(Short::Processes) => {
                Some("the jail had as many processes as it may by then: raise [resources] pids")
            }
            None => match self.errno.filter(|_| first)? {
                Errno::EBUSY => Some(
                    "another process has come into its cgroup: start each flowjail in a unit or scope of its own",
                ),
                Errno::EEXIST => Some(
                    "cgroups of these names hold others: remove flowjail-own and flowjail-jail with what is below them",
                ),
                _ => None,
            },
        }
    }

    /// What to do where the program's arguments and variables are too much.
    fn of_size(&self) -> Option<&'static str> {
        let refused = self.exit == 126 && self.errno == Some(Errno::E2BIG);
        refused.then_some(
            "a variable may have 128 KiB, and all together a quarter of the stack (ulimit -s): make a large secret a file by `as = \"/tmp/NAME\"`",
        )
    }

    /// What to do where a filter around forbids a step that is harmless in a namespace of one's own.
    fn of_unit(&self) -> Option<&'static str> {
        let named = self.what == Step::HostName.to_string() && self.errno == Some(Errno::EPERM);
        named.then_some("in a unit remove ProtectHostname=: the jail has a host name of its own")
    }

    /// What the kernel, or a filter around, lacks for it.
    fn of_kernel(&self) -> Option<&'static str> {
        let is = |step: Step| self.what == step.to_string();
        let confines = [
            Step::ConfineGateway,
            Step::ConfineInit,
            Step::ConfineSupervisor,
            Step::Landlock,
        ];
        match self.errno? {
            Errno::ENOSYS => Some(
                "this kernel, or a filter around, lacks a call: flowjail needs Linux 5.19 or newer",
            ),
            Errno::EPERM if confines.into_iter().any(is) => Some(
                "a filter around forbids it: in a unit add seccomp, landlock_create_ruleset, landlock_add_rule and landlock_restrict_self to SystemCallFilter=",
            ),
            Errno::E2BIG if is(Step::Landlock) => Some(
                "Landlock domains nest sixteen deep: start flowjail outside of so many (landlock(7))",
            ),
            Errno::EINVAL if is(Step::EnterRoot) => Some(
                "a root that the kernel unpacked at boot (initramfs) cannot be left: start below a mounted root (switch_root), or write `jail = \"bare\"`",
            ),
            _ => None,
        }
    }

    /// Whether a host without namespaces fails like this.
    pub fn concerns_namespaces(&self) -> bool {
        use Errno::{EACCES, EINVAL, ENOSPC, ENOSYS, EPERM, EUSERS};
        let refused = self
            .errno
            .is_some_and(|errno| [EACCES, EINVAL, ENOSPC, ENOSYS, EPERM, EUSERS].contains(&errno));
        refused && self.runner != Some(Runner::Workload)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.step {
            0 if self.errno.is_none() => return out.write_str(&self.what),
            0 => write!(out, "{} failed", self.what)?,
            step => write!(out, "step {step} of {} failed: {}", self.of, self.what)?,
        }
        match self.errno {
            Some(errno) => write!(out, ": {} ({errno:?})", errno.desc()),
            None => write!(out, ": the process was killed"),
        }
    }
}
