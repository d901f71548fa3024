//! The gateway and the supervisor killed and stopped: the jail ends, and nothing gets out meanwhile.

use crate::kit::procs;
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{LONG, Puppet, Stage};
use crate::world::{self, PUBLIC};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::net::TcpListener;
use std::time::Duration;

const GONE: Duration = Duration::from_secs(3);

/// A jail with one connection open, through which a text has gone.
fn connected(who: Who) -> Result<(Stage, Puppet, TcpListener, u16), String> {
    let (listener, port) = world::listener(PUBLIC);
    let stage = Stage::new(who, "")?;
    let host = format!("mock.test={PUBLIC}");
    let allow = format!("mock.test:{port}");
    let mut puppet = stage.start(&["--add-host", &host, "--allow", &allow])?;
    puppet.want(&format!("connect 1 mock.test {port}"), "ok")?;
    let (mut far, _) = world::accept(&listener)?;
    puppet.send(1, "hello")?;
    let came = world::read(&mut far);
    ensure(came == "hello", || format!("{came:?}"))?;
    Ok((stage, puppet, listener, port))
}

fn strike(pid: i32, signal: Signal) -> Check {
    kill(Pid::from_raw(pid), signal).map_err(|e| e.to_string())
}

/// SIGKILL for the gateway: the jail ends with it, in plain words.
pub fn the_gateway_killed_ends_the_jail(who: Who) -> Check {
    let (_stage, mut puppet, listener, port) = connected(who)?;
    let tree = puppet.jail.tree();
    ensure(tree.len() == 4, || format!("{tree:?}"))?;
    // What the program does while the gateway dies reaches nobody.
    puppet.tell(&format!("many 10 200 mock.test {port}"))?;
    strike(puppet.gateway()?.pid, Signal::SIGKILL)?;
    let ended = puppet.jail.end(LONG)?;
    ensure(ended.code == 125, || format!("{ended:?}"))?;
    let words = "error: the gateway ended, and the jail with it";
    ensure(ended.stderr.contains(words), || format!("{ended:?}"))?;
    let left = procs::survivors(&tree, GONE);
    ensure(left.is_empty(), || format!("left: {left:?}"))?;
    while world::accept_now(&listener).is_some() {}
    ensure(
        world::nobody_comes(&listener, Duration::from_millis(300)),
        || "somebody came after the end".into(),
    )
}

/// SIGSTOP for the gateway: nothing gets out, and SIGTERM still ends the jail.
pub fn the_gateway_stopped_lets_nothing_out(who: Who) -> Check {
    let (_stage, mut puppet, listener, port) = connected(who)?;
    let tree = puppet.jail.tree();
    let gateway = puppet.gateway()?.pid;
    strike(gateway, Signal::SIGSTOP)?;
    let address = "query mock.test 1";
    puppet.tell(address)?;
    ensure(
        world::nobody_comes(&listener, Duration::from_millis(300)),
        || format!("a stopped gateway connects to port {port}"),
    )?;
    puppet.jail.signal(Signal::SIGTERM);
    let ended = puppet.jail.end(Duration::from_secs(40))?;
    ensure(ended.code == 143, || format!("{ended:?}"))?;
    let left = procs::survivors(&tree, GONE);
    for process in &left {
        let _ = strike(process.pid, Signal::SIGKILL);
    }
    ensure(left.is_empty(), || format!("left: {left:?}"))
}

/// SIGKILL for the supervisor: gateway and jail end, and the world sees its connections end.
pub fn the_supervisor_killed_ends_gateway_and_jail(who: Who) -> Check {
    let (_stage, mut puppet, ..) = connected(who)?;
    let tree = puppet.jail.tree();
    ensure(tree.len() == 4, || format!("{tree:?}"))?;
    puppet.jail.signal(Signal::SIGKILL);
    puppet.jail.end(LONG)?;
    let left = procs::survivors(&tree, GONE);
    ensure(left.is_empty(), || format!("left: {left:?}"))
}

/// SIGKILL for the supervisor while the gateway is stopped and cannot notice: the kernel ends it.
pub fn a_stopped_gateway_dies_with_its_supervisor(who: Who) -> Check {
    let (_stage, mut puppet, ..) = connected(who)?;
    let tree = puppet.jail.tree();
    strike(puppet.gateway()?.pid, Signal::SIGSTOP)?;
    puppet.jail.signal(Signal::SIGKILL);
    puppet.jail.end(LONG)?;
    let left = procs::survivors(&tree, GONE);
    for process in &left {
        let _ = strike(process.pid, Signal::SIGKILL);
    }
    ensure(left.is_empty(), || format!("left: {left:?}"))
}
