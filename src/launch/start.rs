//! The supervisor's part of the launch: fork, maps, and the first execve waiting for its answer.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_child_subreaper;

use super::gateway::Starting;
use super::recipe::{Recipe, own_instructions};
use super::secrets::SecretFd;
use super::unfinished::Unfinished;
use super::{Failure, Launched, confine, init};
use crate::gateway::Doors;
use crate::layers::limits::Group;
use crate::layers::{caps, ids, mounts};
use crate::plan::{Plan, Step};
use crate::profile::Layer;
use crate::sys::launch_page::{LaunchPage, Words};
use crate::sys::notify;
use crate::sys::proc::Proc;
use crate::sys::process::{self, Forked};

/// Longest time that a launch may take before it counts as stuck; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a jail up to the workload's execve. The process must be single-threaded, with the signals that it
/// forwards blocked. `doors` are the gateway's, where the plan has one; `secrets` are read by the workload.
pub fn launch(
    plan: &Plan,
    doors: Option<Doors>,
    secrets: Vec<SecretFd>,
) -> Result<Launched, Failure> {
    process::raise_open_files()
        .map_err(|errno| Failure::outside("raising the limit of descriptors", errno))?;
    let recipe = Recipe::new(plan, secrets)?;
    let group = make_group(&recipe)?;
    match launch_into(recipe, doors, group.as_ref()) {
        Ok(launched) => Ok(Launched { group, ..launched }),
        Err(failure) => Err(Failure {
            short: group.as_ref().and_then(Group::short),
            ..failure
        }),
    }
}

/// The same into the jail's cgroup, where there is one.
fn launch_into(
    recipe: Recipe,
    doors: Option<Doors>,
    group: Option<&Group>,
) -> Result<Launched, Failure> {
    let plan = recipe.plan;
    supervised(&recipe, Step::OwnNamespace, || {
        if plan.ids.root_start || plan.is_bare() {
            Ok(())
        } else {
            ids::own_namespace(&plan.ids)
        }
    })?;
    let gateway = start_gateway(&recipe, doors)?;
    let trees = supervised(&recipe, Step::OpenTrees, || {
        let needed = plan.has(Layer::Mounts) && plan.ids.root_start;
        if needed {
            mounts::open_trees(&plan.mounts, &plan.ids)
        } else {
            Ok(Vec::new())
        }
    })?;
    let forked = fork_init(&recipe, group)?;
    let (pid, pidfd) = match forked {
        Forked::Child => init::run(&recipe, trees),
        Forked::Parent { pid, pidfd } => (pid, pidfd),
    };
    // init shares this process's descriptor table and closes the trees in it.
    std::mem::forget(trees);
    let jail = Unfinished::of(pidfd);
    if let Some(group) = group.filter(|_| plan.joins_leaf()) {
        supervised(&recipe, Step::JoinLeaf, || group.take_in(pid))?;
    }
    if !plan.is_bare() {
        supervised(&recipe, Step::MapIds, || ids::write_maps(pid, &plan.ids))?;
        recipe.page.announce(|page| page.mapped.store(1, SeqCst));
    }
    // While init builds the root.
    supervised(&recipe, Step::Filter, || recipe.make_filter())?;
    supervised(&recipe, Step::MemfdNoexec, || {
        if plan.memfd_noexec() {
            refuse_memfd_exec(&jail, &recipe.supervisor_pidfd)
        } else {
            Ok(())
        }
    })?;
    let both = Both {
        jail: &jail,
        gateway: &gateway,
    };
    let proc = Proc::open().map_err(|errno| Failure::outside("opening /proc", errno))?;
    confine_self(&recipe, &both)?;
    let listener = await_workload(&recipe, &both)?;
    let Recipe {
        page,
        steps,
        has_children,
        ..
    } = recipe;
    let init = jail
        .finished()
        .ok_or_else(|| Failure::outside("keeping init", Errno::ESRCH))?;
    let gateway = gateway.finished();
    Ok(Launched {
        gateway_pid: gateway.as_ref().map(|gateway| gateway.pid),
        init,
        init_pid: pid,
        proc: Rc::new(proc),
        alone: !has_children,
        listener,
        gateway,
        group: None,
        page,
        steps,
    })
}

