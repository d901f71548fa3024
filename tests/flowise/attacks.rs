//! The public attacks on 3.0.5, each a script that prints one verdict.

use super::server::{SECRET, Server, free_port, node_run, node_script};
use super::world;
use crate::kit::jail::{events, is};
use crate::kit::{self, Check, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What shows that the jail, and not chance, stopped an attack.
#[derive(Clone, Copy)]
enum Proof {
    /// A denied-exec event whose argv has this word.
    Event(&'static str),
    /// The errno that the attacker's JavaScript got: one of a file's.
    Errno,
    /// One of a connection's.
    Connect,
    /// The same, and an event of a refused connection to the attacker's address.
    Raw,
    /// The environment as the attacker saw it: what Flowise needs.
    Environment,
}

/// One attack: its name in test names, its script, its mode, and what proves a denial.
pub struct Attack {
    /// Its name in test names.
    pub name: &'static str,
    script: &'static str,
    mode: &'static str,
    proof: Proof,
    /// Whether it needs a world of the tests' own.
    pub worldly: bool,
}

const A01: &str = "attacks/a01-59528-custommcp-function-eval.mjs";

/// The attacks that are tried, in this order.
pub const ATTACKS: [Attack; 9] = [
    Attack {
        name: "a01 exec",
        script: A01,
        mode: "exec",
        proof: Proof::Event("id >"),
        worldly: false,
    },
    Attack {
        name: "a01 execfile",
        script: A01,
        mode: "execfile",
        proof: Proof::Event("a01-execfile"),
        worldly: false,
    },
    Attack {
        name: "a01 write",
        script: A01,
        mode: "write",
        proof: Proof::Errno,
        worldly: false,
    },
    Attack {
        name: "a01 read",
        script: A01,
        mode: "read",
        proof: Proof::Errno,
        worldly: false,
    },
    Attack {
        name: "a01 connect to loopback",
        script: A01,
        mode: "connect",
        proof: Proof::Connect,
        worldly: false,
    },
    Attack {
        name: "a01 connect to the world",
        script: A01,
        mode: "connect",
        proof: Proof::Raw,
        worldly: true,
    },
    Attack {
        name: "a01 env",
        script: A01,
        mode: "env",
        proof: Proof::Environment,
        worldly: false,
    },
    Attack {
        name: "a02",
        script: "attacks/a02-8943-custommcp-stdio-command.mjs",
        mode: "",
        proof: Proof::Event("/a02"),
        worldly: false,
    },
    Attack {
        name: "a12",
        script: "attacks/a12-41268-overrideconfig-unauth.mjs",
        mode: "",
        proof: Proof::Errno,
        worldly: false,
    },
];

/// Where attacker and test look.
pub struct Places {
    /// Outside everything that a jail lets Flowise write, and writable by anyone.
    pub marks: PathBuf,
    /// A file that Flowise has no business with, readable by anyone.
    pub decoy: PathBuf,
    /// A directory in the data directory, as the test sees it.
    pub xmarks: PathBuf,
    /// The same as Flowise sees it.
    pub xmarks_inside: PathBuf,
    /// The LLM as Flowise sees it.
    pub mock: String,
}

impl Attack {
    /// Runs the script; its verdict.
    fn run(&self, server: &Server, places: &Places) -> Result<Value, String> {
        let mut command = node_script(self.script);
        command
            .arg(&server.base)
            .args(["--mode", self.mode, "--mock", &places.mock]);
        let paths: [(&str, &Path); 4] = [
            ("--marks", &places.marks),
            ("--decoy", &places.decoy),
            ("--xmarks", &places.xmarks),
            ("--xmarks-in", &places.xmarks_inside),
        ];
        let host = if self.worldly {
            world::ATTACKER
        } else {
            "127.0.0.1"
        };
        command
            .args(["--lhost", host, "--lport", &free_port().to_string()])
            .args(["--secret", SECRET.0]);
        for (flag, path) in paths {
            command.arg(flag).arg(path);
        }
        let (_, said) = node_run(&mut command);
        let verdict = said.lines().last().unwrap_or_default();
        serde_json::from_str(verdict).map_err(|_| format!("no verdict: {said}"))
    }

    /// Whether what it needs is there.
    pub fn can_run(&self) -> bool {
        !self.worldly || world::is_own()
    }

    /// Bare, the attack must work: otherwise its denial in a jail proves nothing.
    pub fn works_bare(&self, server: &Server, places: &Places) -> Check {
        let verdict = self.run(server, places)?;
        ensure(verdict["result"] == "EXPLOITED", || {
            format!("bare: {verdict}")
        })
    }

    /// Jailed, it must be blocked, with its event or its errno.
    pub fn is_blocked(&self, server: &Server, places: &Places) -> Check {
        let verdict = self.run(server, places)?;
        ensure(verdict["result"] == "blocked", || {
            format!("jailed: {verdict}")
        })?;
        let got = verdict["errno"].as_str().unwrap_or_default();
        let one_of = |all: &[&str]| {
            ensure(all.contains(&got), || {
                format!("the attacker got {got:?}, none of {all:?}: {verdict}")
            })
        };
        match self.proof {
            Proof::Errno => one_of(&["ENOENT", "EACCES", "EPERM", "EROFS"]),
            Proof::Connect => one_of(&["ECONNREFUSED", "EACCES"]),
            Proof::Raw => {
                one_of(&["ENETUNREACH", "ECONNREFUSED", "EACCES"])?;
                denied_connection(&server.events, world::ATTACKER)
            }
            Proof::Environment => {
                let names: Vec<&str> = got.split(',').collect();
                let needed = ["HOME", "LOG_PATH", "PORT"];
                ensure(needed.iter().all(|name| names.contains(name)), || {
                    format!("Flowise's own environment is {got:?}")
                })
            }
            Proof::Event(word) => denied_exec(&server.events, word),
        }
    }
}

/// Waits for an event of a refused connection to that address, which no name stands for.
fn denied_connection(file: &Path, address: &str) -> Check {
    let fits = |event: &Value| {
        let line = event["allow"].as_str().unwrap_or_default();
        is(event, "connection")
            && event["verdict"] == "refused"
            && event["address"] == address
            && event["host"] == ""
            && line.contains(address)
    };
    let found = kit::wait_for(Duration::from_secs(3), || {
        events(file).ok()?.iter().any(fits).then_some(())
    });
    found.ok_or_else(|| format!("no event of {address}: {:?}", events(file)))
}

/// Waits for an event of a refused exec that names path and argv.
fn denied_exec(file: &Path, word: &str) -> Check {
    let fits = |event: &Value| {
        let argv = event["argv"].as_array().cloned().unwrap_or_default();
        let has = argv
            .iter()
            .any(|a| a.as_str().is_some_and(|a| a.contains(word)));
        is(event, "denied-exec") && has && event["path"].as_str().is_some_and(|p| !p.is_empty())
    };
    let found = kit::wait_for(Duration::from_secs(3), || {
        events(file).ok()?.iter().any(fits).then_some(())
    });
    found.ok_or_else(|| {
        format!(
            "no denied-exec event with {word:?} in argv: {:?}",
            events(file)
        )
    })
}
