//! Visitors of a server: one that listens itself, and one in a jail behind `--publish`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::needs::{self, Need};
use crate::common::start::wait;
use crate::scripts::{FLOWISE, names};
use crate::stage::{Stage, text};
use crate::suite::{Grant, How, Run, Suite, read};
use crate::trees;

/// A node server and those who visit it.
pub const INGRESS: Suite = Suite {
    name: "ingress",
    cases: || names(include_str!("visitor.mjs"), "test('"),
    needs: |case| match case.starts_with("ws:") {
        true => vec![flowise()],
        false => Vec::new(),
    },
    run: visit,
};

const PUBLISHED: [&str; 4] = [
    "--publish",
    "203.0.113.11:3000",
    "--publish",
    "[2001:db8::10]:3000",
];

/// The packages of Flowise.
pub fn flowise() -> Need {
    let tree = trees::tree(FLOWISE);
    let why = tree.as_ref().err().map_or("", |why| why);
    needs::condition("Flowise", tree.is_ok(), why)
}

/// The server, ended with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = wait(&mut self.0, Duration::from_secs(5));
    }
}

fn visit(stage: &Stage, how: How) -> Result<Run, String> {
    let _server = serve(stage, how)?;
    let modules = trees::tree(FLOWISE)
        .unwrap_or_default()
        .join("node_modules");
    let visitor = stage.script("visitor.mjs");
    let none = Grant::default();
    read(&How::Bare.finish(stage, &none, &stage.node, &[text(&visitor), text(&modules)])?)
}

fn serve(stage: &Stage, how: How) -> Result<Server, String> {
    let grant = Grant {
        read: &[],
        syscalls: "",
        // The program of a bare jail has one listener.
        flags: match how {
            How::InBareJail(_) => &PUBLISHED[..2],
            _ => &PUBLISHED,
        },
    };
    let log = stage.scratch.at("ingress.log");
    let mut command = how.command(stage, &grant, &stage.node);
    command.arg(stage.script("ingress-server.mjs"));
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(File::create(&log).map_err(|error| error.to_string())?);
    let child = command.spawn().map_err(|error| error.to_string())?;
    let mut server = Server(child);
    let mut line = String::new();
    if let Some(stdout) = server.0.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    match line.trim() {
        "ready" => Ok(server),
        _ => Err(format!(
            "no server: {}",
            std::fs::read_to_string(&log).unwrap_or_default()
        )),
    }
}
