//! Denied calls: received, decided, recorded, answered.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use nix::errno::Errno;

use super::decide::{State, Verdict};
use super::mediate::{Answer, Call, Mediator};
use super::memory;
use super::network::Line;
use super::record::Record;
use super::sockaddr;
use crate::events::advice;
use crate::events::{Denial, Event, Ledger, Sink};
use crate::plan::Plan;
use crate::sys::notify::{self, Notice, Reply};
use crate::sys::proc::Proc;
use crate::syscalls::{self, Rule, Width};

const GONE: &str = "(the caller is gone)";
const UNREADABLE: &str = "(unreadable)";

/// The loop's memory.
pub struct Notices {
    state: State,
    /// Carries out the bare jail's socket calls.
    mediator: Option<Mediator>,
    proc: Rc<Proc>,
    /// The profile's rules that look at arguments: denials of these calls are told apart by them.
    rules: Vec<Rule>,
    /// What was denied.
    pub ledger: Ledger,
}

impl Notices {
    /// For a plan's filter.
    pub fn new(plan: &Plan, proc: Rc<Proc>, line: Option<&mut Line>) -> Notices {
        let filter = plan.filter.as_ref();
        let mediated = filter.is_some_and(|filter| filter.mediated_exec);
        let rules = filter
            .into_iter()
            .flat_map(|filter| filter.policy.allow.iter().chain(&filter.mediated));
        let rules = rules
            .filter(|rule| !rule.when.is_empty())
            .cloned()
            .collect();
        let own_network = plan.network.as_ref().is_some_and(|network| !network.shared);
        let sockets = filter
            .map(|filter| filter.mediated.clone())
            .unwrap_or_default();
        let doors = line.map(Line::take_doors).unwrap_or_default();
        Notices {
            mediator: (!sockets.is_empty()).then(|| Mediator::new(doors, plan.written())),
            proc,
            state: State::new(mediated, own_network, sockets, Instant::now()),
            rules,
            ledger: Ledger::default(),
        }
    }

    /// Where refusals are written.
    pub fn record<'a>(&'a mut self, sink: &'a mut Sink) -> Record<'a> {
        Record {
            ledger: &mut self.ledger,
            sink,
        }
    }

    /// Whether the program may be asked how it does: not before it listens, where its visitors would wait for that.
    pub fn may_be_asked(&self) -> bool {
        self.mediator.as_ref().is_none_or(Mediator::listens)
    }

    /// Answers the next waiting call. A caller that died meanwhile is no error; an unknown error denies.
    pub fn answer_next(
        &mut self,
        listener: &OwnedFd,
        line: Option<&mut Line>,
        sink: &mut Sink,
    ) -> Result<(), Errno> {
        let notice = match notify::receive(listener) {
            Ok(notice) => notice,
            Err(Errno::ENOENT | Errno::EINTR | Errno::EAGAIN) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let name = syscalls::name_of(notice.number.cast_unsigned()).unwrap_or("");
        let verdict = self.state.decide(name, &notice.args, Instant::now());
        let reply = match verdict {
            Verdict::FirstExec | Verdict::WatchChild => Reply::Continue,
            Verdict::RecordConnect => {
                if let Some(line) = line {
                    self.record_connect(listener, &notice, line, sink);
                }
                Reply::Continue
            }
            Verdict::Mediate => match self.mediate(listener, &notice, name, line, sink) {
                Answer::Reply(reply) => reply,
                Answer::Given => return Ok(()),
                Answer::Refuse => {
                    self.record_call(&notice, name, sink);
                    Reply::Errno(libc::EACCES)
                }
            },
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

    fn mediate(
        &mut self,
        listener: &OwnedFd,
        notice: &Notice,
        name: &str,
        line: Option<&mut Line>,
        sink: &mut Sink,
    ) -> Answer {
        let call = Call {
            notice,
            name,
            listener,
            proc: &self.proc,
        };
        match &mut self.mediator {
            Some(mediator) => {
                let ledger = &mut self.ledger;
                mediator.answer(&call, line, &mut Record { ledger, sink })
            }
            None => Answer::Refuse,
        }
    }

    /// Where a connect goes, for the record: the namespace holds it, whatever the caller's other threads make of
    /// the address meanwhile.
    fn record_connect(
        &mut self,
        listener: &OwnedFd,
        notice: &Notice,
        line: &mut Line,
        sink: &mut Sink,
    ) {
        let [_, address, length, ..] = notice.args;
        let mut room = [0; 28];
        let wanted = &mut room[..(length as u32 as usize).min(28)];
        let read = self.proc.read(notice.thread, address, wanted);
        if let Ok(length) = read
            && let Some(to) = sockaddr::internet(&room[..length])
            && notify::still_waits(listener, notice.id)
        {
            line.before_connect(to, &mut self.record(sink));
        }
    }

    fn record_exec(&mut self, listener: &OwnedFd, notice: &Notice, name: &str, sink: &mut Sink) {
        let (path_at, argv_at) = if name == "execveat" { (1, 2) } else { (0, 1) };
        let read = memory::exec_arguments(
            &self.proc,
            notice.thread,
            notice.args[path_at],
            notice.args[argv_at],
        );
        // Only what was read while the call still waited was read of the right process.
        let (path, argv) = match read {
            Ok(read) if notify::still_waits(listener, notice.id) => read,
            Ok(_) => (GONE.into(), Vec::new()),
            Err(Errno::EACCES) => (advice::HIDDEN.into(), Vec::new()),
            Err(_) => (UNREADABLE.into(), Vec::new()),
        };
        let allow = advice::for_exec(&path);
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
        let tested = self.tested_arguments(notice);
        let allow = advice::for_call(&syscall, &tested);
        let event = Event::DeniedCall {
            syscall: syscall.clone(),
            args: notice.args,
            pid: notice.thread,
            count: 1,
            allow,
        };
        self.ledger
            .note(Denial::Call { syscall, tested }, event, sink);
    }

    /// The arguments of a call that rules of the profile look at, as wide as they look.
    fn tested_arguments(&self, notice: &Notice) -> Vec<(u8, u64)> {
        let number = notice.number.cast_unsigned();
        let rules = self.rules.iter().filter(|rule| rule.number == number);
        let conditions = rules.flat_map(|rule| rule.when.iter().flatten());
        let seen = conditions.map(|condition| {
            let value = notice.args[usize::from(condition.arg)];
            match condition.width {
                Width::Int => (condition.arg, value & 0xffff_ffff),
                Width::Long => (condition.arg, value),
            }
        });
        seen.collect::<BTreeMap<_, _>>().into_iter().collect()
    }
}
