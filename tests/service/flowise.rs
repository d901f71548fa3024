//! The real Flowise behind a socket that a manager has opened, and whose readiness it waits for.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use libtest_mimic::Trial;
use nix::sys::signal::Signal;

use crate::common::needs;
use crate::handed::HAND_OVER;
use crate::kit::jail::{self, Jail};
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::manager::Manager;
use crate::trees;

const VERSION: &str = "3.1.4";

/// The one trial.
pub fn trial() -> Trial {
    let (tree, node) = (trees::tree(VERSION), trees::node());
    let why = |found: &Result<std::path::PathBuf, String>| found.as_ref().err().cloned();
    let needed = [
        needs::condition("Flowise", tree.is_ok(), &why(&tree).unwrap_or_default()),
        needs::condition("node", node.is_ok(), &why(&node).unwrap_or_default()),
        needs::program("python3"),
    ];
    let sentence =
        "Flowise itself is ready behind a socket that was handed over, and ends when told";
    needs::trial(sentence, &needed, move || {
        Ok(run(&tree.unwrap_or_default(), &node.unwrap_or_default())?)
    })
}

fn run(tree: &Path, node: &Path) -> Check {
    let scratch = Scratch::new();
    let who = Who::Ordinary;
    let mut manager = Manager::at_a_path(&scratch);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener
        .local_addr()
        .map_err(|error| error.to_string())?
        .port();
    let passed = nix::unistd::dup(&listener).map_err(|errno| errno.to_string())?;
    let data = scratch.dir_of(who, ".flowise");
    let mut command = who.command(Path::new("/usr/bin/python3"));
    command.args(["-c", HAND_OVER, &passed.as_raw_fd().to_string()]);
    command
        .arg(jail::binary())
        .args(["run", "--publish", &format!("127.0.0.1:{port}")]);
    command.args(["--set", &format!("data={}", data.display()), "--"]);
    command
        .arg(node)
        .arg(tree.join("node_modules/flowise/bin/run"))
        .arg("start");
    command
        .env("NOTIFY_SOCKET", &manager.address)
        .env("WATCHDOG_USEC", "20000000");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut jail = Jail::start(&scratch, "flowise", command);
    drop((passed, listener));
    let until = std::time::Instant::now() + Duration::from_secs(240);
    let mut ready = manager.await_line(0, "READY=1");
    while ready.is_err() && std::time::Instant::now() < until {
        ready = manager.await_line(0, "READY=1");
    }
    let ready = ready.map_err(|why| format!("{why}\n{}", jail.stderr()))?;
    let pong = pong(port).map_err(|error| error.to_string())?;
    ensure(pong.ends_with("pong"), || {
        format!("ready, and answers {pong}")
    })?;
    manager.await_line(ready, "STATUS=ready; serves")?;
    jail.signal(Signal::SIGTERM);
    manager.await_line(ready, "STOPPING=1")?;
    let ended = jail.end(Duration::from_secs(60))?;
    ensure(ended.code == 0, || format!("{ended:?}"))
}

fn pong(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
