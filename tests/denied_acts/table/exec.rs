//! Other programs, other processes, and native code.
use crate::act::Layer::{
    Caps, Exec, Landlock, Mounts, NoNewPrivs, Rlimits, Seccomp, UserNamespace,
};
use crate::act::Outcome::{Reaches, Succeeds, SucceedsOr};
use crate::act::{Act, Claim, Open, act};
use crate::common::needs;
use crate::stage::dynamic_loader;

/// The layer `exec` is a part of the filter: without it the filter lets the calls pass.
fn mediated() -> Claim {
    Exec.with(Seccomp).by("EPERM")
}

pub fn acts() -> Vec<Act> {
    [programs(), dropped(), gains(), processes(), native_code()].concat()
}

fn programs() -> Vec<Act> {
    let loader = needs::condition(
        "a dynamic loader",
        dynamic_loader().is_some(),
        "none is known",
    );
    vec![
        act("starts a shell")
            .run(&["exec", "/bin/sh", "-c", "echo exec ok"])
            .claimed_by([mediated(), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("starts a program through the dynamic loader")
            .run(&["exec", "{ld.so}", "/bin/echo", "exec", "ok"])
            .claimed_by([mediated()])
            .bare(Succeeds)
            .needs(loader),
        act("starts itself again")
            .run(&["exec-self"])
            .claimed_by([mediated()])
            .bare(Succeeds),
        act("starts a program that lies in a read-only bind")
            .run(&["exec-copy", "{readonly}/program"])
            .claimed_by([mediated(), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("starts a program by its descriptor")
            .run(&["execveat", "{bin}/probe"])
            .claimed_by([mediated()])
            .bare(Succeeds),
        act("makes a file in memory")
            .run(&["memfd"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds),
        act("starts a program from memory")
            .run(&["exec-memfd"])
            .claimed_by([Seccomp.by("EPERM"), mediated()])
            .bare(Succeeds),
    ]
}

fn dropped() -> Vec<Act> {
    let all = || [mediated(), Mounts.by("EACCES"), Landlock.by("EACCES")];
    vec![
        act("starts a program that it wrote to its data")
            .run(&["exec-dropped", "{data}"])
            .claimed_by(all())
            .bare(Succeeds),
        act("starts a program that it wrote to /tmp")
            .run(&["exec-dropped", "/tmp"])
            .claimed_by(all())
            .bare(Succeeds),
        act("starts a program that it wrote and made set-user-ID")
            .run(&["exec-setuid", "{data}"])
            .claimed_by(all())
            .bare(Succeeds),
        act("starts a script that it wrote to its data")
            .run(&["exec-script", "{data}"])
            .claimed_by(all())
            .bare(Succeeds),
        act("starts a script that it wrote to /tmp")
            .run(&["exec-script", "/tmp"])
            .claimed_by(all())
            .bare(Succeeds),
    ]
}

fn gains() -> Vec<Act> {
    let left = |sentence, how| {
        act(sentence)
            .run(&[how, "{data}"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds)
    };
    vec![
        left("leaves a set-user-ID file by fchmod", "setuid-fchmod"),
        left(
            "leaves one with high bits in the mode",
            "setuid-fchmod-high",
        ),
        left("creates a file set-user-ID", "setuid-create"),
        act("becomes root by a setuid program")
            .run(&["exec-gain", "{bin}/setuid", "gained-root"])
            .claimed_by([UserNamespace.by("withheld"), mediated()])
            .bare(Succeeds)
            .needs(needs::root()),
        act("gains a capability by a program that has one")
            .run(&["exec-gain", "{bin}/capable", "has-capability"])
            .claimed_by([
                NoNewPrivs.by("withheld"),
                Caps.by("EPERM").or("withheld"),
                Mounts.by("withheld"),
                mediated(),
            ])
            .bare(Succeeds)
            .needs(needs::root()),
    ]
}

/// A few plain forks are let through, so that the supervisor can name what the child wants to start; they
/// are no denied act.
fn processes() -> Vec<Act> {
    let filter = || [Seccomp.by("EPERM")];
    vec![
        act("forks with high bits in the flags")
            .run(&["fork-high"])
            .claimed_by(filter())
            .bare(Succeeds),
        act("forks into a user namespace")
            .run(&["clone-user"])
            .claimed_by(filter())
            .bare(Succeeds),
        act("forks by clone3")
            .run(&["clone3"])
            .claimed_by([Seccomp.by("ENOSYS")])
            .bare(Succeeds),
        act("spawns a program")
            .run(&["posix-spawn", "{bin}/probe"])
            .claimed_by([mediated()])
            .bare(Succeeds),
        act("is a fork bomb")
            .run(&["fork-many", "200"])
            .claimed_by([Seccomp.by("EPERM"), Rlimits.by("EAGAIN")])
            .bare(Succeeds),
        act("is a thread bomb")
            .run(&["threads-many", "200"])
            .claimed_by([Rlimits.by("EAGAIN")])
            // RLIMIT_NPROC counts all processes of the uid there, the host's too.
            .open_in_bare(Open::Limits)
            .bare(Succeeds),
    ]
}

fn native_code() -> Vec<Act> {
    let x86 = || {
        needs::condition(
            "x86-64",
            cfg!(target_arch = "x86_64"),
            "another architecture",
        )
    };
    vec![
        act("writes machine code through /proc/self/mem")
            .run(&["self-mem"])
            .claimed_by([Mounts.by("EROFS"), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("loads a library that it wrote to its data")
            .run(&["map-exec", "{data}"])
            .claimed_by([Mounts.by("EPERM")])
            .open_in_bare(Open::NativeCode)
            .bare(Succeeds),
        act("loads a library that it wrote to /tmp")
            .run(&["map-exec", "/tmp"])
            .claimed_by([Mounts.by("EPERM"), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("makes a mapped file of its data executable")
            .run(&["map-then-exec", "{data}"])
            .claimed_by([Mounts.by("EACCES")])
            .open_in_bare(Open::NativeCode)
            .bare(Succeeds),
        act("calls by the numbers of i386")
            .run(&["call-i386"])
            .claimed_by([Seccomp.by("SIGSYS")])
            .bare(SucceedsOr(&["SIGSEGV"]))
            .needs(x86()),
        act("calls by the numbers of x32")
            .run(&["call-x32"])
            .claimed_by([Seccomp.by("SIGSYS")])
            .bare(Reaches(&["ENOSYS", "ok"]))
            .needs(x86()),
    ]
}
