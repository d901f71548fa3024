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
        Sink { file, dropped: 0 }
    }

    /// Writes one event; what cannot be written at once is counted as dropped.
    pub fn write(&mut self, event: &Event) {
        let Some(file) = &mut self.file else { return };
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64());
        let time = (time * 1000.0).round() / 1000.0;
        let written = serde_json::to_vec(&Line { time, event })
            .ok()
            .filter(|line| line.len() < MAX_LINE)
            .is_some_and(|mut line| {
                line.push(b'\n');
                let mut waiting = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
                let ready = poll(&mut waiting, PollTimeout::ZERO).is_ok_and(|count| count > 0);
                ready && file.write_all(&line).is_ok()
            });
        if !written {
            self.dropped += 1;
        }
    }

    /// Counts lines that were not even tried.
    pub fn skip(&mut self, lines: u64) {
        self.dropped += lines;
    }

    /// How many lines are missing.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
