//! Denied calls: received, decided, recorded, answered.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::time::Instant;

use nix::errno::Errno;

use super::decide::{State, Verdict};
use super::memory;
use crate::events::{Denial, Event, Ledger, Sink};
use crate::plan::Plan;
use crate::sys::notify::{self, Notice, Reply};
use crate::syscalls;

/// The loop's memory.
pub struct Notices {
    state: State,
    /// System calls that the profile allows with some arguments: their denials are told apart by argument.
    by_argument: Vec<u32>,
    /// What was denied.
    pub ledger: Ledger,
}

impl Notices {
    /// For a plan's filter.
    pub fn new(plan: &Plan) -> Notices {
        let filter = plan.filter.as_ref();
        let mediated = filter.is_some_and(|filter| filter.mediated_exec);
        let rules = filter.into_iter().flat_map(|filter| &filter.policy.allow);
        let by_argument = rules
            .filter(|rule| !rule.when.is_empty())
            .map(|rule| rule.number)
            .collect();
        Notices {
            state: State::new(mediated, Instant::now()),
            by_argument,
            ledger: Ledger::default(),
        }
    }

    /// Answers the next waiting call. A caller that died meanwhile is no error; an unknown error denies.
    pub fn answer_next(&mut self, listener: &OwnedFd, sink: &mut Sink) -> Result<(), Errno> {
        let notice = match notify::receive(listener) {
            Ok(notice) => notice,
            Err(Errno::ENOENT | Errno::EINTR | Errno::EAGAIN) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let name = syscalls::name_of(notice.number.cast_unsigned()).unwrap_or("");
        let verdict = self.state.decide(name, notice.args[0], Instant::now());
        let reply = match verdict {
            Verdict::FirstExec | Verdict::WatchChild => Reply::Continue,
            Verdict::RefuseExec => {
                self.record_exec(listener, &notice, name, sink);
                Reply::Errno(libc::EPERM)
            }
            Verdict::RefuseCall => {
                self.record_call(&notice, name, sink);
                Reply::Errno(libc::EPERM)
            }
        };
        match notify::answer(listener, notice.id, reply) {
            Err(Errno::ENOENT) | Ok(()) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn record_exec(&mut self, listener: &OwnedFd, notice: &Notice, name: &str, sink: &mut Sink) {
        let (path_at, argv_at) = if name == "execveat" { (1, 2) } else { (0, 1) };
        let read =
            memory::exec_arguments(notice.thread, notice.args[path_at], notice.args[argv_at]);
        // Only what was read while the call still waited was read of the right process.
        let (path, argv) = match read {
            Ok(read) if notify::still_waits(listener, notice.id) => read,
            Ok(_) => ("(gone)".into(), Vec::new()),
            Err(errno) => (format!("(unreadable: {})", errno.desc()), Vec::new()),
        };
        let allow = format!("[exec] programs = [{path:?}]");
        let event = Event::DeniedExec {
            path: path.clone(),
            argv: argv.clone(),
            pid: notice.thread,
            count: 1,
            allow,
        };
        self.ledger.note(Denial::Exec { path, argv }, event, sink);
    }

    fn record_call(&mut self, notice: &Notice, name: &str, sink: &mut Sink) {
        let syscall = if name.is_empty() {
            notice.number.to_string()
        } else {
            name.to_owned()
        };
        let told_apart = self.by_argument.contains(&notice.number.cast_unsigned());
        let key = if told_apart {
            notice.args[..3]
                .iter()
                .map(|arg| arg & 0xffff_ffff)
                .collect()
        } else {
            Vec::new()
        };
        let allow = match told_apart {
            true => format!(
                "[syscalls] allow = [{{ name = \"{syscall}\", when = \"arg0 == {:#x}\" }}]",
                notice.args[0]
            ),
            false => format!("[syscalls] allow = [\"{syscall}\"]"),
        };
        let event = Event::DeniedCall {
            syscall: syscall.clone(),
            args: notice.args,
            pid: notice.thread,
            count: 1,
            allow,
        };
        self.ledger.note(Denial::Call { syscall, key }, event, sink);
    }
}
