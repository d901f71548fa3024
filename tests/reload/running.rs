//! A jail that runs, and reloads of it.

use crate::kit::jail::{self, Ended, Jail};
pub use crate::kit::who::Kind;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{LONG, Puppet, Stage};
use crate::world::PUBLIC;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The exit code that says: in force, but for what a restart takes.
pub const RESTART: i32 = 10;

/// A kind of jail and who starts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct How {
    pub who: Who,
    pub kind: Kind,
}

/// The jail, its puppet, and the profile that can be changed.
pub struct Running {
    pub how: How,
    pub stage: Stage,
    pub puppet: Puppet,
    pub name: String,
    net: String,
}

impl Running {
    /// `net`: lines of `[net]`; `a.test` to `d.test` are hosts of the world.
    pub fn start(how: How, net: &str) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("reload-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let top = format!("jail = {:?}", how.kind.word());
        let net = with_names(net);
        let stage = Stage::with(how.who, &top, &net)?;
        let puppet = stage.start(&["--name", &name])?;
        Ok(Self {
            how,
            stage,
            puppet,
            name,
            net,
        })
    }

    /// Writes other lines of `[net]` to the profile.
    pub fn write(&mut self, net: &str) -> Check {
        let net = with_names(net);
        self.stage.edit(|text| text.replace(&self.net, &net))?;
        self.net = net;
        Ok(())
    }

    /// `flowjail reload FLAGS...` by whoever started the jail.
    pub fn command(&self, flags: &[&str]) -> Command {
        let flags = [&["--name", self.name.as_str()], flags].concat();
        let words = self.stage.asking("reload", &flags);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        jail::flowjail(self.how.who, &words)
    }

    /// The end of a reload.
    pub fn end(&self, mut command: Command) -> Result<Ended, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let file = format!("reload{}", NEXT.fetch_add(1, Ordering::Relaxed));
        command.stdout(Stdio::null());
        Jail::start(&self.stage.scratch, &file, command).end(LONG)
    }

    /// Reloads with other lines of `[net]`; it has to end with this code.
    pub fn reload(&mut self, net: &str, code: i32) -> Result<String, String> {
        self.write(net)?;
        let ended = self.end(self.command(&[]))?;
        ensure(ended.code == code, || {
            format!("not {code}: {ended:?}; {}", self.puppet.jail.stderr())
        })?;
        Ok(ended.stderr)
    }

    /// The same, and every one of these texts has to be told.
    pub fn reload_tells(&mut self, net: &str, code: i32, texts: &[&str]) -> Check {
        let said = self.reload(net, code)?;
        for text in texts {
            ensure(said.contains(text), || format!("no {text:?} in {said}"))?;
        }
        Ok(())
    }

    /// A connect that has to come through, and an echo.
    pub fn reaches(&mut self, socket: u32, host: &str, port: u16) -> Check {
        self.puppet
            .want(&format!("connect {socket} {host} {port}"), "ok")?;
        self.puppet.echoes(socket, host)
    }

    /// A name that has to be unknown.
    pub fn knows_nothing_of(&mut self, host: &str) -> Check {
        let said = self.puppet.order(&format!("query {host} 1"))?;
        ensure(said.starts_with("rcode 3 "), || format!("{host}: {said}"))
    }

    /// The address that stands for a name.
    pub fn address(&mut self, host: &str) -> Result<String, String> {
        let said = self.puppet.order(&format!("query {host} 1"))?;
        let found = said.split("address ").nth(1);
        let found = found.and_then(|rest| rest.split_whitespace().next());
        match found {
            Some(address) if address != "none" => Ok(address.to_owned()),
            _ => Err(format!("{host} has no address: {said}")),
        }
    }

    /// A connection that has ended by a reset.
    pub fn is_reset(&mut self, socket: u32) -> Check {
        self.puppet
            .want(&format!("read {socket} 20000"), "errno 104 ECONNRESET")
    }

    /// The last event of a reload.
    pub fn last_reload(&self) -> Result<Value, String> {
        // Written before the command has its answer, or a moment later.
        self.puppet.event("reload", &[])?;
        let mut all = self.puppet.events("reload")?;
        all.pop().ok_or_else(|| "no reload in the stream".into())
    }
}

fn with_names(net: &str) -> String {
    let names: Vec<String> = ["a", "b", "c", "d"]
        .iter()
        .map(|letter| format!("\"{letter}.test\" = \"{PUBLIC}\""))
        .collect();
    match net.contains("hosts =") {
        true => net.to_owned(),
        false => format!("hosts = {{ {} }}\n{net}", names.join(", ")),
    }
}