/// The gateway, and the jail's own network; neither where the plan has none.
fn start_gateway(recipe: &Recipe, doors: Option<Doors>) -> Result<Starting, Failure> {
    let Some(network) = &recipe.plan.network else {
        return Ok(Starting::none());
    };
    let forked = supervised(recipe, Step::ForkGateway, || {
        // A plan with a network and nothing to serve it by would be a mistake of ours.
        Starting::fork(recipe, doors.ok_or(Errno::EBADF)?)
    })?;
    if !network.shared {
        supervised(recipe, Step::Network, || forked.make_network(network))?;
    }
    Ok(forked)
}

/// The jail's cgroup with its limits; none where the plan has none.
fn make_group(recipe: &Recipe) -> Result<Option<Group>, Failure> {
    let Some(cgroup) = &recipe.plan.cgroup else {
        return Ok(None);
    };
    let first = match cgroup.inside {
        Some(_) => Step::Controllers,
        None => Step::OwnLeaf,
    };
    let mut group = supervised(recipe, first, || Group::enter(cgroup))?;
    supervised(recipe, Step::Controllers, || group.enable())?;
    supervised(recipe, Step::JailLeaf, || group.make())?;
    for line in &cgroup.writes {
        supervised(recipe, Step::Cgroup(line.clone()), || group.limit(line))?;
    }
    Ok(Some(group))
}

/// init, in the namespaces of the jail where it has some.
fn fork_init(recipe: &Recipe, group: Option<&Group>) -> Result<Forked, Failure> {
    let plan = recipe.plan;
    let into = group.filter(|_| !plan.joins_leaf());
    let fork = |flags: CloneFlags| {
        let flags = flags.bits() as u64;
        let into = into.and_then(|group| Some((group, group.jail()?)));
        let Some((group, jail)) = into else {
            return process::fork(flags);
        };
        match process::fork_into(flags, jail.as_fd()) {
            // A container's filter hides it, or the kernel knows less of it.
            Err(Errno::ENOSYS | Errno::E2BIG) => group.within(|| process::fork(flags)),
            forked => forked,
        }
    };
    let shared = CloneFlags::CLONE_FILES;
    if plan.is_bare() {
        return supervised(recipe, Step::ForkInit, || {
            // Orphans of the jail come to init, and where that was killed to this process: unless it has children of its
            // own, left by the program that it was before, whose orphans are nobody's business here.
            set_child_subreaper(!recipe.has_children)?;
            fork(shared)
        });
    }
    let flags = namespaces(plan) | shared;
    supervised(recipe, Step::Namespaces, || {
        ids::assume_owner(&plan.ids)?;
        let forked = fork(flags);
        if !matches!(forked, Ok(Forked::Child)) {
            ids::resume(&plan.ids)?;
        }
        forked
    })
}

/// Confines the supervisor while the workload is on its way. Not before init is done: what fails until then may be
/// for want of namespaces, and the search for the cause makes some.
fn confine_self(recipe: &Recipe, both: &Both) -> Result<(), Failure> {
    let filter = own_instructions(&recipe.plan.own_filters.supervisor)
        .map_err(|errno| Failure::outside("compiling the supervisor's filter", errno))?;
    supervised(recipe, Step::ConfineSupervisor, || {
        match recipe.plan.seals {
            true => caps::seal(),
            false => Ok(()),
        }
    })?;
    await_word(recipe, both, |page| &page.init_confined)?;
    if recipe.plan.network.is_some() {
        await_word(recipe, both, |page| &page.gateway_ready)?;
    }
    supervised(recipe, Step::ConfineSupervisor, || {
        confine::confine_supervisor(recipe, &filter)
    })?;
    recipe
        .page
        .announce(|page| page.supervisor_confined.store(1, SeqCst));
    Ok(())
}

