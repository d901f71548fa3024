//! How the jail fares under its limits: what was hit, and what it used.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::events::{Event, Hit, Sink, Usage, advice};
use crate::layers::limits::{Files, text, value};
use crate::plan::CgroupPlan;

/// The files of the jail's cgroup, and what they said last.
pub struct Gauge<'a> {
    files: &'a Files,
    plan: &'a CgroupPlan,
    oom_kills: Counter,
    own_ooms: u64,
    refused: Counter,
    slowed: Counter,
    /// The most memory that was seen in use, for kernels without `memory.peak`.
    seen: u64,
    pressed: bool,
    next: Instant,
    /// Nothing is said any more: somebody has removed the cgroup.
    gone: bool,
}

/// A counter of the kernel's: told at the first, and at every tenfold after that.
#[derive(Default)]
struct Counter {
    now: u64,
    told: u64,
}

/// How often pressure is looked at: the kernel's average is over ten seconds.
const EVERY: Duration = Duration::from_secs(10);

/// Percent of the time in which something waited for memory: too much, and well again.
const PRESSED: f64 = 40.0;
const RELIEVED: f64 = 20.0;

impl<'a> Gauge<'a> {
    /// For a jail that is about to start.
    pub fn new(files: &'a Files, plan: &'a CgroupPlan, now: Instant) -> Gauge<'a> {
        Gauge {
            files,
            plan,
            oom_kills: Counter::default(),
            own_ooms: 0,
            refused: Counter::default(),
            slowed: Counter::default(),
            seen: 0,
            pressed: false,
            next: now + EVERY,
            gone: false,
        }
    }

    /// What polls as urgent (POLLPRI) when a limit was hit: after it was read once.
    pub fn descriptors(&self) -> [Option<BorrowedFd<'a>>; 2] {
        // Of one that is gone it would be urgent for ever.
        let open = |file: &'a Option<OwnedFd>| file.as_ref().filter(|_| !self.gone);
        [&self.files.memory_events, &self.files.pids_events].map(|file| open(file).map(AsFd::as_fd))
    }

    /// How long nothing is to be looked at.
    pub fn time_left(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }

    /// Looks at what was hit, and tells of it.
    pub fn look(&mut self, sink: &mut Sink) {
        let memory = self.files.memory_events.as_ref().and_then(text);
        let pids = self.files.pids_events.as_ref().and_then(text);
        self.gone = memory.is_none() && pids.is_none();
        let number = |text: &Option<String>, key| value(text.as_deref().unwrap_or_default(), key);
        self.own_ooms = number(&memory, "oom").unwrap_or(self.own_ooms);
        let own = self.own_ooms > 0;
        let all = [
            (
                &mut self.oom_kills,
                number(&memory, "oom_kill"),
                Hit::OutOfMemory,
            ),
            (&mut self.slowed, number(&memory, "high"), Hit::SlowedDown),
            (&mut self.refused, number(&pids, "max"), Hit::ForkRefused),
        ];
        for (counter, now, hit) in all {
            counter.now = now.unwrap_or(counter.now);
            if counter.now > 0 && (counter.told == 0 || counter.now >= counter.told * 10) {
                counter.told = counter.now;
                let limited = own || hit != Hit::OutOfMemory;
                sink.write(&event(hit, counter.now, self.plan, limited));
            }
        }
    }

    /// Looks at the pressure, now and then.
    pub fn tick(&mut self, now: Instant, sink: &mut Sink) {
        if now < self.next {
            return;
        }
        self.next = now + EVERY;
        self.seen = self.seen.max(self.current().unwrap_or(0));
        let text = self.files.memory_pressure.as_ref().and_then(text);
        let Some(percent) = text.as_deref().and_then(waited) else {
            return;
        };
        if !self.pressed && percent >= PRESSED {
            self.pressed = true;
            sink.write(&event(Hit::Pressure, percent as u64, self.plan, true));
        } else if self.pressed && percent < RELIEVED {
            self.pressed = false;
        }
    }

    /// Bytes of memory in use.
    pub fn current(&self) -> Option<u64> {
        whole(self.files.memory_current.as_ref()?)
    }

    /// What was used until now.
    pub fn usage(&self) -> Usage {
        let peak = self.files.memory_peak.as_ref().and_then(whole);
        let seen = (self.seen > 0).then_some(self.seen);
        let cpu = self.files.cpu_stat.as_ref().and_then(text);
        let ms = |key| {
            cpu.as_deref()
                .and_then(|text| value(text, key))
                .map_or(0, |us| us / 1000)
        };
        Usage {
            memory_peak: peak.or(seen),
            memory_limit: self.plan.memory,
            pids_limit: self.plan.pids,
            cpu_ms: ms("usage_usec"),
            throttled_ms: ms("throttled_usec"),
            oom_kills: self.oom_kills.now,
            own_ooms: self.own_ooms,
            refused_forks: self.refused.now,
        }
    }
}

/// `limited`: it was a limit of the jail's own.
fn event(hit: Hit, count: u64, plan: &CgroupPlan, limited: bool) -> Event {
    let (limit, allow) = match hit {
        _ if !limited => (None, None),
        Hit::ForkRefused => (plan.pids, plan.pids.map(advice::for_pids)),
        Hit::SlowedDown => {
            let more = |high| advice::for_memory_high(high, plan.memory);
            (plan.memory_high, plan.memory_high.map(more))
        }
        _ => (plan.memory, plan.memory.map(advice::for_memory)),
    };
    Event::Limit {
        hit,
        count,
        limit,
        allow: allow.unwrap_or_default(),
    }
}

fn whole(file: &OwnedFd) -> Option<u64> {
    text(file)?.trim().parse().ok()
}

