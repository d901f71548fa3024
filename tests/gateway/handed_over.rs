//! Listening sockets that a service manager hands over.

use crate::ingress::talk;
use crate::kit::jail::{self, Jail};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{self, LONG, Stage};
use crate::world::{self, RESET};
use std::process::{Command, Stdio};

fn behind(stage: &Stage, sockets: &[String], flags: &[&str]) -> Result<Command, String> {
    let mut command = stage.who.command(&stage::program("handover")?);
    command.args(sockets).arg("--").arg(jail::binary());
    command.args(stage.words(flags));
    Ok(command)
}

/// Visitors of the socket that was handed over are led in; the profile's line judges them.
pub fn a_socket_is_taken(who: Who) -> Check {
    let port = world::port();
    let stage = Stage::new(
        who,
        &format!("publish = [{{ address = \"127.0.0.1:{port}\", allow_from = [\"127.0.0.1\"] }}]"),
    )?;
    let mut puppet = stage.start_command(behind(&stage, &[format!("tcp:{port}")], &[])?)?;
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    let mut visitor = world::visit("127.0.0.1", ("127.0.0.1", port))?;
    puppet.want("accept 1 2 20000", "from 127.0.0.1")?;
    talk(&mut visitor, &mut puppet, 2)?;
    let said = world::read(&mut world::visit("127.0.0.2", ("127.0.0.1", port))?);
    ensure(said == RESET, || format!("{said:?}"))?;
    puppet.end().map(drop)
}

/// Each goes with the line of its own address, in whatever order they come; a line without one is served all the same.
pub fn sockets_go_with_their_lines(who: Who) -> Check {
    let [near, far, own] = [(); 3].map(|()| world::port());
    let line = |port: u16, guest: &str| {
        format!("{{ address = \"127.0.0.1:{port}\", allow_from = [\"{guest}\"] }}")
    };
    let lines = [
        line(near, "127.0.0.1"),
        line(far, "127.0.0.9"),
        line(own, "127.0.0.1"),
    ];
    let stage = Stage::new(who, &format!("publish = [{}]", lines.join(", ")))?;
    let sockets = [format!("tcp:{far}"), format!("tcp:{near}")];
    let mut puppet = stage.start_command(behind(&stage, &sockets, &[])?)?;
    puppet.want(&format!("listen 1 {near} 0"), "ok")?;
    for port in [near, own] {
        let mut visitor = world::visit("127.0.0.1", ("127.0.0.1", port))?;
        puppet.want("accept 1 2 20000", "from 127.0.0.1")?;
        talk(&mut visitor, &mut puppet, 2)?;
        puppet.want("close 2", "ok")?;
    }
    let said = world::read(&mut world::visit("127.0.0.1", ("127.0.0.1", far))?);
    ensure(said == RESET, || format!("{said:?}"))?;
    puppet.event("visitor", &[&format!("127.0.0.1:{far}")])?;
    puppet.end().map(drop)
}

/// What is no listening TCP socket, and more sockets than addresses, are errors.
pub fn a_wrong_socket_is_an_error(who: Who) -> Check {
    let port = world::port();
    let publish = format!("publish = [\"127.0.0.1:{port}\"]");
    let wrong = "not a listening TCP socket";
    let cases = [
        (vec![format!("udp:{port}")], wrong),
        (vec![format!("idle:{port}")], wrong),
        (vec![format!("unix:{port}")], wrong),
        (
            vec![format!("tcp:{port}"), format!("tcp:{}", world::port())],
            "no published address is like it",
        ),
    ];
    for (sockets, told) in cases {
        let stage = Stage::new(who, &publish)?;
        let mut command = behind(&stage, &sockets, &[])?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let ended = Jail::start(&stage.scratch, "wrong", command).end(LONG)?;
        ensure(ended.code == 125 && ended.stderr.contains(told), || {
            format!("{sockets:?}: {ended:?}")
        })?;
    }
    Ok(())
}
