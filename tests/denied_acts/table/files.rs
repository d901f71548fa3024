//! Files: names that are not the jail's, tricks that lead to them, devices, and what is read-only.
use std::path::Path;

use crate::act::Layer::{Landlock, Mounts, Seccomp, UserNamespace};
use crate::act::Outcome::{Reaches, Succeeds, SucceedsOr};
use crate::act::{Act, Open, act};
use crate::common::needs;
use crate::stage::root_device;

pub fn acts() -> Vec<Act> {
    [outside(), tricks(), proc_and_sys(), devices(), read_only()].concat()
}

/// Landlock has no right for stat(2).
const SEEN: Open = Open::Noted("that other files exist, and their sizes and owners, can be seen");

fn outside() -> Vec<Act> {
    let both = || [Mounts.by("ENOENT"), Landlock.by("EACCES")];
    vec![
        act("reads a file outside")
            .run(&["read", "{outside}/decoy"])
            .claimed_by(both())
            .bare(Succeeds),
        act("writes a file outside")
            .run(&["write", "{open}/file"])
            .claimed_by(both())
            .bare(Succeeds),
        act("makes a file outside")
            .run(&["create", "{open}/new"])
            .claimed_by(both())
            .bare(Succeeds),
        act("makes a folder outside")
            .run(&["mkdir", "{open}/new"])
            .claimed_by(both())
            .bare(Succeeds),
        act("truncates a file outside")
            .run(&["truncate", "{open}/file"])
            .claimed_by([
                Mounts.by("ENOENT"),
                Landlock.by("EACCES"),
                Seccomp.by("EPERM"),
            ])
            .bare(Succeeds),
        act("lists a folder outside")
            .run(&["list-dir", "{outside}"])
            .claimed_by(both())
            .bare(Succeeds),
        act("asks for the size and owner of a file outside")
            .run(&["stat", "{outside}/decoy"])
            .claimed_by([Mounts.by("ENOENT")])
            .open_in_bare(SEEN)
            .bare(Succeeds),
        act("asks whether a file outside is there")
            .run(&["access", "{outside}/decoy"])
            .claimed_by([Mounts.by("ENOENT")])
            .open_in_bare(SEEN)
            .bare(Succeeds),
        act("changes the times of its own file outside")
            .run(&["utimes", "{open}/file"])
            .claimed_by([Mounts.by("ENOENT")])
            .in_bare(["EACCES"])
            .bare(Succeeds),
        act("changes the times of its own file outside through its data's parent")
            .run(&["utimes", "{data}/../outside/open/file"])
            .claimed_by([Mounts.by("ENOENT")])
            .in_bare(["EACCES"])
            .bare(Succeeds),
        act("changes the mode of its own file outside")
            .run(&["chmod", "{open}/file"])
            .claimed_by([Mounts.by("ENOENT"), Seccomp.by("EPERM")])
            .bare(Succeeds),
    ]
}

