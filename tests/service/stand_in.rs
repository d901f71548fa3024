//! A small node server in the jail, and the manager beside it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::jail::{self, Jail};
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::manager::Manager;

type Tested = fn(Who, &'static str) -> Check;

/// Each in both kinds of jail, as root and as a user.
pub const CHECKS: [(&str, Tested); 12] = [
    (
        "the manager hears of a start, its readiness, its health and its end",
        a_whole_life,
    ),
    (
        "every word comes from the supervisor itself",
        words_come_from_the_supervisor,
    ),
    (
        "a program that hangs is told of, and feeds no watchdog",
        a_program_that_hangs,
    ),
    (
        "a port that takes connections is enough for tcp",
        a_port_is_enough,
    ),
    (
        "a program that nobody asks is ready when it runs",
        nobody_asks,
    ),
    ("nobody is asked where no manager listens", no_manager),
    (
        "a manager in the abstract namespace is reached",
        an_abstract_manager,
    ),
    (
        "a manager that cannot be reached is an error",
        no_such_manager,
    ),
    (
        "a bare jail that would turn its own question away is an error, and no other is",
        who_is_turned_away,
    ),
    (
        "nobody is ready by a socket that was handed over before the program listens",
        crate::handed::a_socket_that_takes_connections_before_the_program,
    ),
    (
        "a program that is to be asked and cannot be is an error",
        nothing_is_published,
    ),
    (
        "the program hears nothing of its manager",
        nothing_reaches_the_program,
    ),
];

const LONG: Duration = Duration::from_secs(60);

/// One jail, its port, and its files.
pub struct Stage {
    pub scratch: Scratch,
    who: Who,
    pub port: u16,
    pub profile: String,
}

impl Stage {
    /// The profile's `ready` lines are the test's.
    pub fn new(who: Who, kind: &str, ready: &str) -> Stage {
        let scratch = Scratch::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("an address").port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/serve.mjs");
        let script = scratch.file("serve.mjs", &std::fs::read_to_string(script).expect("read"));
        let text = format!(
            "extends = [\"node\"]\njail = \"{kind}\"\ncommand = [\"node\", \"{script}\"]\n\
             [files]\nread = [\"{script}\"]\ncwd = \"/\"\n\
             [net]\npublish = [\"127.0.0.1:{port}\"]\n{ready}\n\
             [env]\npass = [\"READY\", \"LISTEN\"]\n",
            script = script.display(),
        );
        let profile = scratch.file("service.toml", &text).display().to_string();
        Stage {
            scratch,
            who,
            port,
            profile,
        }
    }

    fn start(&self, env: &[(&str, &str)]) -> Jail {
        let events = self.scratch.dir_of(self.who, "events").join("events");
        let events = events.display().to_string();
        let words = ["run", "--profile", &self.profile, "--events", &events];
        let mut command = jail::flowjail(self.who, &words);
        command.envs(env.iter().copied()).stdout(Stdio::null());
        Jail::start(&self.scratch, "service", command)
    }

    /// Whether an event of the service has been written by now.
    fn has(&self, state: &str) -> bool {
        let events = jail::events(&self.scratch.at("events/events")).unwrap_or_default();
        events
            .iter()
            .any(|event| jail::is(event, "service") && event["state"] == state)
    }

    /// Waits for one: the manager is told first.
    fn await_event(&self, state: &str) -> Check {
        let written = wait_for(LONG, || self.has(state).then_some(()));
        ensure(written.is_some(), || format!("no event `{state}`"))
    }

    /// What the program answers.
    fn ask(&self, path: &str) -> Result<String, String> {
        let answer = wait_for(LONG, || ask(self.port, path).ok());
        answer.ok_or_else(|| format!("no answer to {path}"))
    }
}

fn ask(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    body.ok_or_else(|| std::io::Error::other("no answer"))
}

const PING: &str = "[service]\nready = \"/api/v1/ping\"";

/// Told to end it does.
pub fn ends_well(mut jail: Jail) -> Check {
    jail.signal(Signal::SIGTERM);
    let ended = jail.end(LONG)?;
    ensure(ended.code == 0, || format!("{ended:?}"))
}

fn a_whole_life(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, PING);
    let mut manager = Manager::at_a_path(&stage.scratch);
    let address = manager.address.clone();
    let jail = stage.start(&[("NOTIFY_SOCKET", &address), ("WATCHDOG_USEC", "600000")]);
    manager.await_line(0, "STATUS=starting: waits for GET /api/v1/ping")?;
    manager.await_line(0, "EXTEND_TIMEOUT_USEC=")?;
    // It was asked, and was not well: the twin of what comes after.
    let pings = wait_for(LONG, || {
        ask(stage.port, "/pings")
            .ok()
            .filter(|n| n != "0" && n != "1")
    });
    ensure(pings.is_some(), || "it was never pinged".into())?;
    let early = manager
        .heard()
        .iter()
        .any(|(text, _)| text.contains("READY=1"));
    ensure(!early && !stage.has("ready"), || {
        "ready before it was".into()
    })?;
    stage.ask("/go")?;
    let ready = manager.await_line(0, "READY=1")?;
    let first = manager.await_line(ready, "WATCHDOG=1")?;
    manager.await_line(first + 1, "WATCHDOG=1")?;
    let served = format!("STATUS=ready; serves http://127.0.0.1:{}", stage.port);
    manager.await_line(ready, &served)?;
    stage.await_event("ready")?;
    ends_well(jail)?;
    manager.await_line(ready, "STOPPING=1").map(drop)
}

