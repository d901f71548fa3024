//! Many sockets, one after the other and at once: flowjail's processes stay small, and what comes afterwards works.

use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::run::{How, Load, Session};
use crate::world::World;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

const ALLOW: [&str; 2] = ["--allow", "third.world.test:7000"];
/// How much flowjail's processes may grow.
const KIB: u64 = 4096;
const DESCRIPTORS: usize = 16;
/// Sockets of a jail that has ended with them are collected by then.
const COLLECTED: Duration = Duration::from_secs(20);

/// An act that pauses before and after the load.
struct Act<'a> {
    words: &'a [&'a str],
    /// What it says by then, and at its end.
    said: [&'static str; 2],
    kib: u64,
    descriptors: usize,
}

const MADE: Act<'static> = Act {
    words: &["made-and-closed", "third.world.test", "7000", "100000"],
    said: ["failed none", "afterwards ok | end"],
    kib: KIB,
    descriptors: 300,
};
const RIGHTS: Act<'static> = Act {
    words: &["rights", "203.0.113.53", "third.world.test"],
    said: [
        "",
        "send ok | code 0 records 1 number right from whom it asked | end",
    ],
    kib: KIB,
    descriptors: DESCRIPTORS,
};

/// 100,000 sockets, one after the other.
pub fn made_and_closed(world: &World, how: How) -> Check {
    loaded(world, how, &MADE)
}

/// More connections within a minute than there are ports to come from.
pub fn one_by_one(world: &World, how: How) -> Check {
    // On the loopback the kernel takes a port again whose connection has ended; the jail's are there, too.
    let (at, host) = match how {
        How::Free => ("127.0.0.1", "127.0.0.1"),
        How::Jailed(_) => ("198.51.100.7", "third.world.test"),
    };
    let port = patient_hosts(at)?;
    let allow = [0, 1, 2, 3].map(|more| format!("third.world.test:{}", port + more));
    let flags: Vec<&str> = allow.iter().flat_map(|one| ["--allow", one]).collect();
    let act = Act {
        words: &["one-by-one", host, &port.to_string(), "30000"],
        said: ["failed none", "afterwards ok | end"],
        kib: 4 * KIB,
        descriptors: 300,
    };
    loaded_with(world, how, &flags, &act)
}

/// Four hosts, since the gateway's ports towards one are as few; the first one's port.
fn patient_hosts(at: &str) -> Result<u16, String> {
    static NEXT: AtomicU16 = AtomicU16::new(22_000);
    let first = NEXT.fetch_add(4, Ordering::Relaxed);
    for port in first..first + 4 {
        let listener = TcpListener::bind((at, port)).map_err(|error| error.to_string())?;
        std::thread::spawn(move || echo_one_by_one(&listener));
    }
    Ok(first)
}

/// Takes connections one after the other, each until it ends.
fn echo_one_by_one(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let mut block = [0; 256];
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        while let Ok(length @ 1..) = stream.read(&mut block) {
            if stream.write_all(&block[..length]).is_err() {
                break;
            }
        }
    }
}

/// Descriptors that are sent to the name server.
pub fn rights(world: &World, how: How) -> Check {
    if how != How::Free {
        return loaded(world, how, &RIGHTS);
    }
    let run = Session::start(world, how, &[], RIGHTS.words)?.finish()?;
    ensure(run.said.starts_with("send ok | code 0"), || {
        format!("{run:#?}")
    })
}

fn loaded(world: &World, how: How, act: &Act) -> Check {
    loaded_with(world, how, &ALLOW, act)
}

fn loaded_with(world: &World, how: How, flags: &[&str], act: &Act) -> Check {
    let mut session = Session::start(world, how, flags, act.words)?;
    session.has_to_pause()?;
    let processes = match how {
        How::Free => None,
        How::Jailed(_) => Some(session.supervisor_and_gateway()?),
    };
    let before = processes.as_ref().map(Load::of);
    session.go_on()?;
    session.has_to_pause()?;
    let said = session.take_words();
    ensure(said == act.said[0], || session.complaint(&said))?;
    if let (Some(processes), Some(before)) = (&processes, &before) {
        Load::of(processes).grew_within(before, act.kib, act.descriptors)?;
    }
    session.go_on()?;
    while session.pauses()? {
        session.go_on()?;
    }
    let said = session.take_words();
    ensure(said == act.said[1], || session.complaint(&said))
}

/// Sockets held at once: there is a limit, beside it everything works, and afterwards they can be had again.
pub fn held(world: &World, how: How, kind: &'static str) -> Check {
    let words = ["held", kind, "third.world.test", "7000", "3000"];
    let mut session = Session::start(world, how, &ALLOW, &words)?;
    session.has_to_pause()?;
    let said = session.take_words();
    ensure(said == "held many limit ok", || session.complaint(&said))?;
    let run = session.finish()?;
    let fine = match kind {
        "stream" => "one of them ok | echo ok | afterwards ok",
        "datagram" => "meanwhile ok | afterwards ok",
        _ => "afterwards ok",
    };
    ensure(run.said == fine, || format!("{run:#?}"))?;
    crate::case::nothing_else_arrived(&run)
}

/// Processes that end in the middle of their threads' calls leave nothing behind in flowjail's.
pub fn deaths(world: &World, how: How) -> Check {
    let words = ["deaths", "third.world.test", "7000", "12"];
    let mut session = Session::start(world, how, &ALLOW, &words)?;
    let start = match how {
        How::Free => None,
        How::Jailed(_) => {
            let processes = session.supervisor_and_gateway()?;
            Some((Load::of(&processes), processes))
        }
    };
    session.has_to_pause()?;
    if let Some((before, processes)) = start {
        let small = || Load::of(&processes).grew_within(&before, 2 * KIB, 300).ok();
        let fine = wait_for(COLLECTED, small).is_some();
        ensure(fine, || {
            format!("{before:?} became {:?}", Load::of(&processes))
        })?;
    }
    let run = session.finish()?;
    ensure(run.said == "made yes afterwards ok", || format!("{run:#?}"))?;
    crate::case::nothing_else_arrived(&run)
}

/// The starts of a test, and its twin.
pub const HOW: [How; 3] = [
    How::Free,
    How::Jailed(Who::Root),
    How::Jailed(Who::Ordinary),
];
