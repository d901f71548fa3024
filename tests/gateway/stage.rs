//! A jail with a network, and the puppet in it.

use crate::kit::jail::{self, Ended, Jail};
use crate::kit::procs::{self, Proc};
use crate::kit::scratch::{self, Scratch};
use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::world;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(60);

/// A static program where an ordinary user can reach it.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let built = world::compiled(name)?;
    Ok(scratch::shared(|dir| {
        let there = dir.at(name);
        if there.exists() {
            there
        } else {
            dir.program(name, &built)
        }
    }))
}

/// A profile for the puppet, with a network.
pub struct Stage {
    /// The files of this test.
    pub scratch: Scratch,
    /// Who starts flowjail.
    pub who: Who,
    profile: String,
    program: String,
    events: PathBuf,
}

impl Stage {
    /// The shipped `node` with a network; `net` has more lines of `[net]`.
    pub fn new(who: Who, net: &str) -> Result<Self, String> {
        Self::with(who, "", net)
    }

    /// The same with lines before the tables.
    pub fn with(who: Who, top: &str, net: &str) -> Result<Self, String> {
        let scratch = Scratch::new();
        let program = program("puppet")?;
        let text = format!(
            "extends = [\"node\"]\n{top}\n[files]\nread = [{:?}]\n[net]\nenabled = true\n{net}\n",
            program.display()
        );
        let profile = scratch.file("puppet.toml", &text).display().to_string();
        let events = scratch.dir_of(who, "events").join("events.jsonl");
        Ok(Self {
            scratch,
            who,
            profile,
            program: program.display().to_string(),
            events,
        })
    }

    /// Changes the profile's text.
    pub fn edit(&self, change: impl FnOnce(String) -> String) -> Check {
        let words = |e: std::io::Error| format!("{}: {e}", self.profile);
        let text = std::fs::read_to_string(&self.profile).map_err(words)?;
        std::fs::write(&self.profile, change(text)).map_err(words)
    }

    /// `flowjail VERB --profile ... -- puppet`, as words.
    pub fn asking(&self, verb: &str, flags: &[&str]) -> Vec<String> {
        let mut words = vec![verb, "--profile", &self.profile];
        words.extend(flags);
        words.extend(["--", &self.program]);
        words.into_iter().map(str::to_owned).collect()
    }

    /// `flowjail run ... -- puppet`, as words.
    pub fn words(&self, flags: &[&str]) -> Vec<String> {
        let events = self.events.display().to_string();
        let own = ["--events", events.as_str()];
        self.asking("run", &[&own, flags].concat())
    }

    /// The same as a command.
    pub fn command(&self, flags: &[&str]) -> Command {
        let words = self.words(flags);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        jail::flowjail(self.who, &words)
    }

    /// Starts a jail and waits for the puppet.
    pub fn start(&self, flags: &[&str]) -> Result<Puppet, String> {
        self.start_command(self.command(flags))
    }

    /// The same for a command that leads to flowjail.
    pub fn start_command(&self, mut command: Command) -> Result<Puppet, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut jail = Jail::start(&self.scratch, "puppet", command);
        let orders = jail.child.stdin.take().ok_or("no stdin")?;
        let answers = lines(jail.child.stdout.take().ok_or("no stdout")?);
        let puppet = Puppet {
            jail,
            orders: Some(orders),
            answers,
            events: self.events.clone(),
        };
        match puppet.answer()?.as_str() {
            "ready" => Ok(puppet),
            other => Err(format!("not ready, but {other:?}")),
        }
    }

    /// A start that fails: how it ended.
    pub fn refused(&self, flags: &[&str]) -> Result<Ended, String> {
        let mut command = self.command(flags);
        command.stdout(Stdio::null());
        Jail::start(&self.scratch, "refused", command).end(LONG)
    }
}

