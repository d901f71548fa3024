//! A unit, and the manager that it belongs to.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::journal::{self, Entry};
use super::program::systemctl;
use crate::kit::{Check, wait_for};

/// Whose units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The system's.
    System,
    /// The one of a user who is not logged in.
    Ada,
}

impl Manager {
    /// A program that talks to this manager, as the user whose it is.
    pub fn command(self, program: &str) -> Command {
        if self == Manager::System {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "1001", "--regid", "1001", "--clear-groups", "--"]);
        command.args([program, "--user"]);
        command.env("HOME", "/home/ada");
        command.env("XDG_RUNTIME_DIR", "/run/user/1001");
        command
    }
}

/// A unit of `examples/systemd`.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Its name with its kind.
    pub name: &'static str,
    /// Whose it is.
    pub manager: Manager,
}

impl Unit {
    /// A unit of the system's.
    pub const fn system(name: &'static str) -> Unit {
        let manager = Manager::System;
        Unit { name, manager }
    }

    /// Does this to it by systemctl; an error carries what the journal says.
    pub fn order(self, verb: &str) -> Check {
        let done = systemctl(self.manager, &[verb, self.name]);
        done.map(drop)
            .map_err(|error| format!("{error}{}", journal::text(&self.journal())))
    }

    /// The value of a property.
    pub fn show(self, property: &str) -> Result<String, String> {
        let words = ["show", "--value", "-p", property, self.name];
        systemctl(self.manager, &words).map(|text| text.trim().to_owned())
    }

    /// Waits until a property has this value.
    pub fn becomes(self, property: &str, value: &str) -> Check {
        let mut last = String::new();
        let ask = || {
            last = self.show(property).ok()?;
            (last == value).then_some(())
        };
        wait_for(Duration::from_secs(120), ask).ok_or_else(|| {
            format!(
                "{property} is {last}, not {value}{}",
                journal::text(&self.journal())
            )
        })
    }

    /// What it and its manager have written since the story began.
    pub fn journal(self) -> Vec<Entry> {
        journal::of(self)
    }

    /// The whole journal as text.
    pub fn text(self) -> String {
        journal::text(&self.journal())
    }

    /// Waits until an entry is there that satisfies this.
    pub fn entry(self, what: &str, is_it: impl Fn(&Entry) -> bool) -> Result<Entry, String> {
        let find = || self.journal().into_iter().find(&is_it);
        wait_for(Duration::from_secs(60), find)
            .ok_or_else(|| format!("no {what} in the journal:{}", self.text()))
    }

    /// Waits until the journal has this text.
    pub fn says(self, part: &str) -> Check {
        self.entry(part, |entry| entry.message().contains(part))
            .map(drop)
    }

    /// Its main process.
    pub fn main_pid(self) -> Result<i32, String> {
        let pid = self.show("MainPID")?;
        pid.parse()
            .ok()
            .filter(|pid| *pid > 0)
            .ok_or("no main process".into())
    }

    /// The directory of its cgroup.
    pub fn cgroup(self) -> Result<PathBuf, String> {
        let path = self.show("ControlGroup")?;
        match path.is_empty() {
            true => Err("no cgroup".into()),
            false => Ok(PathBuf::from(format!("/sys/fs/cgroup{path}"))),
        }
    }

    /// Every process in its cgroup and those below.
    pub fn processes(self) -> Result<Vec<i32>, String> {
        let mut places = vec![self.cgroup()?];
        let mut pids = Vec::new();
        while let Some(place) = places.pop() {
            let text = fs::read_to_string(place.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
            let entries = fs::read_dir(&place).map_err(|error| error.to_string())?;
            let all = entries.filter_map(|entry| Some(entry.ok()?.path()));
            places.extend(all.filter(|path| path.is_dir()));
        }
        Ok(pids)
    }

    /// The jailed program.
    pub fn workload(self) -> Result<i32, String> {
        let is_node = |pid: &i32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim() == "node"
        };
        let found = self.processes()?.into_iter().find(is_node);
        found.ok_or_else(|| "no node in its cgroup".to_owned())
    }
}
