//! A run of the actor, with a jail or without: its words, its visitors, and what arrived in the world meanwhile.

use crate::kit::jail::{self, Ended, Jail};
use crate::kit::procs::{self, Proc};
use crate::kit::scratch::{self, Scratch};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::program;
use crate::world::World;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(120);
/// What is on its way has arrived after this.
const SETTLED: Duration = Duration::from_millis(200);
/// Where a marker knocks: nothing in a jail may.
const MARKER: &str = "127.0.0.1:9000";

/// With a jail or without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// The twin, as an ordinary user.
    Free,
    /// In a bare jail.
    Jailed(Who),
}

/// What a run comes to.
#[derive(Debug)]
pub struct Run {
    /// The actor's words, with ` | ` between lines.
    pub said: String,
    /// How the visits went that it asked for, and where.
    pub visits: Vec<String>,
    /// How it ended.
    #[allow(dead_code)] // for the words of a failure
    pub ended: Ended,
    /// The record, where there is one.
    pub events: Vec<Value>,
    /// What arrived at the world's servers, as `server address`, or `dns name`.
    pub arrivals: Vec<String>,
}

/// A profile of a bare jail; `top` has lines before the tables, `rest` tables.
pub fn profile(scratch: &Scratch, top: &str, net: &str, rest: &str) -> PathBuf {
    let programs = scratch::shared(|dir| dir.at(""));
    let text = format!(
        "extends = [\"node\"]\njail = \"bare\"\n{top}\n[files]\nread = [{:?}]\n\
         [net]\nenabled = true\n{net}\n{rest}\n",
        programs.display()
    );
    scratch.file("bare.toml", &text)
}

/// A run that has not ended.
pub struct Session<'w> {
    /// flowjail, or the actor itself.
    pub jail: Jail,
    // Files of this run.
    #[allow(dead_code)] // kept until the run has ended
    scratch: Scratch,
    world: &'w World,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    said: Vec<String>,
    visits: Vec<String>,
    events: Option<PathBuf>,
    before: usize,
    paused: bool,
}

impl<'w> Session<'w> {
    /// Starts `sockets WORDS...`.
    pub fn start(
        world: &'w World,
        how: How,
        flags: &[&str],
        words: &[&str],
    ) -> Result<Self, String> {
        let scratch = Scratch::new();
        let profile = profile(&scratch, "", "", "");
        let actor = program::actor()?.display().to_string();
        let words = [&[actor.as_str()], words].concat();
        let (command, events) = command(&scratch, how, &profile, flags, &words);
        Self::start_command(world, scratch, command, events)
    }

    /// Starts a command that leads to the actor.
    pub fn start_command(
        world: &'w World,
        scratch: Scratch,
        mut command: Command,
        events: Option<PathBuf>,
    ) -> Result<Self, String> {
        let before = world.arrivals()?.len();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut jail = Jail::start(&scratch, "run", command);
        let output = jail.child.stdout.take().ok_or("no stdout")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            input: jail.child.stdin.take(),
            jail,
            scratch,
            world,
            lines,
            said: Vec::new(),
            visits: Vec::new(),
            events,
            before,
            paused: false,
        })
    }

    /// Reads up to the next pause: false where the actor has ended instead.
    pub fn pauses(&mut self) -> Result<bool, String> {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) if line == "pause" => {
                    self.paused = true;
                    return Ok(true);
                }
                Ok(line) => self.hear(line),
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
                Err(RecvTimeoutError::Timeout) => return Err(self.complaint("says no more")),
            }
        }
    }

    /// An error unless a pause comes.
    pub fn has_to_pause(&mut self) -> Check {
        match self.pauses()? {
            true => Ok(()),
            false => Err(self.complaint("ended")),
        }
    }

    /// Whether no word comes within this time.
    pub fn is_silent(&mut self, within: Duration) -> bool {
        match self.lines.recv_timeout(within) {
            Ok(line) => {
                self.hear(line);
                false
            }
            Err(error) => error == RecvTimeoutError::Timeout,
        }
    }

    /// The words up to now, which are forgotten.
    pub fn take_words(&mut self) -> String {
        std::mem::take(&mut self.said).join(" | ")
    }

    /// Lets the actor go on behind a pause.
    pub fn go_on(&mut self) -> Check {
        let input = self.input.as_mut().ok_or("no stdin any more")?;
        self.paused = false;
        writeln!(input).map_err(|error| format!("go on: {error}; {}", self.jail.stderr()))
    }

    fn hear(&mut self, line: String) {
        if let Some(address) = line.strip_prefix("visit ") {
            let how = visit(address);
            self.visits.push(format!("{how} {address}"));
        } else {
            self.said.push(line);
        }
    }

    /// What went wrong, with everything that is known.
    pub fn complaint(&self, what: &str) -> String {
        format!(
            "the actor {what}; said {:?}, visits {:?}, tree {:?}, stderr: {}",
            self.said,
            self.visits,
            self.jail.tree(),
            self.jail.stderr()
        )
    }

    /// Lets it go on to its end.
    pub fn finish(mut self) -> Result<Run, String> {
        while self.paused || self.pauses()? {
            self.go_on()?;
        }
        drop(self.input.take());
        let ended = self.jail.end(LONG)?;
        let arrivals = settled(self.world, self.before)?;
        let events = match &self.events {
            Some(file) => jail::events(file).unwrap_or_default(),
            None => Vec::new(),
        };
        let said = self.take_words();
        let whole = said.ends_with("end") && ended.code == 0;
        let run = Run {
            said: said.trim_end_matches("end").trim_end_matches(" | ").into(),
            visits: self.visits,
            ended,
            events,
            arrivals,
        };
        ensure(whole, || format!("did not come to its end: {run:#?}"))?;
        Ok(run)
    }

    /// The words of the world since the start: for runs that do not end by themselves.
    pub fn arrivals(&self) -> Result<Vec<String>, String> {
        settled(self.world, self.before)
    }

    /// Supervisor and gateway: the processes of flowjail's that are not above the program.
    pub fn supervisor_and_gateway(&self) -> Result<[Proc; 2], String> {
        let program = self.jail.program()?;
        let tree = self.jail.tree();
        let supervisor = tree.first().cloned().ok_or("no supervisor")?;
        let gateway = tree
            .iter()
            .find(|p| p.ppid == supervisor.pid && p.pid != program.pid && p.pid != program.ppid)
            .cloned();
        let gateway = gateway.ok_or_else(|| format!("no gateway in {tree:?}"))?;
        Ok([supervisor, gateway])
    }
}

