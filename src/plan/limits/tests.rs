//! Limits against hosts that are made up: what is written, what holds, what is missing.

use nix::errno::Errno;

use super::{CgroupPlan, heap, judge};
use crate::host::{Cgroup, Host, LIMIT_FILES, Limits, NoCgroup};
use crate::plan::tests::host;
use crate::plan::{Step, resolve};
use crate::profile::{ByteSize, Io, Overlay, Profile, Reserve, load};

const G: u64 = 1 << 30;

fn profile(change: impl FnOnce(&mut Profile)) -> Profile {
    let mut profile = load("flowise", &Overlay::default()).unwrap();
    profile.resources.memory = Some(ByteSize(2 * G));
    profile.resources.cpus = Some(1.5);
    change(&mut profile);
    profile
}

fn handed_over() -> Host {
    Host {
        cgroup: Ok(Cgroup {
            place: "/sys/fs/cgroup/u".into(),
            controllers: ["cpu", "io", "memory", "pids"].map(str::to_owned).into(),
            files: LIMIT_FILES.into(),
            marked: true,
            inside: None,
            swap: true,
        }),
        ..host()
    }
}

fn written(plan: &CgroupPlan) -> Vec<String> {
    let line = |line: &super::CgroupWrite| format!("{}={}", line.file, line.value);
    plan.writes.iter().map(line).collect()
}

#[test]
fn what_the_profile_asks_for_is_written_in_order() {
    let judged = judge(&profile(|_| ()), &handed_over(), true);
    assert_eq!(judged.missing, Vec::<String>::new());
    let plan = judged.cgroup.unwrap();
    assert_eq!(plan.controllers, ["memory", "cpu", "pids"]);
    let expected = [
        "memory.max=2147483648",
        "memory.swap.max=0",
        "memory.oom.group=1",
        "cpu.max=150000 100000",
        "pids.max=128",
    ];
    assert_eq!(written(&plan), expected);
}

#[test]
fn reservations_weights_and_disks_have_their_files_too() {
    let all = profile(|profile| {
        let resources = &mut profile.resources;
        resources.memory_high = Some(ByteSize(G));
        resources.swap = Some(Some(ByteSize(G)));
        resources.oom_group = Some(false);
        resources.reserve = Reserve {
            memory: Some(ByteSize(G / 2)),
            cpus: Some(0.5),
        };
        resources.io = Io {
            read: Some(ByteSize(1 << 20)),
            write_ops: Some(7),
            ..Io::default()
        };
    });
    let disk = Host {
        disk: Some((8, 16)),
        ..handed_over()
    };
    let written = written(&judge(&all, &disk, true).cgroup.unwrap());
    for line in [
        "memory.low=536870912",
        "memory.high=1073741824",
        "memory.swap.max=1073741824",
        "cpu.weight=50",
        "io.max=8:16 rbps=1048576 wiops=7",
    ] {
        assert!(written.iter().any(|one| one == line), "{line}: {written:?}");
    }
    assert!(!written.iter().any(|line| line.starts_with("memory.oom")));
    let missing = judge(&all, &handed_over(), true).missing;
    assert!(missing[0].starts_with("io: "), "{missing:?}");
}

#[test]
fn what_cannot_be_written_is_missing_with_its_reason_once() {
    for (cgroup, says) in [
        (NoCgroup::NotMounted { v1: true }, "version 1 only"),
        (NoCgroup::ReadOnly("/c".into()), "/c is read-only"),
        (NoCgroup::Denied("/c".into(), Errno::EACCES), "EACCES"),
        (
            NoCgroup::Crowded {
                place: "/c".into(),
                pid: 7,
                name: "sh".into(),
            },
            "another process (sh, pid 7)",
        ),
        (
            NoCgroup::Crowded {
                place: "/c/flowjail-jail".into(),
                pid: 7,
                name: "sh".into(),
            },
            "another jail is in the cgroup /c/flowjail-jail (sh, pid 7)",
        ),
        (
            NoCgroup::Threaded {
                place: "/c".into(),
                kind: "domain threaded".into(),
            },
            "the cgroup /c is of the type `domain threaded`",
        ),
        (
            NoCgroup::NoRoom("/c".into(), Errno::EAGAIN),
            "no cgroup can be made below /c (EAGAIN)",
        ),
    ] {
        let host = Host {
            cgroup: Err(cgroup),
            ..host()
        };
        let judged = judge(&profile(|_| ()), &host, true);
        assert!(judged.cgroup.is_none());
        assert_eq!(judged.missing.len(), 1, "{:?}", judged.missing);
        assert!(judged.missing[0].contains(says), "{:?}", judged.missing);
        assert!(judged.missing[0].contains("memory.max"));
        assert!(!super::hints(&host, &judged.missing[0]).is_empty());
    }
}

#[test]
fn a_controller_that_was_not_handed_on_is_missing_alone() {
    let mut host = handed_over();
    host.cgroup.as_mut().unwrap().controllers.remove("cpu");
    let judged = judge(&profile(|_| ()), &host, true);
    assert_eq!(judged.missing.len(), 1);
    assert!(judged.missing[0].contains("`cpu` is not handed on"));
    assert_eq!(judged.cgroup.unwrap().controllers, ["memory", "pids"]);
}

