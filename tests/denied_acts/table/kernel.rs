//! The kernel's wide and rarely trodden surfaces: keys, bpf, perf, rings, modules, clocks, terminals.
use crate::act::Layer::{Seccomp, UserNamespace};
use crate::act::Outcome::{Reaches, Succeeds, SucceedsOr};
use crate::act::{Act, Outcome, act};

pub fn acts() -> Vec<Act> {
    [surfaces(), machine(), clocks(), numbers()].concat()
}

fn filtered(sentence: &'static str, arguments: &[&'static str], outcome: Outcome) -> Act {
    act(sentence)
        .run(arguments)
        .claimed_by([Seccomp.by("EPERM")])
        .bare(outcome)
}

fn surfaces() -> Vec<Act> {
    const ABSENT: Outcome = SucceedsOr(&["ENOSYS"]);
    vec![
        filtered("asks for a keyring", &["keyctl"], ABSENT),
        filtered("adds a key", &["add-key"], ABSENT),
        filtered(
            "requests a key",
            &["request-key"],
            Reaches(&["ENOKEY", "ENOSYS"]),
        ),
        filtered("makes a bpf map", &["bpf"], Reaches(&["E2BIG", "ENOSYS"])),
        filtered(
            "opens a performance counter",
            &["perf-event-open"],
            Reaches(&["EINVAL", "ENOSYS"]),
        ),
        filtered("handles its own page faults", &["userfaultfd"], ABSENT),
        act("sets up a ring of calls")
            .run(&["io-uring"])
            .claimed_by([Seccomp.by("ENOSYS")])
            .bare(Succeeds),
        filtered("changes its segment table", &["modify-ldt"], ABSENT),
        filtered("compares kernel objects", &["kcmp"], ABSENT),
    ]
}

/// The kernel checks the privilege first: the twin is root's, and the event tells who denied.
fn for_root(sentence: &'static str, arguments: &[&'static str], call: &'static str) -> Act {
    act(sentence)
        .run(arguments)
        .claimed_by([UserNamespace.by("EPERM"), Seccomp.by("EPERM")])
        .seen_as(call)
}

/// Privilege is not asked for, or not first: with an absent feature the answer is ENOSYS for everyone.
fn machine() -> Vec<Act> {
    vec![
        for_root("reboots", &["reboot"], "reboot").bare_root(Reaches(&["EINVAL"])),
        for_root("reads the kernel's log", &["syslog"], "syslog").bare_root(Reaches(&["EINVAL"])),
        for_root("names the host", &["sethostname"], "sethostname").bare_root(Succeeds),
        for_root("names the domain", &["setdomainname"], "setdomainname").bare_root(Succeeds),
        for_root("keeps accounts of processes", &["acct"], "acct").bare_root(Reaches(&["ENOENT"])),
        for_root("watches all files", &["fanotify-init"], "fanotify_init")
            .bare_root(Reaches(&["EINVAL"])),
        module("loads a module from memory", "init-module", "init_module"),
        module("loads a module from a file", "finit-module", "finit_module"),
        module("removes a module", "delete-module", "delete_module"),
        module("loads another kernel", "kexec-load", "kexec_load"),
        filtered("adds swap space", &["swapon"], Reaches(&["EINVAL"])),
        filtered(
            "changes quotas",
            &["quotactl"],
            Reaches(&["ENODEV", "ENOSYS"]),
        ),
        filtered(
            "opens ports of the machine",
            &["ioperm"],
            Reaches(&["EINVAL", "ENOSYS"]),
        ),
        filtered(
            "opens all ports of the machine",
            &["iopl"],
            Reaches(&["EINVAL", "ENOSYS"]),
        ),
    ]
}

/// Kernels without modules answer ENOSYS, and those with them EPERM, to a plain user.
fn module(sentence: &'static str, name: &'static str, call: &'static str) -> Act {
    const REACHED: &[&str] = &["ENOSYS", "EINVAL", "EBADF", "ENOEXEC", "EFAULT", "ENOENT"];
    act(sentence)
        .run(match name {
            "init-module" => &["init-module"],
            "finit-module" => &["finit-module"],
            "delete-module" => &["delete-module"],
            _ => &["kexec-load"],
        })
        .claimed_by([UserNamespace.by("EPERM").or("ENOSYS"), Seccomp.by("EPERM")])
        .seen_as(call)
        .bare_root(Reaches(REACHED))
}

fn clocks() -> Vec<Act> {
    vec![
        filtered("sets the clock", &["clock-settime"], Reaches(&["EINVAL"])),
        filtered(
            "sets the time of day",
            &["settimeofday"],
            Reaches(&["EINVAL"]),
        ),
        filtered("tunes the clock", &["adjtimex"], Succeeds),
        filtered("tunes a clock", &["clock-adjtime"], Succeeds),
    ]
}

fn numbers() -> Vec<Act> {
    const REACHED: Outcome = Reaches(&["ENOTTY"]);
    vec![
        filtered("types into the terminal", &["tiocsti"], REACHED),
        filtered(
            "types into the terminal, with high bits",
            &["tiocsti-high"],
            REACHED,
        ),
        filtered("pastes into the console", &["tioclinux"], REACHED),
        filtered(
            "pastes into the console, with high bits",
            &["tioclinux-high"],
            REACHED,
        ),
    ]
}
