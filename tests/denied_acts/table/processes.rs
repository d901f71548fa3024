//! A process of the same uid outside the jail: signals, limits, priorities, memory, and shared segments.
use crate::act::Layer::{Ipc, Landlock, Mounts, Pid, Seccomp, UserNamespace};
use crate::act::Outcome::{Succeeds, SucceedsOr};
use crate::act::{Act, Open, act};
use crate::common::needs;

pub fn acts() -> Vec<Act> {
    [signals(), traces(), limits(), views()].concat()
}

fn signals() -> Vec<Act> {
    let signal = |sentence, name| {
        act(sentence)
            .run(name)
            .claimed_by([Pid.by("ESRCH"), Landlock.by("EPERM"), Seccomp.by("EPERM")])
            .bare(Succeeds)
    };
    vec![
        signal("signals a process outside", &["kill", "{pid}"]),
        signal(
            "signals a process outside, with high bits in its number",
            &["kill-high", "{pid}"],
        ),
        signal(
            "signals a thread of a process outside",
            &["tgkill", "{pid}"],
        ),
        signal("signals a thread outside", &["tkill", "{pid}"]),
        signal(
            "queues a signal for a process outside",
            &["sigqueue", "{pid}"],
        ),
        signal(
            "signals a process outside by its descriptor",
            &["pidfd-signal", "{pid}"],
        ),
        act("signals all processes")
            .run(&["kill-all"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds),
    ]
}

/// The kernel itself refuses these across user namespaces; the event tells that the filter was first.
fn traces() -> Vec<Act> {
    let trace = |sentence, name, call| {
        act(sentence)
            .run(name)
            .claimed_by([
                UserNamespace.by("EPERM"),
                Pid.by("ESRCH"),
                Seccomp.by("EPERM"),
            ])
            .seen_as(call)
    };
    vec![
        trace("traces a process outside", &["ptrace", "{pid}"], "ptrace").bare(Succeeds),
        trace(
            "reads the memory of a process outside",
            &["vm-read", "{pid}"],
            "process_vm_readv",
        )
        .bare(SucceedsOr(&["EFAULT"])),
        trace(
            "takes a descriptor of a process outside",
            &["pidfd-getfd", "{pid}"],
            "pidfd_open",
        )
        .bare(Succeeds),
        act("asks to be traced")
            .run(&["traceme"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds),
        act("writes memory by the call that reaches other processes")
            .run(&["vm-write-own"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds),
        act("takes a descriptor by the call that reaches other processes")
            .run(&["pidfd-getfd-own"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds),
    ]
}

fn limits() -> Vec<Act> {
    let limit = |sentence, name| {
        act(sentence)
            .run(name)
            .claimed_by([Pid.by("ESRCH"), Seccomp.by("EPERM")])
            .bare(Succeeds)
    };
    let everyone = |sentence, name| {
        act(sentence)
            .run(name)
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds)
            // other launches of the same uid would answer EPERM
            .needs(needs::for_a_uid_of_its_own())
    };
    vec![
        limit(
            "reads the limits of a process outside",
            &["prlimit-read", "{pid}"],
        ),
        limit("limits a process outside", &["prlimit", "{pid}"]),
        limit("renices a process outside", &["renice", "{pid}"]),
        limit(
            "renices a process outside, with high bits in its number",
            &["renice-high", "{pid}"],
        ),
        limit("pins a process outside to a CPU", &["affinity", "{pid}"]),
        limit("schedules a process outside", &["scheduler", "{pid}"]),
        limit(
            "ranks the input and output of a process outside",
            &["ioprio", "{pid}"],
        ),
        everyone("renices all processes of its uid", &["renice-user"]),
        limit(
            "has the kernel signal a process outside",
            &["set-owner", "{pid}"],
        ),
        limit(
            "has the kernel signal a process outside, with high bits in the command",
            &["set-owner-high", "{pid}"],
        ),
        everyone(
            "ranks the input and output of all processes of its uid",
            &["ioprio-user"],
        ),
    ]
}

fn views() -> Vec<Act> {
    let own_proc = || Pid.with(Mounts).by("ENOENT");
    vec![
        act("reads the command line of a process outside")
            .run(&["cmdline", "{pid}"])
            .claimed_by([own_proc()])
            .open_in_bare(Open::Processes)
            .bare(Succeeds),
        act("reads the environment of a process outside")
            .run(&["environ", "{pid}"])
            .claimed_by([UserNamespace.by("EACCES").or("EPERM"), own_proc()])
            .bare(Succeeds),
        act("lists the descriptors of a process outside")
            .run(&["fds", "{pid}"])
            .claimed_by([own_proc()])
            .open_in_bare(Open::Processes)
            .bare(Succeeds),
        act("finds a shared memory segment outside")
            .run(&["shm", "{shm}"])
            .claimed_by([Ipc.by("ENOENT"), Seccomp.by("EPERM")])
            .bare(Succeeds),
    ]
}