fn namespaces(plan: &Plan) -> CloneFlags {
    let optional = [
        (Layer::Pid, CloneFlags::CLONE_NEWPID),
        (Layer::Ipc, CloneFlags::CLONE_NEWIPC),
        (Layer::Uts, CloneFlags::CLONE_NEWUTS),
        (Layer::Cgroup, CloneFlags::CLONE_NEWCGROUP),
    ];
    let wanted = optional
        .into_iter()
        .filter(|(layer, _)| plan.has(*layer))
        .map(|(_, flag)| flag);
    let network = if plan.no_network {
        CloneFlags::CLONE_NEWNET
    } else {
        CloneFlags::empty()
    };
    wanted.fold(
        CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | network,
        CloneFlags::union,
    )
}

/// A step of the supervisor's own; its number comes from the same list.
fn supervised<T>(
    recipe: &Recipe,
    step: Step,
    act: impl FnOnce() -> Result<T, Errno>,
) -> Result<T, Failure> {
    act().map_err(|errno| {
        // Where a process of the jail failed first, this is what came of it.
        if recipe.page.failed().is_some() {
            return step_failure(&recipe.steps, &recipe.page, true);
        }
        let index = recipe
            .steps
            .iter()
            .position(|other| *other == step)
            .unwrap_or(0);
        Failure {
            step: index + 1,
            of: recipe.steps.len(),
            what: step.to_string(),
            runner: Some(step.runner()),
            errno: Some(errno),
            exit: 125,
            short: None,
        }
    })
}

/// What the launch waits for: neither may end before it is over.
struct Both<'a> {
    jail: &'a Unfinished,
    gateway: &'a Starting,
}

/// `vm.memfd_noexec` belongs to a pid namespace and takes the host's root in it to set: a process for it.
fn refuse_memfd_exec(jail: &Unfinished, supervisor: &OwnedFd) -> Result<(), Errno> {
    let pidfd = jail.pidfd().ok_or(Errno::ESRCH)?;
    // Of this process's children only; it stays where it is itself.
    setns(pidfd, CloneFlags::CLONE_NEWPID)?;
    // Not a copy of the descriptor table: one of what init has open for writing would keep its root busy.
    let shared = CloneFlags::CLONE_FILES.bits() as u64;
    let refused = process::in_child(shared, mounts::memfd_noexec);
    setns(supervisor, CloneFlags::CLONE_NEWPID)?;
    refused
}

/// Waits until the workload is about to execute, and takes its listener.
fn await_workload(recipe: &Recipe, both: &Both) -> Result<Option<OwnedFd>, Failure> {
    await_word(recipe, both, |page| &page.executing)?;
    let number = recipe.page.listener.load(SeqCst);
    let listener = (number >= 0).then(|| process::adopt(number));
    if let Some(listener) = &listener {
        // Without it answers take a little longer.
        let _ = notify::wake_in_turn(listener);
    }
    Ok(listener)
}

/// Waits for a word of the page to become 1, unless something fails first.
fn await_word(
    recipe: &Recipe,
    both: &Both,
    word: impl Fn(&Words) -> &AtomicU32,
) -> Result<(), Failure> {
    let page = &recipe.page;
    let there = || word(page).load(SeqCst) == 1;
    let settled = page.wait(PATIENCE, |page| {
        there() || page.failure.load(SeqCst) != 0 || both.jail.ended() || both.gateway.ended()
    });
    if there() && page.failed().is_none() {
        Ok(())
    } else {
        Err(step_failure(&recipe.steps, page, settled))
    }
}

/// What the page says of the step that failed; `settled`: it failed or was killed, rather than got stuck.
pub fn step_failure(steps: &[Step], page: &LaunchPage, settled: bool) -> Failure {
    let (step, errno) = match page.failed() {
        Some((step, errno)) => (step, Some(errno)),
        None => (
            page.step.load(SeqCst).max(1) as usize,
            (!settled).then_some(Errno::ETIMEDOUT),
        ),
    };
    let what = steps.get(step.saturating_sub(1));
    let exit = match (what, errno) {
        (Some(Step::Execute), Some(Errno::ENOENT)) => 127,
        (Some(Step::Execute), Some(_)) => 126,
        _ => 125,
    };
    Failure {
        step,
        of: steps.len(),
        what: what.map_or_else(String::new, Step::to_string),
        runner: what.map(Step::runner),
        errno,
        exit,
        short: None,
    }
}