fn words_come_from_the_supervisor(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, PING);
    let mut manager = Manager::at_a_path(&stage.scratch);
    let address = manager.address.clone();
    let jail = stage.start(&[("NOTIFY_SOCKET", &address), ("READY", "1")]);
    let pid = jail.pid();
    manager.await_line(0, "READY=1")?;
    ends_well(jail)?;
    manager.await_line(0, "STOPPING=1")?;
    let others: Vec<_> = manager
        .heard()
        .iter()
        .filter(|(_, by)| *by != pid)
        .collect();
    ensure(others.is_empty(), || format!("not by {pid}: {others:?}"))
}

fn a_program_that_hangs(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, PING);
    let mut manager = Manager::at_a_path(&stage.scratch);
    let address = manager.address.clone();
    let words = [
        ("NOTIFY_SOCKET", address.as_str()),
        ("WATCHDOG_USEC", "600000"),
        ("READY", "1"),
    ];
    let mut jail = stage.start(&words);
    let ready = manager.await_line(0, "READY=1")?;
    manager.await_line(ready, "WATCHDOG=1")?;
    stage.ask("/hang")?;
    let unwell = manager.await_line(ready, "STATUS=does not answer: GET /api/v1/ping")?;
    stage.await_event("unwell")?;
    let fed = manager
        .heard()
        .iter()
        .skip(unwell)
        .any(|(text, _)| text.contains("WATCHDOG=1"));
    ensure(!fed, || "fed by a program that hangs".into())?;
    // What systemd does when its watchdog is not fed: SIGABRT to the main process.
    jail.signal(Signal::SIGABRT);
    let tree = jail.tree();
    jail.end(LONG)?;
    let left = crate::kit::procs::survivors(&tree, LONG);
    ensure(left.is_empty(), || format!("left: {left:?}"))
}

fn a_port_is_enough(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, "[service]\nready = \"tcp\"");
    let mut manager = Manager::at_a_path(&stage.scratch);
    let address = manager.address.clone();
    let jail = stage.start(&[("NOTIFY_SOCKET", &address)]);
    manager.await_line(0, "STATUS=starting: waits for a connection to its port")?;
    manager.await_line(0, "READY=1")?;
    let pings = stage.ask("/pings")?;
    ensure(pings == "0", || format!("{pings} pings"))?;
    ends_well(jail)
}

fn nobody_asks(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, "[service]\nready = \"none\"");
    let mut manager = Manager::at_a_path(&stage.scratch);
    let address = manager.address.clone();
    let jail = stage.start(&[("NOTIFY_SOCKET", &address), ("WATCHDOG_USEC", "300000")]);
    let ready = manager.await_line(0, "READY=1")?;
    manager.await_line(ready, "WATCHDOG=1")?;
    ensure(stage.ask("/pings")? == "0", || "it was pinged".into())?;
    ends_well(jail)
}

fn no_manager(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, PING);
    let jail = stage.start(&[("READY", "1")]);
    stage.ask("/go")?;
    let pings = stage.ask("/pings")?;
    ensure(pings == "0", || format!("{pings} pings for nobody"))?;
    ends_well(jail)
}

