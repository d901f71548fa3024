//! The jail's pid 1: it builds the jail, forks the workload, confines itself, reaps, and forwards signals.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, killpg, sigprocmask};
use nix::sys::uio::pread;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid, getppid, setsid};

use super::confine;
use super::recipe::Recipe;
use super::workload;
use crate::layers::{caps, ids, mounts, process};
use crate::plan::{Runner, Step};
use crate::profile::Layer;
use crate::sys::process::{self as sys_process, Forked};

/// How long init waits for the supervisor to write the id maps.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs as init until the workload ends; `trees` were opened by a supervisor that is root.
pub fn run(recipe: &Recipe, trees: Vec<OwnedFd>) -> ! {
    let mut root = mounts::Building::of(trees);
    let mut workload = Pid::from_raw(0);
    let mut children = None;
    recipe.carry_out(Runner::Init, |step| match step {
        Step::AwaitMaps => await_maps(recipe),
        Step::OpenTreesInside => {
            let trees = mounts::open_trees(&recipe.plan.mounts, &recipe.plan.ids)?;
            root = mounts::Building::of(trees);
            Ok(())
        }
        Step::ForkWorkload => {
            workload = fork_workload(recipe)?;
            Ok(())
        }
        Step::ConfineInit => confine::confine_init(recipe, &mut children),
        step => apply(recipe, step, &mut root),
    });
    recipe
        .page
        .announce(|page| page.init_confined.store(1, SeqCst));
    let jail = Jail { workload, children };
    reap(recipe, &jail)
}

/// What init minds.
struct Jail {
    workload: Pid,
    /// The kernel's list of this process's children, in the bare jail.
    children: Option<OwnedFd>,
}

/// Signals that arrive from now on wait for the loop at the end: an unblocked SIGCHLD would be lost.
fn await_maps(recipe: &Recipe) -> Result<(), Errno> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
    let mapped = recipe
        .page
        .wait(PATIENCE, |page| page.mapped.load(SeqCst) == 1);
    if mapped {
        Ok(())
    } else {
        Err(Errno::ETIMEDOUT)
    }
}

fn apply(recipe: &Recipe, step: &Step, root: &mut mounts::Building) -> Result<(), Errno> {
    match step {
        Step::TakeIds => take_ids(recipe),
        Step::Tie => {
            setsid()?;
            process::die_with_supervisor(recipe.supervisor_pidfd.as_fd())
        }
        Step::WatchSupervisor => {
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
            setsid()?;
            set_child_subreaper(true)?;
            process::hear_of_supervisor(recipe.supervisor)
        }
        Step::HostName => nix::unistd::sethostname("flowjail"),
        Step::PrivateMounts => mounts::keep_private(),
        Step::NewRoot => mounts::new_root(),
        Step::Mount(part) => mounts::put(part, root),
        Step::EnterRoot => mounts::enter_root(),
        Step::SealCapabilities => caps::seal(),
        _ => Err(Errno::EINVAL),
    }
}

/// What init makes in the new root is for everyone in the jail to see.
fn take_ids(recipe: &Recipe) -> Result<(), Errno> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    ids::take(&recipe.plan.ids)?;
    // A change of ids wipes it.
    process::die_with_supervisor(recipe.supervisor_pidfd.as_fd())
}

fn fork_workload(recipe: &Recipe) -> Result<Pid, Errno> {
    let init = getpid();
    match sys_process::fork(CloneFlags::CLONE_FILES.bits() as u64)? {
        Forked::Child => {
            workload::run(recipe, init);
            // The last step is execve.
            sys_process::exit_now(127)
        }
        Forked::Parent { pid, pidfd } => {
            // The table is about to be left behind with every descriptor in it.
            std::mem::forget(pidfd);
            Ok(Pid::from_raw(pid))
        }
    }
}

/// Forwards every signal, reaps every child, ends with the workload, whose status it leaves on the page.
fn reap(recipe: &Recipe, jail: &Jail) -> ! {
    let all = SigSet::all();
    loop {
        match all.wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(signal) => forward(recipe, jail.workload, signal),
        }
        let bare = recipe.plan.is_bare();
        while let Some(pid) = sys_process::ended_child() {
            let is_workload = pid == jail.workload.as_raw();
            if bare && is_workload {
                jail.end_group();
            }
            let status = sys_process::reap(pid);
            if let Some(status) = status.filter(|_| is_workload) {
                recipe.page.status.store(status, SeqCst);
                finish(recipe, jail);
            }
        }
        if bare && getppid() != recipe.supervisor {
            jail.end_group();
            finish(recipe, jail);
        }
    }
}

/// The end. With pid 1 of a namespace everyone in it ends; in the bare jail those that are left are children by now, or
/// become children as their parents end.
fn finish(recipe: &Recipe, jail: &Jail) -> ! {
    while recipe.plan.is_bare() {
        for child in jail.listed() {
            let _ = kill(child, Signal::SIGKILL);
        }
        // A child that has been killed ends, and hands on its own.
        if waitpid(None, None) == Err(Errno::ECHILD) {
            break;
        }
    }
    sys_process::exit_now(0)
}

impl Jail {
    /// Ends the workload's group, which is its own as long as it is not reaped. ESRCH: nobody is left in it.
    fn end_group(&self) {
        let _ = killpg(self.workload, Signal::SIGKILL);
    }

    /// This process's children, as far as the kernel lists them.
    fn listed(&self) -> Vec<Pid> {
        let mut room = [0u8; 4096];
        let read = self.children.as_ref().map(|list| pread(list, &mut room, 0));
        let length = read.and_then(Result::ok).unwrap_or(0);
        let text = String::from_utf8_lossy(&room[..length]);
        let numbers = text.split_whitespace().flat_map(str::parse);
        numbers.map(Pid::from_raw).collect()
    }
}

/// A session leader's descendants ignore SIGTSTP, so the whole jail is stopped and continued.
fn forward(recipe: &Recipe, workload: Pid, signal: Signal) {
    let everyone = if recipe.plan.has(Layer::Pid) {
        Pid::from_raw(-1)
    } else {
        workload
    };
    let (target, signal) = match signal {
        Signal::SIGTSTP => (everyone, Signal::SIGSTOP),
        Signal::SIGCONT => (everyone, Signal::SIGCONT),
        other => (workload, other),
    };
    // ESRCH: it has just ended, and SIGCHLD is on its way.
    let _ = kill(target, signal);
}
