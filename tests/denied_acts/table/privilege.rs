//! Namespaces, mounts, ids, capabilities: what a plain user does not have, or only in a namespace.
use crate::act::Layer::{Caps, Seccomp, UserNamespace};
use crate::act::Outcome::{Reaches, Succeeds, SucceedsOr};
use crate::act::{Act, act};

pub fn acts() -> Vec<Act> {
    [namespaces(), mounts(), ids(), capabilities(), options()].concat()
}

fn namespaces() -> Vec<Act> {
    let kind = |sentence, kind| {
        act(sentence)
            .run(&["unshare", kind])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(SucceedsOr(&["EINVAL"]))
    };
    vec![
        kind("makes a user namespace", "user"),
        kind("makes a mount namespace in a user namespace", "mnt"),
        kind("makes a pid namespace in a user namespace", "pid"),
        kind("makes a network namespace in a user namespace", "net"),
        kind("makes an ipc namespace in a user namespace", "ipc"),
        kind("makes a uts namespace in a user namespace", "uts"),
        kind("makes a time namespace in a user namespace", "time"),
        kind("makes a cgroup namespace in a user namespace", "cgroup"),
        act("makes a namespace with high bits in the flags")
            .run(&["unshare-high"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Reaches(&["EINVAL", "ok"])),
        act("enters a namespace")
            .run(&["setns"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Reaches(&["EBADF"])),
    ]
}

/// Without a capability the kernel's own answer is the filter's: EPERM. The event tells them apart.
fn refused_to_users(sentence: &'static str, arguments: &[&'static str], call: &'static str) -> Act {
    act(sentence)
        .run(arguments)
        .claimed_by([UserNamespace.by("EPERM"), Seccomp.by("EPERM")])
        .seen_as(call)
}

fn mounts() -> Vec<Act> {
    vec![
        act("mounts in a namespace of its own")
            .run(&["mount-in-namespace", "{data}/folder"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds),
        refused_to_users("mounts", &["mount", "{data}/folder"], "mount").bare_root(Succeeds),
        refused_to_users("unmounts", &["umount", "{data}/folder"], "umount2")
            .bare_root(Reaches(&["EINVAL"])),
        refused_to_users(
            "moves the root",
            &["pivot-root", "{data}/folder"],
            "pivot_root",
        )
        .bare_root(Reaches(&["EINVAL", "EBUSY"])),
        refused_to_users("changes its root", &["chroot", "{data}/folder"], "chroot")
            .bare_root(Succeeds),
        refused_to_users("opens a file system", &["fsopen"], "fsopen").bare_root(Succeeds),
        refused_to_users("clones a mount tree", &["open-tree", "{data}"], "open_tree")
            .bare_root(Succeeds),
        refused_to_users("moves a mount", &["move-mount"], "move_mount")
            .bare_root(Reaches(&["EBADF"])),
    ]
}

fn ids() -> Vec<Act> {
    let id = |sentence, name, call| {
        act(sentence)
            .run(&[name])
            .claimed_by([UserNamespace.by("EINVAL").or("EPERM"), Seccomp.by("EPERM")])
            .seen_as(call)
            .bare_root(Succeeds)
    };
    vec![
        id("becomes uid 0", "setuid-0", "setuid"),
        id("becomes gid 0", "setgid-0", "setgid"),
        id("changes its groups", "setgroups", "setgroups"),
    ]
}

fn capabilities() -> Vec<Act> {
    vec![
        refused_to_users("raises a capability", &["capset"], "capset").bare_root(Succeeds),
        refused_to_users("changes its securebits", &["securebits"], "prctl").bare_root(Succeeds),
        refused_to_users("changes its bounding set", &["capbset-drop"], "prctl")
            .bare_root(Succeeds),
        act("has a capability in its bounding set")
            .run(&["bounding-set", "0"])
            .claimed_by([Caps.by("withheld"), Seccomp.by("EPERM")])
            .bare(Succeeds),
        act("has a capability")
            .run(&["has-capability"])
            .claimed_by([UserNamespace.by("withheld")])
            .bare_root(Succeeds),
    ]
}

fn options() -> Vec<Act> {
    let filter = || [Seccomp.by("EPERM")];
    vec![
        act("moves the marks of its memory")
            .run(&["set-mm"])
            .claimed_by(filter())
            .bare(Reaches(&["EINVAL"])),
        act("moves the marks of its memory, with high bits in the option")
            .run(&["set-mm-high"])
            .claimed_by(filter())
            .bare(Reaches(&["EINVAL"])),
        act("adopts orphans")
            .run(&["subreaper"])
            .claimed_by(filter())
            .bare(Succeeds),
        act("adopts orphans, with high bits in the option")
            .run(&["subreaper-high"])
            .claimed_by(filter())
            .bare(Succeeds),
        act("changes its personality so that data is code")
            .run(&["personality"])
            .claimed_by(filter())
            .bare(Succeeds),
    ]
}