fn an_abstract_manager(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, PING);
    let mut manager = Manager::in_the_abstract();
    let address = manager.address.clone();
    let jail = stage.start(&[("NOTIFY_SOCKET", &address), ("READY", "1")]);
    manager.await_line(0, "READY=1")?;
    ends_well(jail)
}

fn no_such_manager(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, PING);
    for wrong in ["/nowhere/notify", "@flowjail-nobody", "vsock:2:1"] {
        let ended = stage.start(&[("NOTIFY_SOCKET", wrong)]).end(LONG)?;
        let told = ended
            .stderr
            .contains(&format!("{wrong} (NOTIFY_SOCKET) cannot be reached"));
        let hint = ended.stderr.contains("elsewhere unset NOTIFY_SOCKET");
        ensure(ended.code == 125 && told && hint, || {
            format!("{wrong}: {ended:?}")
        })?;
    }
    Ok(())
}

/// Not ready at once, as if nobody were to ask. Without a manager nobody asks anyway.
fn nothing_is_published(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, PING);
    let text = std::fs::read_to_string(&stage.profile).map_err(|error| error.to_string())?;
    let published = format!("publish = [\"127.0.0.1:{}\"]", stage.port);
    let text = text.replace(&published, "enabled = true");
    let text = text.replace(
        "command = [\"node\", ",
        "command = [\"node\", \"--check\", ",
    );
    stage.scratch.file("service.toml", &text);
    let manager = Manager::at_a_path(&stage.scratch);
    let ended = stage
        .start(&[("NOTIFY_SOCKET", &manager.address)])
        .end(LONG)?;
    let told = "error: [service] ready: GET /api/v1/ping: nothing is published";
    ensure(ended.code == 125 && ended.stderr.contains(told), || {
        format!("{ended:?}")
    })?;
    let ended = stage.start(&[]).end(LONG)?;
    ensure(ended.code == 0, || format!("{ended:?}"))
}

fn nothing_reaches_the_program(who: Who, kind: &'static str) -> Check {
    let stage = Stage::new(who, kind, PING);
    let mut manager = Manager::at_a_path(&stage.scratch);
    let address = manager.address.clone();
    let words = [
        ("NOTIFY_SOCKET", address.as_str()),
        ("WATCHDOG_USEC", "900000"),
        ("WATCHDOG_PID", "1"),
        ("READY", "1"),
    ];
    let jail = stage.start(&words);
    let ready = manager.await_line(0, "READY=1")?;
    let names = stage.ask("/env")?;
    let told: Vec<&str> = names
        .split(' ')
        .filter(|name| name.contains("NOTIFY") || name.contains("WATCHDOG"))
        .collect();
    ensure(told.is_empty() && names.contains("READY"), || names.clone())?;
    ends_well(jail)?;
    // WATCHDOG_PID is another process: it is not ours to feed.
    let fed = manager
        .heard()
        .iter()
        .skip(ready)
        .any(|(text, _)| text.contains("WATCHDOG=1"));
    ensure(!fed, || "fed a watchdog of another process".into())
}

/// The bare jail's program is asked as any visitor is; the other one from within.
fn who_is_turned_away(who: Who, kind: &'static str) -> Check {
    for (guest, fine) in [("192.0.2.1", kind != "bare"), ("127.0.0.1", true)] {
        let stage = Stage::new(who, kind, PING);
        let line = format!("publish = [\"127.0.0.1:{}\"]", stage.port);
        let text = std::fs::read_to_string(&stage.profile).map_err(|error| error.to_string())?;
        let only = format!(
            "publish = [{{ address = \"127.0.0.1:{}\", allow_from = [\"{guest}\"] }}]",
            stage.port
        );
        stage
            .scratch
            .file("service.toml", &text.replace(&line, &only));
        let mut manager = Manager::at_a_path(&stage.scratch);
        let address = manager.address.clone();
        let mut jail = stage.start(&[("NOTIFY_SOCKET", &address), ("READY", "1")]);
        if fine {
            manager.await_line(0, "READY=1")?;
            ends_well(jail)?;
            continue;
        }
        let ended = jail.end(LONG)?;
        let told = ended
            .stderr
            .contains("asked from 127.0.0.1, which allow_from turns away");
        ensure(ended.code == 125 && told, || format!("{ended:?}"))?;
    }
    Ok(())
}
