//! Events as records of the journal: one datagram each, by its native protocol
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
//!
//! The journal looks the sender up by its process id: the supervisor sends its records itself.
#![forbid(unsafe_code)]

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, poll};
use serde_json::Value;

use super::{Event, Verdict, phrase};

/// A connection to the journal.
pub struct Journal {
    socket: std::fs::File,
    jail: String,
}

/// syslog(3).
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const INFO: u8 = 6;

impl Journal {
    /// Connects to the journal's socket, for records of this jail. Nothing that is sent waits, but for a moment the last
    /// one, when the jail is over.
    ///
    /// # Errors
    /// NotFound or ConnectionRefused: no journal is there.
    pub fn connect(socket: &Path, jail: &str) -> std::io::Result<Journal> {
        let journal = UnixDatagram::unbound()?;
        journal.connect(socket)?;
        journal.set_nonblocking(true)?;
        // write(2) sends a datagram, too, and is a call that the supervisor has anyway.
        let socket = std::os::fd::OwnedFd::from(journal).into();
        let jail = jail.to_owned();
        Ok(Journal { socket, jail })
    }

    /// Sends one record; whether the journal has taken it at once.
    pub fn send(&mut self, event: &Event) -> bool {
        let record = shortened(event, &self.jail);
        if let Event::Exit { .. } = event {
            // It says how many others are missing, and nobody waits for the supervisor any more.
            let mut waiting = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
            let _ = poll(&mut waiting, LAST_PATIENCE);
        }
        record.is_some_and(|record| {
            let sent = self.socket.write(&record);
            sent.is_ok_and(|length| length == record.len())
        })
    }
}

/// How long the last record of a jail, in milliseconds, waits for room in a journal that is behind.
const LAST_PATIENCE: u8 = 250;

impl AsFd for Journal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The longest record; a datagram of this length fits every send buffer.
const MAX_RECORD: usize = 16_384;

/// A record with its arguments cut to ever shorter ones until it fits.
fn shortened(event: &Event, jail: &str) -> Option<Vec<u8>> {
    let mut event = event.clone();
    for most in super::CUTS {
        event.shorten(most);
        let bytes = record(&event, jail)?;
        if bytes.len() <= MAX_RECORD {
            return Some(bytes);
        }
    }
    None
}

/// MESSAGE and PRIORITY, who says it, and every field of the event that is not empty: text as it is, the rest as JSON.
fn record(event: &Event, jail: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put(&mut out, "MESSAGE", &phrase::event(event));
    put(&mut out, "PRIORITY", &priority(event).to_string());
    put(&mut out, "SYSLOG_IDENTIFIER", "flowjail");
    put(&mut out, "FLOWJAIL_JAIL", jail);
    let Ok(Value::Object(fields)) = serde_json::to_value(event) else {
        return None;
    };
    for (name, value) in &fields {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if !text.is_empty() && name != "jail" {
            let name = format!("FLOWJAIL_{}", name.to_uppercase().replace('-', "_"));
            put(&mut out, &name, &text);
        }
    }
    Some(out)
}

/// A field: in a line of its own, or, where its value has more than one, with its length before it.
fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend(name.bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend((value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend(value.bytes());
    out.push(b'\n');
}

fn priority(event: &Event) -> u8 {
    let of = |verdict: Verdict| match verdict {
        Verdict::Allowed => INFO,
        Verdict::Refused | Verdict::Failed => WARNING,
    };
    match event {
        // flowjail itself could not go on.
        Event::Exit { code: 125, .. } => ERROR,
        Event::Start { .. } | Event::Exit { .. } => INFO,
        Event::Service {
            state: "unwell", ..
        } => WARNING,
        Event::Service { .. } | Event::Reload(_) => INFO,
        Event::DeniedCall { .. } | Event::DeniedExec { .. } | Event::Limit { .. } => WARNING,
        Event::Connection(connection) => of(connection.verdict),
        Event::Query(query) => of(query.verdict),
        Event::Visitor(visitor) => of(visitor.verdict),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_RECORD, record, shortened};
    use crate::events::Event;

    fn exec(argv: &[&str]) -> Event {
        Event::DeniedExec {
            path: "/bin/sh".into(),
            argv: argv.iter().map(|&word| word.into()).collect(),
            pid: 7,
            count: 1,
            allow: String::new(),
        }
    }

    #[test]
    fn a_record_has_a_field_a_line() {
        let bytes = record(&exec(&["/bin/sh", "-c", "id"]), "web").unwrap();
        let expected = "MESSAGE=blocked: start of the program /bin/sh: /bin/sh -c id\nPRIORITY=4\n\
            SYSLOG_IDENTIFIER=flowjail\nFLOWJAIL_JAIL=web\nFLOWJAIL_ARGV=[\"/bin/sh\",\"-c\",\"id\"]\nFLOWJAIL_COUNT=1\n\
            FLOWJAIL_EVENT=denied-exec\nFLOWJAIL_PATH=/bin/sh\nFLOWJAIL_PID=7\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn a_value_of_two_lines_is_one_field() {
        let event = Event::DeniedExec {
            path: "/a\nPRIORITY=0".into(),
            argv: Vec::new(),
            pid: 7,
            count: 1,
            allow: String::new(),
        };
        let bytes = record(&event, "web").unwrap();
        let field = b"FLOWJAIL_PATH\n\x0d\0\0\0\0\0\0\0/a\nPRIORITY=0\n";
        assert!(bytes.windows(field.len()).any(|window| window == field));
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches("\nPRIORITY=").count(), 2);
        assert!(
            text.starts_with(
                "MESSAGE=blocked: start of the program /a\\nPRIORITY=0: \nPRIORITY=4\n"
            )
        );
    }

    #[test]
    fn long_arguments_are_cut_until_it_fits() {
        let long = "\u{1}".repeat(4000);
        let argv = vec![long.as_str(); 32];
        let bytes = shortened(&exec(&argv), "web").unwrap();
        assert!(bytes.len() <= MAX_RECORD);
        assert!(
            String::from_utf8(bytes)
                .unwrap()
                .contains("FLOWJAIL_PATH=/bin/sh\n")
        );
    }
}