#[test]
fn a_kernel_that_cannot_limit_swap_must_have_none() {
    let mut host = handed_over();
    let cgroup = host.cgroup.as_mut().unwrap();
    cgroup.files.remove("memory.swap.max");
    let missing = judge(&profile(|_| ()), &host, true).missing;
    assert!(missing[0].contains("memory.swap.max"), "{missing:?}");
    host.cgroup.as_mut().unwrap().swap = false;
    assert!(judge(&profile(|_| ()), &host, true).missing.is_empty());
}

#[test]
fn limits_of_the_surroundings_hold_where_they_are_as_tight() {
    let around = |memory| Host {
        cgroup: Err(NoCgroup::ReadOnly("/c".into())),
        limits: Limits {
            memory: Some(memory),
            cpus: Some(1.0),
            pids: Some(100),
        },
        ..host()
    };
    let held = judge(&profile(|_| ()), &around(G), false);
    assert_eq!(held.missing, Vec::<String>::new());
    assert_eq!(held.held.len(), 3);
    let wide = judge(&profile(|_| ()), &around(8 * G), false);
    assert!(wide.missing[0].contains("above the profile's 2048 MiB"));
}

#[test]
fn nothing_that_is_not_asked_for_counts_as_held() {
    let none = profile(|profile| profile.resources.memory = None);
    let judged = judge(&none, &handed_over(), true);
    let says = "no memory limit is asked for (memory = \"2G\" under [resources])";
    assert_eq!(judged.missing, [says]);
}

#[test]
fn the_heap_follows_the_memory_unless_something_says_otherwise() {
    let host = handed_over();
    let of = |profile: &Profile| heap(profile, &host, judge(profile, &host, true).cgroup.as_ref());
    let plain = profile(|_| ());
    assert_eq!(of(&plain).as_deref(), Some("--max-old-space-size=1536"));
    let own = profile(|profile| profile.resources.heap = Some(Some(ByteSize(G))));
    assert_eq!(of(&own).as_deref(), Some("--max-old-space-size=1024"));
    let off = profile(|profile| profile.resources.heap = Some(None));
    assert_eq!(of(&off), None);
    let unlimited = profile(|profile| profile.resources.memory = None);
    assert_eq!(of(&unlimited), None);
    let mut said = handed_over();
    said.command.argv.push("--max_old_space_size=99".into());
    assert_eq!(heap(&plain, &said, None), None);
}

#[test]
fn a_tighter_limit_around_is_shown_and_is_the_one_that_is_hit() {
    let of = |pids| Host {
        limits: Limits {
            memory: Some(G),
            cpus: Some(1.0 / 3.0),
            pids: Some(pids),
        },
        ..handed_over()
    };
    let judged = judge(&profile(|_| ()), &of(100), true);
    for text in [
        "the tighter surrounding memory limit of 1024 MiB",
        "the tighter surrounding CPU limit of 0.333 CPUs",
        "the tighter surrounding process limit of 100 processes and threads",
    ] {
        assert!(judged.held.iter().any(|held| held == text), "{text}");
    }
    assert_eq!(judged.cgroup.unwrap().pids, None);
    let wide = judge(&profile(|_| ()), &of(200), true);
    let tighter = |held: &&String| held.contains("process limit");
    assert_eq!(wide.held.iter().find(tighter), None);
    assert_eq!(wide.cgroup.unwrap().pids, Some(128));
}

#[test]
fn flowjail_stays_in_a_leaf_that_it_was_put_into() {
    let mut host = handed_over();
    let plan = |host: &Host| resolve(&profile(|_| ()), host, "web").unwrap();
    let moves = |host: &Host| plan(host).steps().contains(&Step::OwnLeaf);
    assert!(moves(&host));
    let leaf = Some("/sys/fs/cgroup/u/supervisor".into());
    host.cgroup.as_mut().unwrap().inside = leaf.clone();
    assert!(!moves(&host));
    assert_eq!(plan(&host).cgroup.unwrap().inside, leaf);
}

#[test]
fn less_than_a_mebibyte_is_no_zero() {
    let small = profile(|profile| profile.resources.memory = Some(ByteSize(4096)));
    let held = judge(&small, &handed_over(), true).held;
    assert!(held.contains(&"memory 4 KiB".into()), "{held:?}");
}

#[test]
fn what_counts_beside_others_in_the_cgroup_alone_is_noted() {
    let noted = |profile: &Profile| {
        let plan = resolve(profile, &handed_over(), "web").unwrap();
        plan.notes.iter().any(|note| note.contains("CPUWeight="))
    };
    assert!(noted(&profile(
        |profile| profile.resources.cpu_weight = Some(50)
    )));
    assert!(!noted(&profile(|_| ())));
}

#[test]
fn a_heap_that_is_set_by_something_else_is_noted() {
    let own = profile(|profile| profile.resources.heap = Some(Some(ByteSize(G))));
    let noted = |host: &Host| {
        let plan = resolve(&own, host, "web").unwrap();
        plan.notes
            .iter()
            .any(|note| note.contains("heap sets nothing"))
    };
    assert!(!noted(&handed_over()));
    let mut said = handed_over();
    said.command.argv.push("--max_old_space_size=99".into());
    assert!(noted(&said));
}
