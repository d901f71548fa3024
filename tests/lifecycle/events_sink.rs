//! Where events may go, and what an attacker cannot hide in them.

use crate::kit::jail::{Ended, events, is};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{SOON, Stage};
use serde_json::Value;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A file that the jail could write would be no record: refused before anything runs.
pub fn a_file_below_the_writable_directory_is_refused(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let inside = stage.work("events.jsonl");
    std::fs::create_dir(stage.work("deeper")).map_err(|e| e.to_string())?;
    refused(&stage, &inside.display().to_string(), "the jail writes")?;
    let deeper = stage.work("deeper/../deeper/events.jsonl");
    refused(&stage, &deeper.display().to_string(), "the jail writes")?;
    // By a link to the directory.
    let link = stage.scratch.dir_of(who, "links").join("to-work");
    std::os::unix::fs::symlink(stage.work(""), &link).map_err(|e| e.to_string())?;
    let through = link.join("events.jsonl").display().to_string();
    refused(&stage, &through, "the jail writes")?;
    ensure(!inside.exists(), || "it was made all the same".into())
}

/// The name may be a link that someone else made: not followed.
pub fn a_symbolic_link_is_refused(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let place = stage.scratch.dir_of(who, "events");
    let (target, link) = (place.join("target"), place.join("link"));
    std::os::unix::fs::symlink(&target, &link).map_err(|e| e.to_string())?;
    refused(&stage, &link.display().to_string(), "symbolic")?;
    ensure(!target.exists(), || "the link was followed".into())?;
    // The twin: its target by its own name.
    let flag = target.display().to_string();
    let ended = stage.run(&["--events", &flag], &["exit", "0"])?;
    ensure(ended.code == 0 && !events(&target)?.is_empty(), || {
        format!("{ended:?}")
    })
}

/// Nobody reads it: an error at once, not a start that waits.
pub fn a_fifo_without_a_reader_is_an_error_at_once(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let fifo = stage.scratch.dir_of(who, "events").join("fifo");
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
    nix::unistd::mkfifo(&fifo, mode).map_err(|e| e.to_string())?;
    if let Some(uid) = who.other_uid() {
        std::os::unix::fs::chown(&fifo, Some(uid), Some(uid)).map_err(|e| e.to_string())?;
    }
    let begun = Instant::now();
    refused(&stage, &fifo.display().to_string(), "")?;
    let took = begun.elapsed();
    ensure(took < Duration::from_secs(2), || format!("took {took:?}"))
}

fn refused(stage: &Stage, flag: &str, why: &str) -> Check {
    let mark = stage.work("mark").display().to_string();
    let ended = stage.run(&["--events", flag], &["mark", &mark])?;
    let told = ended.stderr.contains("error: --events") && ended.stderr.contains(why);
    let ran = stage.work("mark").exists();
    ensure(ended.code == 125 && told && !ran, || {
        format!("{flag}: ran {ran}, {ended:?}")
    })
}

const TO_STDOUT: &str = "exec \"$@\" 9>&1 1>/dev/null";

/// `fd:N` of a pipe.
pub fn events_go_to_a_pipe(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let prefix = ["/bin/sh", "-c", TO_STDOUT, "sh"];
    let command = stage.behind(&prefix, &["--events", "fd:9"], &["denied", "1"]);
    let (ended, out) = stage.finish("pipe", command)?;
    whole_stream(&ended, &out)
}

/// `fd:N` of a socket, which cannot be opened again by a path.
pub fn events_go_to_a_socket(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (mut ours, theirs) = UnixStream::pair().map_err(|e| e.to_string())?;
    let prefix = ["/bin/sh", "-c", TO_STDOUT, "sh"];
    let mut command = stage.behind(&prefix, &["--events", "fd:9"], &["denied", "1"]);
    command.stdout(OwnedFd::from(theirs));
    let mut jail = crate::kit::jail::Jail::start(&stage.scratch, "socket", command);
    let ended = jail.end(SOON)?;
    let mut out = String::new();
    // Other tests start programs, too, which may hold a copy for a moment: no waiting for the end of the stream.
    let patience = Some(Duration::from_millis(500));
    ours.set_read_timeout(patience).map_err(|e| e.to_string())?;
    let mut block = [0; 65536];
    while let Ok(length @ 1..) = ours.read(&mut block) {
        out += &String::from_utf8_lossy(&block[..length]);
    }
    whole_stream(&ended, &out)
}

fn whole_stream(ended: &Ended, out: &str) -> Check {
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|e| format!("{line}: {e}")))
        .collect::<Result<_, _>>()?;
    let kinds = ["start", "denied-call", "exit"];
    let right = lines.len() == 3 && lines.iter().zip(kinds).all(|(line, kind)| is(line, kind));
    ensure(ended.code == 0 && right, || format!("{ended:?}: {out}"))
}

/// The lines of refused execs, the last line, and the end.
fn denied_execs(stage: &Stage, verb: &[&str]) -> Result<(Vec<Value>, Value, Ended), String> {
    let place = stage.scratch.dir_of(stage.who, "events");
    let file = place.join("execs.jsonl");
    let ended = stage.run(&["--events", &file.display().to_string()], verb)?;
    let mut lines = events(&file)?;
    let last = lines.last().cloned().ok_or("no event")?;
    lines.retain(|line| is(line, "denied-exec"));
    Ok((lines, last, ended))
}

/// 4 KB of control characters are 24 KB of JSON: the arguments are cut, the path stays.
pub fn long_arguments_do_not_hide_the_path(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (lines, _, ended) = denied_execs(&stage, &["exec-controls", "/bin/sh"])?;
    let named = lines.len() == 1 && lines[0]["path"] == "/bin/sh";
    ensure(named, || format!("{ended:?}: {lines:?}"))
}

/// Three hundred refused starts of nothing fill every kind that is kept apart; the one that matters, a moment
/// later, is a line all the same.
pub fn junk_does_not_hide_a_later_exec(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let verb = ["exec-many", "300", "1100", "/bin/sh"];
    let (lines, _, ended) = denied_execs(&stage, &verb)?;
    let named = lines.iter().any(|line| line["path"] == "/bin/sh");
    ensure(named, || {
        format!("{} lines, none of /bin/sh: {ended:?}", lines.len())
    })
}

/// Without that moment the limit of lines per second may leave it out, and then says that something is missing.
pub fn what_a_burst_leaves_out_is_counted(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let verb = ["exec-many", "300", "0", "/bin/sh"];
    let (lines, exit, ended) = denied_execs(&stage, &verb)?;
    let told = lines.iter().filter_map(|line| line["count"].as_u64());
    let told: u64 = told.sum();
    let dropped = exit["dropped"].as_u64().unwrap_or(0);
    let whole = exit["denied"] == 301 && told + dropped == 301;
    ensure(whole, || format!("{told} told, {exit}: {ended:?}"))
}
