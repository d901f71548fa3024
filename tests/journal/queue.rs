//! A journal that does not take what it gets.

use crate::Kind;
use crate::daemon::{Daemon, Place};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::SOON;
use std::io::Write;
use std::process::Stdio;

/// How many programs the jail tries to start; fewer than may be told of in a second.
const MANY: &str = "40";

/// Nobody reads: the queue is full after some records, the program goes on, and what is missing is counted.
pub fn a_deaf_journal_holds_nobody_up(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::new())?;
    // After the many it waits for a byte.
    let verb = ["exec-many", MANY, "-1", "/the/last"];
    let mut command = place.command(&["--events", "journal"], &verb);
    command.stdin(Stdio::piped());
    let mut live = place.stage.live("deaf", command);
    live.expect("ready\n")?;
    let before = place.daemon.records();
    let mut stdin = live.jail.child.stdin.take().ok_or("stdin")?;
    stdin.write_all(b"x").map_err(|error| error.to_string())?;
    let after = place.daemon.until("exit")?;
    let ended = live.jail.end(SOON)?;
    let exit = after.last().ok_or("no exit")?;
    let dropped: u64 = exit
        .text("FLOWJAIL_DROPPED")
        .parse()
        .map_err(|_| format!("{exit:?}"))?;
    let last = after
        .iter()
        .any(|one| one.text("FLOWJAIL_PATH") == "/the/last");
    ensure(
        ended.code == 0 && before.len() < 40 && last && dropped > 0,
        || {
            format!(
                "{} before, {dropped} dropped: {after:?} {ended:?}",
                before.len()
            )
        },
    )?;
    // The twins: a reader who is not fast enough misses some, and hears at the end how many; few are all taken.
    for (many, wanted) in [(MANY, 43), ("5", 8)] {
        let verb = ["exec-many", many, "0", "/the/last"];
        let command = place.command(&["--events", "journal"], &verb);
        let mut live = place.stage.live("heard", command);
        let all = place.daemon.until("exit")?;
        live.jail.end(SOON)?;
        let exit = all.last().ok_or("no exit")?;
        let dropped: usize = exit.text("FLOWJAIL_DROPPED").parse().unwrap_or(99);
        let right = all.len() + dropped == wanted && (many == MANY || dropped == 0);
        ensure(right, || {
            format!("{} records, {dropped} dropped: {all:?}", all.len())
        })?;
    }
    Ok(())
}

/// It ends while the jail runs, which goes on to its own end.
pub fn a_dead_journal_holds_nobody_up(kind: Kind, who: Who) -> Check {
    let mut place = Place::new(kind, who, Daemon::new())?;
    let mut command = place.command(&["--events", "journal"], &["denied-after-byte"]);
    command.stdin(Stdio::piped());
    let mut live = place.stage.live("dead", command);
    let mut stdin = live.jail.child.stdin.take().ok_or("stdin")?;
    live.expect("ready\n")?;
    let start = place.daemon.records();
    place.daemon.die();
    stdin.write_all(b"x").map_err(|error| error.to_string())?;
    live.expect("answered\n")?;
    let ended = live.jail.end(SOON)?;
    let right = start.iter().map(|record| record.event()).eq(["start"]);
    ensure(ended.code == 0 && right, || format!("{start:?} {ended:?}"))
}
