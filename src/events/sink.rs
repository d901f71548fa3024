//! Where event lines go. A slow or dead reader never holds the supervisor up.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::Event;

/// A file, pipe or socket that takes one JSON object per line.
pub struct Sink {
    file: Option<File>,
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
    /// A sink over an open file, or over nothing.
    pub fn new(file: Option<File>) -> Sink {
        Sink {
            file,
            torn: false,
            dropped: 0,
        }
    }

    /// Writes one event, with long texts cut until the line fits; what cannot be written at once is counted as
    /// dropped.
    pub fn write(&mut self, event: &Event) {
        if self.file.is_none() {
            return;
        }
        let line = line_of(event);
        if !line.is_some_and(|line| self.put(&line)) {
            self.dropped += 1;
        }
    }

    fn put(&mut self, line: &[u8]) -> bool {
        let Some(file) = &mut self.file else {
            return false;
        };
        let mut waiting = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
        if !poll(&mut waiting, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
            return false;
        }
        // After a line that a full disk cut short the next one begins on a line of its own.
        let start: &[u8] = if self.torn { b"\n" } else { b"" };
        let whole = [start, line].concat();
        match file.write(&whole) {
            Ok(length) => {
                self.torn = length < whole.len() && length > 0;
                length == whole.len()
            }
            Err(_) => false,
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

/// An event as a line; arguments are cut to ever shorter ones until it fits.
fn line_of(event: &Event) -> Option<Vec<u8>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = since.map_or(0.0, |since| since.as_secs_f64());
    let time = (time * 1000.0).round() / 1000.0;
    let mut event = event.clone();
    for most in [usize::MAX, 64, 16, 4, 0] {
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