/// The command of a run, and the file of its events.
pub fn command(
    scratch: &Scratch,
    how: How,
    profile: &std::path::Path,
    flags: &[&str],
    words: &[&str],
) -> (Command, Option<PathBuf>) {
    let How::Jailed(who) = how else {
        let mut command = Who::Ordinary.command(words[0].as_ref());
        command.args(&words[1..]);
        return (command, None);
    };
    let events = scratch.dir_of(who, "events").join("events.jsonl");
    let mut command = jail::flowjail(who, &["run", "--profile"]);
    command.arg(profile).arg("--events").arg(&events);
    command.args(flags).arg("--").args(words);
    (command, Some(events))
}

/// What arrived since, once nothing more is on its way: a marker is the last.
fn settled(world: &World, before: usize) -> Result<Vec<String>, String> {
    std::thread::sleep(SETTLED);
    let words = |error: std::io::Error| format!("the marker: {error}");
    let marker = TcpStream::connect(MARKER).map_err(words)?;
    let own = marker.local_addr().map_err(words)?.to_string();
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let all = world.arrivals()?.split_off(before);
        if all.iter().any(|line| line["peer"] == own.as_str()) {
            let others = all.iter().filter(|line| line["peer"] != own.as_str());
            return Ok(others.map(in_words).collect());
        }
        ensure(Instant::now() < until, || "no marker arrives".to_owned())?;
    }
}

fn in_words(line: &Value) -> String {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    match text("server") {
        "dns" => format!("dns {}", text("name")),
        server => format!("{server} {}", text("local").replace('\0', "@")),
    }
}

/// Says hello and hears it again.
pub fn visit(address: &str) -> &'static str {
    let greet = || -> std::io::Result<bool> {
        let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"hello")?;
        let mut back = [0; 5];
        stream.read_exact(&mut back)?;
        Ok(&back == b"hello")
    };
    match greet() {
        Ok(true) => "reached",
        Ok(false) => "odd",
        Err(_) => "not reached",
    }
}

/// How many descriptors a process has.
pub fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Memory and descriptors of flowjail's two processes.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    kib: [u64; 2],
    descriptors: [usize; 2],
}

impl Load {
    /// Of now.
    pub fn of(processes: &[Proc; 2]) -> Self {
        Self {
            kib: [0, 1].map(|i| procs::rss_kib(processes[i].pid)),
            descriptors: [0, 1].map(|i| descriptors(processes[i].pid)),
        }
    }

    /// An error where memory or descriptors grew by more.
    pub fn grew_within(&self, since: &Load, kib: u64, descriptors: usize) -> Check {
        let fine = (0..2).all(|i| {
            self.kib[i] <= since.kib[i] + kib
                && self.descriptors[i] <= since.descriptors[i] + descriptors
        });
        ensure(fine, || {
            format!("supervisor and gateway: {since:?} became {self:?}")
        })
    }
}