fn lines(from: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A running jail whose program does what it is told.
pub struct Puppet {
    /// flowjail itself.
    pub jail: Jail,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
    events: PathBuf,
}

impl Puppet {
    /// Gives an order and does not wait.
    pub fn tell(&mut self, order: &str) -> Check {
        let orders = self.orders.as_mut().ok_or("no orders any more")?;
        writeln!(orders, "{order}").map_err(|e| format!("{order}: {e}; {}", self.jail.stderr()))
    }

    /// The answer to an order.
    pub fn answer(&self) -> Result<String, String> {
        let answer = self.answers.recv_timeout(LONG);
        answer.map_err(|e| format!("no answer: {e}; stderr: {}", self.jail.stderr()))
    }

    /// Gives an order: its answer.
    pub fn order(&mut self, order: &str) -> Result<String, String> {
        self.tell(order)?;
        self.answer().map_err(|why| format!("{order}: {why}"))
    }

    /// Gives an order that has to be answered with this.
    pub fn want(&mut self, order: &str, wanted: &str) -> Check {
        let answer = self.order(order)?;
        ensure(answer == wanted, || {
            format!(
                "{order}: not {wanted:?}, but {answer:?}; {}",
                self.jail.stderr()
            )
        })
    }

    /// Sends a text by a socket of the puppet's.
    pub fn send(&mut self, socket: u32, text: impl AsRef<[u8]>) -> Result<String, String> {
        let hex: String = text
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.order(&format!("send {socket} {hex}"))
    }

    /// One read of the puppet's: a text, or the word that it answers.
    pub fn read(&mut self, socket: u32, ms: u32) -> Result<String, String> {
        let answer = self.order(&format!("read {socket} {ms}"))?;
        Ok(match answer.strip_prefix("data ") {
            Some(hex) => String::from_utf8_lossy(&unhex(hex)).into_owned(),
            None => answer,
        })
    }

    /// Sends a text and has to get it back.
    pub fn echoes(&mut self, socket: u32, text: &str) -> Check {
        let sent = self.send(socket, text)?;
        // What was not sent is not waited for.
        ensure(sent.starts_with("ok"), || format!("{text:?}: {sent}"))?;
        let back = self.read(socket, 20_000)?;
        ensure(back == text, || {
            format!(
                "{text:?} ({sent}) came back as {back:?}; {}",
                self.jail.stderr()
            )
        })
    }

    /// Every process: supervisor, gateway, init and program.
    pub fn processes(&self) -> Result<[Proc; 4], String> {
        let program = self.jail.program()?;
        let tree = self.jail.tree();
        let find = |test: &dyn Fn(&&Proc) -> bool| {
            let found = tree.iter().find(test).cloned();
            found.ok_or_else(|| format!("not to be found in {tree:?}"))
        };
        let init = find(&|p| p.pid == program.ppid)?;
        let supervisor = find(&|p| p.pid == init.ppid)?;
        let gateway = find(&|p| p.ppid == supervisor.pid && p.pid != init.pid)?;
        Ok([supervisor, gateway, init, program])
    }

    /// The gateway's process.
    pub fn gateway(&self) -> Result<Proc, String> {
        self.processes().map(|[_, gateway, _, _]| gateway)
    }

    /// The events of one kind, up to now.
    pub fn events(&self, kind: &str) -> Result<Vec<Value>, String> {
        let all = jail::events(&self.events)?;
        Ok(all
            .into_iter()
            .filter(|event| jail::is(event, kind))
            .collect())
    }

    /// The first event of that kind with these texts in it.
    pub fn event(&self, kind: &str, texts: &[&str]) -> Result<Value, String> {
        let has = |event: &Value| {
            let line = event.to_string();
            texts.iter().all(|text| line.contains(text))
        };
        let found = wait_for(Duration::from_secs(10), || {
            self.events(kind).ok()?.into_iter().find(&has)
        });
        found.ok_or_else(|| {
            let all = std::fs::read_to_string(&self.events).unwrap_or_default();
            let (tree, stderr) = (self.jail.tree(), self.jail.stderr());
            format!("no {kind} event with {texts:?} in {all}; {tree:?}; {stderr}")
        })
    }

    /// Lets the puppet end: flowjail's end, and that nothing is left.
    pub fn end(&mut self) -> Result<Ended, String> {
        let tree = self.jail.tree();
        self.tell("exit 0")?;
        let ended = self.jail.end(LONG)?;
        ensure(ended.code == 0, || format!("{ended:?}"))?;
        let left = procs::survivors(&tree, Duration::from_secs(2));
        ensure(left.is_empty(), || format!("left: {left:?}"))?;
        Ok(ended)
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    digits.filter_map(byte).collect()
}

/// A text of an event.
pub fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or("")
}

/// A number of an event.
pub fn number(event: &Value, key: &str) -> u64 {
    event.get(key).and_then(Value::as_u64).unwrap_or(0)
}