/// `avg10` of the line `some`, in percent (PSI, Documentation/accounting/psi.rst).
fn waited(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let mut words = line.split(' ');
    words
        .find_map(|word| word.strip_prefix("avg10="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::{EVERY, Gauge, value, waited};
    use crate::events::{Output, Sink};
    use crate::layers::limits::Files;
    use crate::plan::CgroupPlan;
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    /// A file as the kernel would have it, and the descriptor by which the gauge reads it.
    fn file(text: &str) -> (File, Option<OwnedFd>) {
        let mut file = File::from(
            nix::sys::memfd::memfd_create(c"limit", nix::sys::memfd::MFdFlags::empty()).unwrap(),
        );
        let own = file.try_clone().unwrap();
        say(&mut file, text);
        (file, Some(own.into()))
    }

    fn say(file: &mut File, text: &str) {
        file.set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn plan() -> CgroupPlan {
        CgroupPlan {
            place: "/c".into(),
            inside: None,
            controllers: vec!["memory", "pids"],
            writes: Vec::new(),
            memory: Some(64 << 20),
            memory_high: Some(40 << 20),
            pids: Some(20),
        }
    }

    fn sink() -> (File, Sink) {
        let (file, own) = file("");
        let lines = Output::Lines(File::from(own.unwrap()));
        (file, Sink::new(Some(lines)))
    }

    fn written(file: &mut File) -> Vec<serde_json::Value> {
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn what_was_hit_is_told_at_once_and_then_at_every_tenfold() {
        let (mut events, memory_events) = file("oom_kill 0\n");
        let (mut pids, pids_events) = file("max 1\n");
        let files = Files {
            memory_events,
            pids_events,
            ..Files::default()
        };
        let (mut out, mut sink) = sink();
        let plan = plan();
        let mut gauge = Gauge::new(&files, &plan, Instant::now());
        gauge.look(&mut sink);
        for count in [2, 9, 10, 99, 100] {
            say(&mut pids, &format!("max {count}\n"));
            gauge.look(&mut sink);
        }
        say(&mut events, "high 0\noom_kill 3\n");
        gauge.look(&mut sink);
        let told = written(&mut out);
        let told: Vec<_> = told
            .iter()
            .map(|one| (one["hit"].as_str().unwrap(), one["count"].as_u64().unwrap()))
            .collect();
        let refused = [1, 10, 100].map(|count| ("fork-refused", count));
        assert_eq!(told, [&refused[..], &[("out-of-memory", 3)]].concat());
        assert_eq!(gauge.usage().oom_kills, 3);
    }

    #[test]
    fn each_limit_is_told_with_its_own_number_and_line() {
        for (events, limit, allow) in [
            ("high 1\n", 40, "[resources] memory_high = \"64M\""),
            ("oom 1\noom_kill 1\n", 64, "[resources] memory = \"128M\""),
            // Of a limit above it, or of the machine.
            ("oom 0\noom_kill 1\n", 0, ""),
        ] {
            let (_events, memory_events) = file(events);
            let files = Files {
                memory_events,
                ..Files::default()
            };
            let (mut out, mut sink) = sink();
            let plan = plan();
            Gauge::new(&files, &plan, Instant::now()).look(&mut sink);
            let told = written(&mut out);
            let expected = (limit > 0).then_some(limit << 20);
            assert_eq!(told[0]["limit"].as_u64(), expected, "{events}");
            assert_eq!(told[0]["allow"], allow, "{events}");
        }
    }

    #[test]
    fn a_cgroup_that_somebody_has_removed_is_watched_no_more() {
        let (reader, _writer) = nix::unistd::pipe().unwrap();
        // As one that is gone it cannot be read at an offset.
        let files = Files {
            memory_events: Some(reader),
            ..Files::default()
        };
        let plan = plan();
        let mut gauge = Gauge::new(&files, &plan, Instant::now());
        assert!(gauge.descriptors()[0].is_some());
        gauge.look(&mut sink().1);
        assert!(gauge.descriptors()[0].is_none());
    }

    #[test]
    fn pressure_is_told_when_it_comes_and_again_only_after_it_went() {
        let (mut pressure, memory_pressure) = file("some avg10=1.00 avg60=0\n");
        let files = Files {
            memory_pressure,
            ..Files::default()
        };
        let (mut out, mut sink) = sink();
        let plan = plan();
        let mut now = Instant::now();
        let mut gauge = Gauge::new(&files, &plan, now);
        for percent in ["1.00", "41.50", "60.00", "30.00", "50.00", "10.00", "45.00"] {
            say(&mut pressure, &format!("some avg10={percent} avg60=0\n"));
            gauge.tick(now, &mut sink);
            now += EVERY;
            gauge.tick(now, &mut sink);
        }
        let told = written(&mut out);
        let told: Vec<_> = told
            .iter()
            .map(|one| one["count"].as_u64().unwrap())
            .collect();
        assert_eq!(told, [41, 45]);
    }

    #[test]
    fn the_kernel_s_files_are_read_by_their_keys() {
        let events = "low 0\nhigh 3\nmax 12\noom 1\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(value(events, "oom_kill"), Some(2));
        assert_eq!(value(events, "oom"), Some(1));
        assert_eq!(value(events, "kill"), None);
        assert_eq!(value("max x\n", "max"), None);
        let pressure = "some avg10=41.50 avg60=2.00 avg300=0.10 total=9\nfull avg10=1.00 avg60=0 avg300=0 total=1\n";
        assert_eq!(waited(pressure), Some(41.5));
        assert_eq!(waited("full avg10=1.00"), None);
    }
}
