//! What someone outside sees of a running jail.

use crate::kit::procs::{self, NAMESPACES, Proc};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{SOON, Stage};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// The jailed program has no privilege that /proc knows of.
pub fn the_program_has_no_privilege(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let live = stage.ready(&[], &["ends-on", "15", "0"])?;
    let program = live.jail.program()?;
    powerless(&program)?;
    let uids = procs::status(program.pid).remove("Uid").unwrap_or_default();
    ensure(!uids.split_whitespace().any(|u| u == "0"), || {
        format!("Uid {uids}")
    })
}

/// Supervisor and init, too, have dropped to nothing, and their memory is closed to their own uid.
pub fn every_other_process_has_none_either(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let live = stage.ready(&[], &["ends-on", "15", "0"])?;
    let program = live.jail.program()?;
    for process in live.jail.tree().iter().filter(|p| p.pid != program.pid) {
        powerless(process)?;
        let path = format!("/proc/{}/environ", process.pid);
        let mut cat = who.command(Path::new("/bin/cat"));
        // The uid that the process itself has: for a root start that is not the starter's.
        if crate::common::needs::is_root() {
            use std::os::unix::process::CommandExt;
            let uids = procs::status(process.pid).remove("Uid").unwrap_or_default();
            let uid: u32 = uids
                .split_whitespace()
                .next()
                .and_then(|u| u.parse().ok())
                .unwrap_or(0);
            ensure(uid != 0, || format!("{process:?} has uid 0"))?;
            cat.uid(uid).gid(uid);
        }
        let read = cat
            .arg(&path)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status();
        ensure(read.is_ok_and(|s| !s.success()), || {
            format!("{process:?} is dumpable: {path} can be read")
        })?;
    }
    Ok(())
}

fn powerless(process: &Proc) -> Check {
    let status = procs::status(process.pid);
    let line = |name: &str| status.get(name).map_or("", String::as_str);
    for caps in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        ensure(line(caps) == "0000000000000000", || {
            format!("{process:?}: {caps} {}", line(caps))
        })?;
    }
    for (name, want) in [("NoNewPrivs", "1"), ("Seccomp", "2")] {
        ensure(line(name) == want, || {
            format!("{process:?}: {name} {}", line(name))
        })?;
    }
    Ok(())
}

/// Six namespaces of its own.
pub fn six_namespaces_differ(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let live = stage.ready(&[], &["ends-on", "15", "0"])?;
    let program = live.jail.program()?;
    for kind in NAMESPACES {
        let (ours, theirs) = (
            procs::namespace(0, kind),
            procs::namespace(program.pid, kind),
        );
        let ours = ours.or_else(|_| procs::namespace(std::process::id().cast_signed(), kind))?;
        let theirs = theirs?;
        ensure(ours != theirs, || format!("{kind} is shared: {ours}"))?;
    }
    Ok(())
}

/// The pid namespace holds init and the program.
pub fn exactly_init_and_the_program_are_inside(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let live = stage.ready(&[], &["ends-on", "15", "0"])?;
    let program = live.jail.program()?;
    let inner = |p: &Proc| {
        let pids = procs::status(p.pid).remove("NSpid").unwrap_or_default();
        pids.split_whitespace().nth(1).map(str::to_owned)
    };
    let inside: Vec<(i32, String)> = live
        .jail
        .tree()
        .iter()
        .filter_map(|p| Some((p.pid, inner(p)?)))
        .collect();
    let pids: Vec<i32> = inside.iter().map(|(pid, _)| *pid).collect();
    let right = pids == [program.ppid, program.pid] && inside[0].1 == "1";
    ensure(right, || {
        format!("inside: {inside:?}, the program is {program:?}")
    })
}

/// Ended by itself or by SIGTERM: no process of it lives on.
pub fn nothing_is_left_after_the_exit(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let mut live = stage.ready(&[], &["ends-on", "15", "7"])?;
    live.jail.program()?;
    let tree = live.jail.tree();
    live.jail.signal(Signal::SIGTERM);
    let ended = live.jail.end(SOON)?;
    ensure(ended.code == 7, || format!("{ended:?}"))?;
    let left = procs::survivors(&tree, Duration::from_secs(1));
    ensure(left.is_empty(), || format!("{left:?}"))
}

/// Twenty at the same time, each with its own exit code.
pub fn twenty_jails_run_at_once(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let start = |n: usize| {
        stage.live(
            &format!("jail{n}"),
            stage.command(&[], &["ends-on", "15", &n.to_string()]),
        )
    };
    let mut lives: Vec<_> = (0..20).map(start).collect();
    for live in &mut lives {
        live.expect("ready\n")?;
    }
    let tree: Vec<Proc> = lives.iter().flat_map(|l| l.jail.tree()).collect();
    ensure(tree.len() == 60, || {
        format!("{} processes for 20 jails: {tree:?}", tree.len())
    })?;
    lives.iter().for_each(|l| l.jail.signal(Signal::SIGTERM));
    for (n, live) in lives.iter_mut().enumerate() {
        let ended = live.jail.end(SOON)?;
        ensure(usize::try_from(ended.code) == Ok(n), || {
            format!("jail {n}: {ended:?}")
        })?;
    }
    let left = procs::survivors(&tree, Duration::from_secs(1));
    ensure(left.is_empty(), || format!("{left:?}"))
}
