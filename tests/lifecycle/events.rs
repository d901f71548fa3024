//! The event stream and the digest.

use crate::kit::jail::{Ended, events, is};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use serde_json::Value;

/// A run with `--events FILE`: its events, its stdout and its end.
fn run(stage: &Stage, verb: &[&str]) -> Result<(Vec<Value>, String, Ended), String> {
    let file = stage
        .scratch
        .dir_of(stage.who, "events")
        .join("events.jsonl");
    let flag = file.display().to_string();
    let (ended, out) = stage.finish("events", stage.command(&["--events", &flag], verb))?;
    Ok((events(&file)?, out, ended))
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| is(e, kind)).collect()
}

/// The stream begins with the promises held and ends with the exit code.
pub fn the_stream_begins_with_the_promises_and_ends_with_the_exit(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (events, _, ended) = run(&stage, &["exit", "9"])?;
    let (first, last) = (
        events.first().ok_or("no event")?,
        events.last().ok_or("no event")?,
    );
    ensure(
        is(first, "start") && first.to_string().contains("privilege"),
        || format!("first: {first}"),
    )?;
    ensure(is(last, "exit") && last["code"] == 9, || {
        format!("last: {last}, {ended:?}")
    })
}

/// A denied call is an event with the call's name, and the program gets EPERM.
pub fn a_denied_call_is_an_event(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (events, out, ended) = run(&stage, &["denied", "1"])?;
    ensure(ended.code == 0 && out == "errno 1\n", || {
        format!("{ended:?}: {out:?}")
    })?;
    let denied = of_kind(&events, "denied-call");
    ensure(
        denied.len() == 1 && denied[0].to_string().contains("keyctl"),
        || format!("{events:?}"),
    )
}

/// A refused exec is an event with path and argv.
pub fn a_denied_exec_is_an_event_with_path_and_argv(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (events, out, ended) = run(&stage, &["exec", "/bin/sh", "-c", "echo owned"])?;
    ensure(ended.code == 0 && out == "errno 1\n", || {
        format!("{ended:?}: {out:?}")
    })?;
    let denied = of_kind(&events, "denied-exec");
    let whole = denied.len() == 1
        && denied[0]["path"] == "/bin/sh"
        && denied[0]["argv"] == serde_json::json!(["/bin/sh", "-c", "echo owned"]);
    ensure(whole, || format!("{events:?}"))
}

/// Two thousand equal denials are a few lines whose counts add up.
pub fn equal_denials_are_counted_not_repeated(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (events, _, _) = run(&stage, &["denied", "2000"])?;
    let lines = of_kind(&events, "denied-call");
    ensure((1..=10).contains(&lines.len()), || {
        format!("{} lines", lines.len())
    })?;
    // Each line has the count so far; the last one has them all.
    let counted = lines.last().map(|e| e["count"].clone());
    let exit = events.last().map(|e| e["denied"].clone());
    let whole = counted == Some(2000.into()) && exit == Some(2000.into());
    ensure(whole, || {
        format!("{counted:?} counted, {exit:?} at the exit: {events:?}")
    })
}

/// The digest says what was blocked and which line of the profile would allow it.
pub fn the_digest_names_the_profile_line(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let (_, _, ended) = run(&stage, &["denied", "3"])?;
    let names = ended.stderr.contains("keyctl") && ended.stderr.contains("allow");
    ensure(names, || format!("{ended:?}"))
}

/// `--events fd:N` writes to a descriptor, which does not reach the program.
pub fn events_go_to_a_descriptor(who: Who) -> Check {
    let stage = Stage::new(who)?;
    let file = stage.scratch.dir_of(who, "events").join("by-fd.jsonl");
    let shell = format!("exec 9>{}; exec \"$@\"", file.display());
    let command = stage.behind(
        &["/bin/sh", "-c", &shell, "sh"],
        &["--events", "fd:9"],
        &["descriptors"],
    );
    let (ended, out) = stage.finish("events-fd", command)?;
    ensure(out == "0\n1\n2\n", || format!("{ended:?}: {out:?}"))?;
    let events = events(&file)?;
    ensure(events.first().is_some_and(|e| is(e, "start")), || {
        format!("{events:?}")
    })
}
