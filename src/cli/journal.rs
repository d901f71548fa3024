//! Whether stderr is the journal, and the way to it.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::stat::fstat;

use super::run::Stopped;
use super::terminal::{fail, say};
use crate::events::{Journal, Output};

/// Where the journal takes records. No variable says another: whoever could set one could take the records away.
const SOCKET: &str = "/run/systemd/journal/socket";

/// The journal, for `--events journal`.
pub fn asked_for(jail: &str) -> Result<Output, Stopped> {
    let connected = Journal::connect(Path::new(SOCKET), jail);
    connected.map(Output::Journal).map_err(|error| {
        let message = format!("--events journal: {SOCKET}: {error}");
        let hint = "where no journal is, write --events FILE: the same events as JSON lines";
        Stopped(fail(super::FAILED, message, Some(hint)))
    })
}

/// The journal, where stderr is a stream of it. What people read is there, too, so that a jail runs without the records.
pub fn of_stderr(jail: &str) -> Option<Output> {
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    if !is(&stream, std::io::stderr()) {
        return None;
    }
    match Journal::connect(Path::new(SOCKET), jail) {
        Ok(journal) => Some(Output::Journal(journal)),
        Err(error) => {
            say(format_args!(
                "flowjail: WARNING: stderr is the journal, and no events are recorded: {SOCKET}: {error}\n"
            ));
            None
        }
    }
}

/// Whether a descriptor is the stream whose device and inode the service manager has left (systemd.exec(5)). A variable that
/// was inherited names another.
fn is(stream: &str, descriptor: impl AsFd) -> bool {
    let named = stream.split_once(':').and_then(|(device, inode)| {
        let device: u64 = device.parse().ok()?;
        Some((device, inode.parse::<u64>().ok()?))
    });
    fstat(descriptor).is_ok_and(|fact| named == Some((fact.st_dev, fact.st_ino)))
}
