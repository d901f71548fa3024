//! Listening sockets that a service manager hands over, with names and without.

use crate::ingress::talk;
use crate::kit::jail::{self, Jail};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{self, LONG, Puppet, Stage};
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

/// Who comes by such a socket before the program listens is why it was started, and waits; once it has listened, and by an
/// address of the profile alone, visitors are refused while it does not.
pub fn the_first_visitor_waits(who: Who) -> Check {
    let [passed, own] = [(); 2].map(|()| world::port());
    let lines = format!("publish = [\"127.0.0.1:{passed}\", \"127.0.0.1:{own}\"]");
    let stage = Stage::new(who, &lines)?;
    let mut puppet = stage.start_command(behind(&stage, &[format!("tcp:{passed}")], &[])?)?;
    let mut visitor = world::visit("127.0.0.1", ("127.0.0.1", passed))?;
    let said = world::read(&mut world::visit("127.0.0.1", ("127.0.0.1", own))?);
    ensure(said == RESET, || format!("by the other address: {said:?}"))?;
    puppet.want(&format!("listen 1 {passed} 0"), "ok")?;
    puppet.want("accept 1 2 20000", "from 127.0.0.1")?;
    talk(&mut visitor, &mut puppet, 2)?;
    puppet.want("close 1", "ok")?;
    let said = world::read(&mut world::visit("127.0.0.1", ("127.0.0.1", passed))?);
    ensure(said == RESET, || format!("afterwards: {said:?}"))?;
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

/// The two kinds of jail.
const KINDS: [&str; 2] = ["jail = \"namespaced\"", "jail = \"bare\""];

/// A name leads to its line whatever the address; with the names changed about, each socket goes with the other line.
pub fn names_lead_to_their_lines(who: Who) -> Check {
    for kind in KINDS {
        let [web, admin, one, other] = [(); 4].map(|()| world::port());
        let line = |name: &str, port: u16, guest: &str| {
            format!(
                "{{ address = \"127.0.0.1:{port}\", to = {port}, socket = \"{name}\", allow_from = [\"{guest}\"] }}"
            )
        };
        let lines = [
            line("web", web, "127.0.0.1"),
            line("admin", admin, "127.0.0.9"),
        ];
        let stage = Stage::with(who, kind, &format!("publish = [{}]", lines.join(", ")))?;
        for [first, second] in [["admin", "web"], ["web", "admin"]] {
            let sockets = [
                format!("{first}=tcp:{one}"),
                format!("{second}=tcp:{other}"),
            ];
            let mut puppet = stage.start_command(behind(&stage, &sockets, &[])?)?;
            puppet.want(&format!("listen 1 {web} 0"), "ok")?;
            puppet.want(&format!("listen 2 {admin} 0"), "ok")?;
            let (of_web, of_admin) = if first == "web" {
                (one, other)
            } else {
                (other, one)
            };
            for (listens, at, guest) in [(1, of_web, "127.0.0.1"), (2, of_admin, "127.0.0.9")] {
                let mut visitor = world::visit(guest, ("127.0.0.1", at))?;
                let said = puppet.order(&format!("accept {listens} 3 20000"))?;
                ensure(said.starts_with("from 127.0.0."), || said)?;
                talk(&mut visitor, &mut puppet, 3)?;
                puppet.want("close 3", "ok")?;
            }
            // The addresses of the lines are nobody's.
            let knocked = world::visit("127.0.0.1", ("127.0.0.1", web));
            ensure(knocked.is_err(), || format!("{kind}: {web} is served, too"))?;
            puppet.end()?;
        }
    }
    Ok(())
}

/// One that has to come is an error where it does not; one that need not is opened instead.
pub fn a_socket_that_has_to_come(who: Who) -> Check {
    for kind in KINDS {
        for name in ["socket = \"web\", ", ""] {
            let [port, free] = [(); 2].map(|()| world::port());
            let profile = |word: &str, port: u16| {
                let line = format!("address = \"127.0.0.1:{port}\", {name}activation = \"{word}\"");
                Stage::with(who, kind, &format!("publish = [{{ {line} }}]"))
            };
            let stage = profile("require", port)?;
            let ended = stage.refused(&[])?;
            let told = "it was not handed over (LISTEN_FDS), and has to be";
            ensure(ended.code == 125 && ended.stderr.contains(told), || {
                format!("{kind} {name}: {ended:?}")
            })?;
            let passed = match name {
                "" => format!("tcp:{port}"),
                _ => format!("web=tcp:{port}"),
            };
            let handed = stage.start_command(behind(&stage, &[passed], &[])?)?;
            let opened = profile("prefer", free)?;
            visited(handed, port)?;
            visited(opened.start(&[])?, free)?;
        }
    }
    Ok(())
}

fn visited(mut puppet: Puppet, port: u16) -> Check {
    puppet.want(&format!("listen 1 {port} 0"), "ok")?;
    let mut visitor = world::visit("127.0.0.1", ("127.0.0.1", port))?;
    puppet.want("accept 1 2 20000", "from 127.0.0.1")?;
    talk(&mut visitor, &mut puppet, 2)?;
    puppet.end().map(drop)
}

/// What is no listening TCP socket, more sockets than addresses, names that do not fit, and a count that is not so.
pub fn a_wrong_socket_is_an_error(who: Who) -> Check {
    let [port, other] = [(); 2].map(|()| world::port());
    let publish = format!(
        "publish = [{{ address = \"127.0.0.1:{port}\", socket = \"web\" }}, {{ address = \"127.0.0.1:{other}\", to = 1 }}]"
    );
    let [tcp, web] = [format!("tcp:{port}"), format!("web=tcp:{port}")];
    let elsewhere = format!("tcp:{}", world::port());
    let cases: [(&[&str], &str); 13] = [
        (&[&format!("udp:{port}")], "but a datagram socket"),
        (&[&format!("idle:{port}")], "but one that does not listen"),
        (&[&format!("unix:{port}")], "but a unix socket"),
        (
            &[&format!("web=udp:{port}")],
            "the socket `web` that was handed over",
        ),
        (&[&tcp, &elsewhere], "no published address is like it"),
        (&[&tcp, &tcp], "another of this address has come before"),
        (
            &[&web, &format!("web={elsewhere}")],
            "another of the name `web` has come before",
        ),
        (
            &[&format!("db={elsewhere}")],
            "no published address has its name, or is like it",
        ),
        // A line with a name is no other named socket's.
        (
            &[&format!("db={tcp}")],
            "no published address has its name, or is like it",
        ),
        (&["FDS=2", &web], "LISTEN_FDNAMES has 1 names"),
        // Whatever has that number, it is no such socket.
        (&["FDS=9", &tcp], "LISTEN_FDS"),
        (&["FDS=many", &tcp], "not a number from 0 to 64"),
        (&["FDNAMES=web:db", &tcp], "LISTEN_FDNAMES has 2 names"),
    ];
    for kind in KINDS {
        for (sockets, told) in cases {
            let stage = Stage::with(who, kind, &publish)?;
            let sockets: Vec<String> = sockets.iter().map(ToString::to_string).collect();
            let mut command = behind(&stage, &sockets, &[])?;
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let ended = Jail::start(&stage.scratch, "wrong", command).end(LONG)?;
            let hinted = ended.stderr.contains("hint: ");
            let fine = ended.code == 125 && ended.stderr.contains(told) && hinted;
            ensure(fine, || format!("{kind} {sockets:?}: {ended:?}"))?;
        }
    }
    Ok(())
}
