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

use crate::layers::limits::Group;
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
        }
    }
}

impl Failure {
    /// Whether it was the jail's own network that could not be made, and why.
    pub fn concerns_network(&self) -> Option<Errno> {
        let made = self.what == Step::Network.to_string();
        self.errno.filter(|_| made)
    }

    /// What to do where a secret could not be read: it was fit by its file, and is not by what is in it.
    pub fn of_secret(&self) -> Option<&'static str> {
        let secret = self.runner == Some(Runner::Workload) && self.what.contains(" the secret ");
        match self.errno.filter(|_| secret)? {
            Errno::EILSEQ => Some(
                "a variable cannot hold a NUL byte: make the secret a file by `as = \"/tmp/NAME\"`",
            ),
            Errno::ENODATA | Errno::EFBIG => Some("its file was changed meanwhile: start again"),
            Errno::ENOSPC => {
                Some("the private /tmp is too small: [files] tmp = { size = \"64M\" }")
            }
            _ => None,
        }
    }

    /// What to do where a filter around forbids a step that is harmless in a namespace of one's own.
    pub fn of_unit(&self) -> Option<&'static str> {
        let named = self.what == Step::HostName.to_string() && self.errno == Some(Errno::EPERM);
        named.then_some("in a unit remove ProtectHostname=: the jail has a host name of its own")
    }

    /// What the kernel, or a filter around, lacks for it.
    pub fn of_kernel(&self) -> Option<&'static str> {
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
