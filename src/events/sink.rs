//! Where event lines go. A slow or dead reader never holds the supervisor up.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::{CUTS, Event, Journal};

/// Where events go.
pub enum Output {
    /// A file, pipe or socket that takes one JSON object per line.
    Lines(File),
    /// The journal.
    Journal(Journal),
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Output::Lines(file) => file.as_fd(),
            Output::Journal(journal) => journal.as_fd(),
        }
    }
}

/// Takes events, and counts those that could not be passed on at once.
pub struct Sink {
    output: Option<Output>,
    torn: bool,
    dropped: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    time: f64,
    #[serde(flatten)]
    event: &'a Event,
}

/// A pipe that polls as writable takes this much at once (PIPE_BUF, pipe(7)).
const MAX_LINE: usize = 4096;

impl Sink {
    /// A sink over an output, or over nothing.
    pub fn new(output: Option<Output>) -> Sink {
        Sink {
            output,
            torn: false,
            dropped: 0,
        }
    }

    /// Writes one event, with long texts cut until the line fits; what cannot be written at once is counted as
    /// dropped.
    pub fn write(&mut self, event: &Event) {
        let taken = match &mut self.output {
            None => return,
            Some(Output::Journal(journal)) => journal.send(event),
            Some(Output::Lines(file)) => {
                let line = line_of(event);
                line.is_some_and(|line| put(file, &line, &mut self.torn))
            }
        };
        if !taken {
            self.dropped += 1;
        }
    }

    /// Counts lines that were not even tried.
    pub fn skip(&mut self, lines: u64) {
        self.dropped = self.dropped.saturating_add(lines);
    }

    /// How many lines are missing.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Writes a line at once or not at all; `torn`: a full disk cut the last one short, so that this one begins on a line of
/// its own.
fn put(file: &mut File, line: &[u8], torn: &mut bool) -> bool {
    let mut waiting = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    if !poll(&mut waiting, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
        return false;
    }
    let start: &[u8] = if *torn { b"\n" } else { b"" };
    let whole = [start, line].concat();
    match file.write(&whole) {
        Ok(length) => {
            *torn = length < whole.len() && length > 0;
            length == whole.len()
        }
        Err(_) => false,
    }
}

/// An event as a line; arguments are cut to ever shorter ones until it fits.
fn line_of(event: &Event) -> Option<Vec<u8>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = since.map_or(0.0, |since| since.as_secs_f64());
    let time = (time * 1000.0).round() / 1000.0;
    let mut event = event.clone();
    for most in CUTS {
        event.shorten(most);
        let mut line = serde_json::to_vec(&Line {
            time,
            event: &event,
        })
        .ok()?;
        line.push(b'\n');
        if line.len() <= MAX_LINE {
            return Some(line);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINE, line_of};
    use crate::events::Event;

    #[test]
    fn a_program_that_makes_its_line_long_is_named_all_the_same() {
        let argv = vec!["\u{1}".repeat(256); 40];
        let path = "/bin/\u{1}".repeat(100);
        let event = Event::DeniedExec {
            path,
            argv,
            pid: 1,
            count: 1,
            allow: "x".repeat(4000),
        };
        let line = line_of(&event).unwrap();
        assert!(line.len() <= MAX_LINE);
        assert!(String::from_utf8(line).unwrap().contains("/bin/"));
    }
}
