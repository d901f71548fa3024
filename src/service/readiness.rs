//! When a program counts as ready, and as well; what the manager is told of it. The clock is the caller's.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::Manager;
use crate::plan::Readiness;

/// How a program does under its manager.
pub struct Service {
    manager: Manager,
    readiness: Readiness,
    started: Instant,
    state: State,
    /// Whether an answer is awaited.
    asked: bool,
    /// When it is asked next.
    next: Instant,
    /// When the manager is asked for patience next.
    extend: Instant,
    /// What it must hear, and had no room for.
    owed: Option<&'static str>,
    /// The last line that was said, and when.
    status: (String, Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Ready,
    Unwell,
    Stopping,
}

/// What came of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing that anybody need know.
    Nothing,
    /// It is ready, for the first time, after so long.
    Ready(Duration),
    /// It was well, and does not answer any more.
    Unwell(Duration),
    /// It answers again.
    Well(Duration),
}

/// Between two questions while it starts.
const BETWEEN: Duration = Duration::from_millis(250);
/// How much patience is asked for at a time, and how often.
const EXTENSION: Duration = Duration::from_secs(60);
const EXTEND_EVERY: Duration = Duration::from_secs(15);
/// The status line is renewed no more often than this.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// How many characters of it are said: a manager drops what is longer than a page.
const MAX_STATUS: usize = 1000;

impl Service {
    /// A program that is about to start.
    pub fn new(manager: Manager, readiness: Readiness, now: Instant) -> Service {
        Service {
            manager,
            readiness,
            started: now,
            state: State::Starting,
            asked: false,
            next: now,
            extend: now,
            owed: None,
            status: (String::new(), now),
        }
    }

    /// The program runs. One that nobody asks counts as ready.
    pub fn started(&mut self, now: Instant) -> Wish {
        self.started = now;
        if self.readiness.is_asked() {
            let what = self.readiness.to_string();
            self.say_status(&format!("starting: waits for {what}"), now);
            return Wish::Nothing;
        }
        self.become_ready(now)
    }

    /// How long nothing is to be done.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        let again = self.owed.map(|_| BETWEEN);
        if self.state == State::Stopping {
            return again;
        }
        let extend = (self.state == State::Starting && !self.is_late(now)).then_some(self.extend);
        let asks = !self.asked && self.asks();
        let next = extend.into_iter().chain(asks.then_some(self.next)).min();
        let next = next.map(|next| next.saturating_duration_since(now));
        next.into_iter().chain(again).min()
    }

    /// Asks the manager for patience where that is due; says whether the program is to be asked now.
    pub fn tick(&mut self, now: Instant) -> bool {
        if let Some(lines) = self.owed {
            self.insist(lines);
        }
        if self.state == State::Stopping {
            return false;
        }
        if self.state == State::Starting && now >= self.extend && !self.is_late(now) {
            let patience = EXTENSION.as_micros();
            let said = self.manager.say(&format!("EXTEND_TIMEOUT_USEC={patience}"));
            self.extend = now + if said { EXTEND_EVERY } else { BETWEEN };
        }
        let due = self.asks() && !self.asked && now >= self.next;
        if due && !self.readiness.is_asked() {
            // The watchdog of a program that nobody asks watches flowjail itself.
            self.answered(true, now);
            return false;
        }
        self.asked |= due;
        due
    }

    /// The program has answered well, or not.
    pub fn answered(&mut self, well: bool, now: Instant) -> Wish {
        self.asked = false;
        let between = match (self.state, self.manager.watchdog) {
            (State::Starting, _) | (_, None) => BETWEEN,
            (_, Some(watchdog)) => watchdog / 3,
        };
        self.next = now + between;
        match (self.state, well) {
            (State::Starting, true) => return self.become_ready(now),
            (State::Ready | State::Unwell, true) => _ = self.manager.say("WATCHDOG=1"),
            _ => {}
        }
        let since = now.saturating_duration_since(self.started);
        match (self.state, well) {
            (State::Ready, false) => {
                self.state = State::Unwell;
                let what = self.readiness.to_string();
                self.say_status(&format!("does not answer: {what}"), now);
                Wish::Unwell(since)
            }
            (State::Unwell, true) => {
                self.state = State::Ready;
                Wish::Well(since)
            }
            _ => Wish::Nothing,
        }
    }

    fn become_ready(&mut self, now: Instant) -> Wish {
        self.state = State::Ready;
        // Its status line is due at once.
        self.status.0.clear();
        self.insist("READY=1");
        self.next = now
            + self
                .manager
                .watchdog
                .map_or(BETWEEN, |watchdog| watchdog / 3);
        Wish::Ready(now.saturating_duration_since(self.started))
    }

    /// The program has been told to end.
    pub fn stopping(&mut self) {
        if self.state != State::Stopping {
            self.state = State::Stopping;
            self.insist("STOPPING=1\nSTATUS=stopping");
        }
    }

    /// Renews the status line of a program that is ready, where it has changed.
    pub fn show(&mut self, status: impl FnOnce() -> String, now: Instant) {
        let due = now.saturating_duration_since(self.status.1) >= STATUS_EVERY;
        if self.state != State::Ready || !(due || self.status.0.is_empty()) {
            return;
        }
        let text = status();
        if text != self.status.0 {
            self.say_status(&text, now);
        }
        self.status.1 = now;
    }

    fn say_status(&mut self, text: &str, now: Instant) {
        let line = text.chars().filter(|c| !c.is_control());
        let line: String = line.take(MAX_STATUS).collect();
        let said = self.manager.say(&format!("STATUS={line}"));
        self.status = (if said { text.to_owned() } else { String::new() }, now);
    }

    /// Says what must not be lost: where the manager is behind, again and again.
    fn insist(&mut self, lines: &'static str) {
        self.owed = (!self.manager.say(lines)).then_some(lines);
    }

    /// Until it is ready, and after that for the watchdog.
    fn asks(&self) -> bool {
        match self.state {
            State::Starting => self.readiness.is_asked(),
            State::Stopping => false,
            _ => self.manager.watchdog.is_some(),
        }
    }

    fn is_late(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.started) >= self.readiness.limit
    }
}

