//! A socket that a manager hands over, beside the socket that it hears by.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;

use crate::kit::jail::{self, Jail};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::manager::Manager;
use crate::stand_in::{Stage, ends_well};

/// Hands descriptor 3 over, as a service manager does (sd_listen_fds(3)).
pub const HAND_OVER: &str = "import os, sys\n\
    os.dup2(int(sys.argv[1]), 3, inheritable=True)\n\
    os.environ.update(LISTEN_FDS='1', LISTEN_FDNAMES='web', LISTEN_PID=str(os.getpid()))\n\
    os.execv(sys.argv[2], sys.argv[2:])\n";

/// It has another address than its line, and takes connections from the start on; the status line has its own.
pub fn a_socket_that_takes_connections_before_the_program(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, "[service]\nready = \"tcp\"");
    let port = stage.port;
    let text = std::fs::read_to_string(&stage.profile).map_err(|error| error.to_string())?;
    let named = format!("{{ address = \"127.0.0.1:{port}\", to = {port}, socket = \"web\" }}");
    let text = text.replace(&format!("\"127.0.0.1:{port}\""), &named);
    stage.scratch.file("service.toml", &text);
    let mut manager = Manager::at_a_path(&stage.scratch);
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let at = listener.local_addr().map_err(|error| error.to_string())?;
    let passed = nix::unistd::dup(&listener).map_err(|errno| errno.to_string())?;
    let mut command = who.command(Path::new("/usr/bin/python3"));
    command.args(["-c", HAND_OVER, &passed.as_raw_fd().to_string()]);
    command
        .arg(jail::binary())
        .args(["run", "--profile", &stage.profile]);
    command
        .env("NOTIFY_SOCKET", &manager.address)
        .env("LISTEN", "later");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut jail = Jail::start(&stage.scratch, "service", command);
    let (stdin, stdout) = (jail.child.stdin.take(), jail.child.stdout.take());
    let (mut stdin, stdout) = stdin.zip(stdout).ok_or("no pipes")?;
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line);
    ensure(read.is_ok() && line == "up\n", || jail.stderr())?;
    manager.await_line(0, "STATUS=starting: waits for a connection to its port")?;
    let early = manager
        .heard()
        .iter()
        .any(|(text, _)| text.contains("READY=1"));
    ensure(!early, || "ready before it listened".into())?;
    stdin.write_all(b"x").map_err(|error| error.to_string())?;
    manager.await_line(0, "READY=1")?;
    manager.await_line(0, &format!("STATUS=ready; serves http://{at};"))?;
    ends_well(jail)
}
