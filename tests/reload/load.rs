//! Many reloads, one after the other and at once.

use crate::kit::{Check, ensure};
use crate::memory::Memory;
use crate::running::{How, Running};
use crate::world::{self, PUBLIC};
use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const RELOADS: usize = 200;
/// How many of them are looked at from inside.
const WITH_LOOKS: usize = 60;

/// As many at once as are heard: all come through, and what is in force then is one of them, whole.
pub fn reloads_at_once(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let pair = |one: &str, other: &str| format!("allow = [\"{one}:{port}\", \"{other}:{port}\"]");
    let mut jail = Running::start(how, &pair("a.test", "b.test"))?;
    jail.reaches(1, "a.test", port)?;
    jail.write("")?;
    for _ in 0..5 {
        let mut children = Vec::new();
        for number in 0..6 {
            let (one, other) = match number % 2 {
                0 => ("a.test", "b.test"),
                _ => ("c.test", "d.test"),
            };
            let flags = [format!("{one}:{port}"), format!("{other}:{port}")];
            let flags = ["--allow", &flags[0], "--allow", &flags[1]];
            let mut command = jail.command(&flags);
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            children.push(command.spawn().map_err(|e| e.to_string())?);
        }
        for child in children {
            let output = child.wait_with_output().map_err(|e| e.to_string())?;
            ensure(output.status.success(), || format!("{output:?}"))?;
        }
        let known = |jail: &mut Running, host: &str| jail.address(host).is_ok();
        let all = ["a.test", "b.test", "c.test", "d.test"].map(|host| known(&mut jail, host));
        let whole = all == [true, true, false, false] || all == [false, false, true, true];
        ensure(whole, || format!("half of one: {all:?}"))?;
    }
    jail.puppet.end().map(drop)
}

/// A long download goes on byte by byte while hosts beside it come and go.
pub fn two_hundred_reloads(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let (listener, stays) = world::listener(PUBLIC);
    let lines = |host: &str| format!("allow = [\"a.test:{stays}\", \"{host}:{port}\"]");
    let mut jail = Running::start(how, &lines("b.test"))?;
    jail.puppet
        .want(&format!("connect 1 a.test {stays}"), "ok")?;
    let (far, _) = world::accept(&listener)?;
    let over = Arc::new(AtomicBool::new(false));
    let sender = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || pour(far, &over))
    };
    let [supervisor, gateway, _, _] = jail.puppet.processes()?;
    let descriptors =
        |pid: i32| std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let measure = || -> Result<_, String> {
        Ok((
            [supervisor.pid, gateway.pid].map(descriptors),
            Memory::of(gateway.pid)?.anonymous,
            Memory::of(supervisor.pid)?.anonymous,
        ))
    };
    let mut before = None;
    let mut took = 0;
    for number in 0..RELOADS {
        let (new, old) = match number % 2 {
            0 => ("c.test", "b.test"),
            _ => ("b.test", "c.test"),
        };
        jail.reload(&lines(new), 0)?;
        took += take(&mut jail, took, 4)?;
        if number < WITH_LOOKS {
            jail.knows_nothing_of(old)?;
            jail.reaches(2, new, port)?;
            jail.puppet.want("close 2", "ok")?;
        } else if number == WITH_LOOKS {
            // From here on what the puppet asks for leaves nothing that would be counted.
            before = Some(measure()?);
        }
    }
    let before = before.ok_or("no measure")?;
    let after = measure()?;
    println!(
        "{RELOADS} reloads, {took} bytes beside them: descriptors, memory of gateway and supervisor in kB: {before:?}, then {after:?}"
    );
    let more = |pair: [[usize; 2]; 2], of: usize| pair[1][of] > pair[0][of] + 4;
    let pair = [before.0, after.0];
    let fine = after.1 <= before.1 + 400 && after.2 <= before.2 + 400;
    ensure(fine && !more(pair, 0) && !more(pair, 1), || {
        format!("{before:?} grew to {after:?}")
    })?;
    over.store(true, Ordering::Relaxed);
    while let more @ 1.. = take(&mut jail, took, 64)? {
        took += more;
    }
    let poured = sender.join().map_err(|_| "the sender panicked")?;
    ensure(poured == took, || {
        format!("{poured} bytes were sent, and {took} came")
    })?;
    jail.puppet.end().map(drop)
}

/// A stream in which every byte says where it stands.
fn pour(mut far: TcpStream, over: &AtomicBool) -> u64 {
    let mut sent = 0u64;
    while !over.load(Ordering::Relaxed) {
        let block: Vec<u8> = (sent..sent + 4096).map(byte_at).collect();
        if far.write_all(&block).is_err() {
            break;
        }
        sent += 4096;
    }
    sent
}

fn byte_at(place: u64) -> u8 {
    b'a' + (place % 23) as u8
}

/// Reads some of the stream from a place on, each byte where it has to stand; 0: it has ended.
fn take(jail: &mut Running, from: u64, reads: usize) -> Result<u64, String> {
    let mut took = 0;
    for _ in 0..reads {
        let text = jail.puppet.read(1, 20_000)?;
        if text == "eof" {
            break;
        }
        let place = from + took;
        let fine = text
            .bytes()
            .zip(place..)
            .all(|(byte, at)| byte == byte_at(at));
        ensure(fine, || format!("a wrong byte behind {place}: {text:.80}"))?;
        took += text.len() as u64;
    }
    Ok(took)
}