#[cfg(test)]
mod tests {
    use super::{Service, Wish};
    use crate::plan::Readiness;
    use crate::profile::Probe;
    use crate::service::Manager;
    use std::os::unix::net::UnixDatagram;
    use std::time::{Duration, Instant};

    const SECOND: Duration = Duration::from_secs(1);

    /// A service whose start may take ten seconds, and the manager's end of its socket.
    fn service(probe: Probe, watchdog: Option<Duration>, now: Instant) -> (Service, UnixDatagram) {
        let (own, manager) = UnixDatagram::pair().unwrap();
        manager.set_nonblocking(true).unwrap();
        let readiness = Readiness {
            probe,
            limit: 10 * SECOND,
        };
        let mut service = Service::new(Manager::over(own, watchdog), readiness, now);
        service.started(now);
        (service, manager)
    }

    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let mut room = [0u8; 512];
        let mut next = || {
            manager
                .recv(&mut room)
                .ok()
                .map(|length| String::from_utf8_lossy(&room[..length]).into_owned())
        };
        std::iter::from_fn(&mut next).collect()
    }

    #[test]
    fn patience_is_asked_for_until_the_start_has_taken_too_long() {
        let now = Instant::now();
        let (mut service, manager) = service(Probe::Tcp, None, now);
        let mut asked = 0;
        for second in 0..60 {
            if service.tick(now + second * SECOND) {
                service.answered(false, now + second * SECOND);
            }
            let extended = |line: &&String| line.starts_with("EXTEND_TIMEOUT_USEC=");
            asked += heard(&manager).iter().filter(extended).count();
        }
        assert_eq!(asked, 1, "after ten seconds no more");
        assert!(service.tick(now + 61 * SECOND), "it is asked all the same");
        let wish = service.answered(true, now + 61 * SECOND);
        assert_eq!(wish, Wish::Ready(61 * SECOND));
        assert_eq!(heard(&manager), ["READY=1"]);
    }

    #[test]
    fn a_question_is_put_once_until_it_is_answered() {
        let now = Instant::now();
        let (mut service, _manager) = service(Probe::Tcp, Some(3 * SECOND), now);
        assert!(service.tick(now));
        assert!(!service.tick(now + SECOND));
        service.answered(true, now + SECOND);
        assert!(
            !service.tick(now + SECOND),
            "a third of the watchdog between two"
        );
        assert!(service.tick(now + 2 * SECOND));
    }

    #[test]
    fn the_watchdog_is_fed_by_good_answers_alone() {
        let now = Instant::now();
        let (mut service, manager) = service(Probe::Tcp, Some(3 * SECOND), now);
        service.tick(now);
        service.answered(true, now);
        heard(&manager);
        assert_eq!(service.answered(false, now), Wish::Unwell(Duration::ZERO));
        assert_eq!(service.answered(false, now), Wish::Nothing);
        assert!(!heard(&manager).iter().any(|line| line == "WATCHDOG=1"));
        assert_eq!(service.answered(true, now), Wish::Well(Duration::ZERO));
        assert!(heard(&manager).iter().any(|line| line == "WATCHDOG=1"));
    }

    #[test]
    fn what_a_manager_that_is_behind_must_hear_is_said_again() {
        let now = Instant::now();
        let (mut service, manager) = service(Probe::Tcp, None, now);
        assert!((0..10_000).any(|_| !service.manager.say("X=1")));
        assert!(service.tick(now));
        assert!(matches!(service.answered(true, now), Wish::Ready(_)));
        service.show(|| "ready; serves".into(), now);
        assert!(service.time_left(now).is_some(), "it comes back to it");
        let first = heard(&manager);
        assert!(!first.contains(&"READY=1".into()), "{first:?}");
        service.tick(now);
        service.show(|| "ready; serves".into(), now);
        assert_eq!(heard(&manager), ["READY=1", "STATUS=ready; serves"]);
        assert_eq!(service.time_left(now), None, "once");
        assert!((0..10_000).any(|_| !service.manager.say("X=1")));
        service.stopping();
        assert!(service.time_left(now).is_some());
        heard(&manager);
        service.tick(now);
        assert_eq!(heard(&manager), ["STOPPING=1\nSTATUS=stopping"]);
        assert_eq!(service.time_left(now), None);
    }

    /// It will never have room, and is not waited for.
    #[test]
    fn a_manager_that_is_gone_is_told_once() {
        let now = Instant::now();
        let (mut service, manager) = service(Probe::Tcp, None, now);
        service.tick(now);
        drop(manager);
        service.answered(true, now);
        assert_eq!(service.time_left(now), None);
    }

    #[test]
    fn the_end_is_said_once_and_nothing_after_it() {
        let now = Instant::now();
        let (mut service, manager) = service(Probe::None, Some(3 * SECOND), now);
        assert_eq!(heard(&manager), ["READY=1"]);
        service.stopping();
        service.stopping();
        assert!(!service.tick(now + 9 * SECOND));
        assert_eq!(service.time_left(now), None);
        assert_eq!(heard(&manager), ["STOPPING=1\nSTATUS=stopping"]);
    }
}