fn tricks() -> Vec<Act> {
    vec![
        act("links a file outside into its data")
            .run(&["link", "{open}/file", "{data}/linked"])
            .claimed_by([
                Mounts.by("ENOENT"),
                Landlock.by("EXDEV").or("EACCES"),
                Seccomp.by("EPERM"),
            ])
            .bare(Succeeds),
        act("reads a file outside through a symbolic link in its data")
            .run(&["symlink-read", "{outside}/decoy", "{data}/pointer"])
            .claimed_by([
                Mounts.by("ENOENT"),
                Landlock.by("EACCES"),
                Seccomp.by("EPERM"),
            ])
            .bare(Succeeds),
        act("moves a file out of its data")
            .run(&["rename-out", "{data}/mine", "{open}/moved"])
            .claimed_by([Mounts.by("ENOENT"), Landlock.by("EXDEV").or("EACCES")])
            .bare(Succeeds),
        act("reads a file outside through its data's parent")
            .run(&["read", "{data}/../outside/decoy"])
            .claimed_by([Mounts.by("ENOENT"), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("reads a file outside through /proc/self/root")
            .run(&["read", "/proc/self/root{outside}/decoy"])
            .claimed_by([Mounts.by("ENOENT"), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("reads a file outside through /proc/self/cwd")
            .run(&["read", "/proc/self/cwd{outside}/decoy"])
            .claimed_by([Mounts.by("ENOENT"), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("takes a handle of a file, which no mount tree confines")
            .run(&["handle-of", "{data}/file"])
            .claimed_by([Seccomp.by("EPERM")])
            .bare(Succeeds),
        act("opens a file by its handle")
            .run(&["open-handle"])
            .claimed_by([Seccomp.by("EPERM")])
            .seen_as("open_by_handle_at")
            .bare_root(Reaches(&["EINVAL", "EBADF"])),
    ]
}

fn proc_and_sys() -> Vec<Act> {
    let first = |sentence, what| {
        act(sentence)
            .run(&[what, "1"])
            .claimed_by([UserNamespace.by("EACCES").or("EPERM").or("ENOENT")])
            .bare_root(Succeeds)
    };
    let knob = "/sys/kernel/mm/transparent_hugepage/enabled";
    vec![
        first("reads the first process's root", "root"),
        first("reads the first process's environment", "environ"),
        first("reads the first process's memory", "mem"),
        first("lists the first process's descriptors", "fds"),
        act("writes /proc/sys/kernel/hostname")
            .run(&["open-write", "/proc/sys/kernel/hostname"])
            .claimed_by([UserNamespace.by("EACCES").or("EROFS").or("ENOENT")])
            .bare_root(Succeeds),
        act("asks to be killed last")
            .run(&["oom-score", "self"])
            .claimed_by([Mounts.by("EROFS"), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("lists a folder of /sys")
            .run(&["list-dir", "/sys/kernel"])
            .claimed_by([Mounts.by("ENOENT"), Landlock.by("EACCES")])
            .bare(Succeeds),
        act("writes under /sys")
            .run(&["open-write", knob])
            .claimed_by([UserNamespace.by("EACCES"), Mounts.by("ENOENT")])
            .bare_root(SucceedsOr(&["EROFS"]))
            .needs(needs::file("/sys", Path::new(knob))),
    ]
}

fn devices() -> Vec<Act> {
    let device = root_device();
    let has_device = needs::condition("a device of root's", device.is_some(), "none in /dev");
    vec![
        act("writes the kernel's log")
            .run(&["open-write", "/dev/kmsg"])
            .claimed_by([UserNamespace.by("EACCES").or("EPERM"), Mounts.by("ENOENT")])
            .bare_root(Succeeds)
            .needs(needs::file("/dev/kmsg", Path::new("/dev/kmsg"))),
        act("opens a device of the host's")
            .run(&["open-read", "{device}"])
            .claimed_by([UserNamespace.by("EACCES"), Mounts.by("ENOENT")])
            .bare_root(Succeeds)
            .needs(has_device),
        act("opens a device node that lies in its data")
            .run(&["open-write", "{data}/device"])
            .claimed_by([Mounts.by("EACCES")])
            // Landlock has no right for it, and nodev is a mount's. Only root puts such a node there.
            .open_in_bare(Open::Noted("a device node that lies in what it writes"))
            .bare(Succeeds)
            .needs(needs::root()),
        act("makes a device node")
            .run(&["mknod", "{data}/new-device"])
            .claimed_by([UserNamespace.by("EPERM"), Landlock.by("EACCES")])
            .bare_root(Succeeds),
    ]
}

fn read_only() -> Vec<Act> {
    let both = || [Mounts.by("EROFS"), Landlock.by("EACCES")];
    let mounts = || [Mounts.by("EROFS")];
    let filtered = || [Mounts.by("EROFS"), Seccomp.by("EPERM")];
    vec![
        act("writes a file of its own that is read-only in the jail")
            .run(&["write", "{readonly}/file"])
            .claimed_by(both())
            .bare(Succeeds),
        act("makes a file in a read-only folder")
            .run(&["create", "{readonly}/new"])
            .claimed_by(both())
            .bare(Succeeds),
        act("truncates a read-only file")
            .run(&["truncate", "{readonly}/file"])
            .claimed_by([
                Mounts.by("EROFS"),
                Landlock.by("EACCES"),
                Seccomp.by("EPERM"),
            ])
            .bare(Succeeds),
        act("removes a read-only file")
            .run(&["unlink", "{readonly}/file"])
            .claimed_by(both())
            .bare(Succeeds),
        act("changes the mode of a read-only file")
            .run(&["chmod", "{readonly}/file"])
            .claimed_by(filtered())
            .bare(Succeeds),
        act("changes the mode of a read-only file by its descriptor")
            .run(&["fchmod", "{readonly}/file"])
            .claimed_by(mounts())
            .in_bare(["EACCES"])
            .bare(Succeeds),
        act("gives a read-only file to its group by its descriptor")
            .run(&["fchown", "{readonly}/file"])
            .claimed_by(mounts())
            .in_bare(["EACCES"])
            .bare(Succeeds),
        act("changes the times of a read-only file")
            .run(&["utimes", "{readonly}/file"])
            .claimed_by(mounts())
            .in_bare(["EACCES"])
            .bare(Succeeds),
        act("changes the times of a read-only file by its descriptor")
            .run(&["futimens", "{readonly}/file"])
            .claimed_by(mounts())
            .in_bare(["EACCES"])
            .bare(Succeeds),
        act("sets an attribute of a read-only file")
            .run(&["setxattr", "{readonly}/file"])
            .claimed_by(filtered())
            .bare(Succeeds),
        act("gives a file away to root")
            .run(&["chown", "{data}/file", "0"])
            .claimed_by([UserNamespace.by("EINVAL").or("EPERM")])
            .bare_root(Succeeds),
    ]
}
