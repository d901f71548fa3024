//! `allow_from` in the bare jail: the supervisor takes visitors first, and turns those away who are not invited.

use crate::kit::jail::Jail;
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{Check, ensure, wait_for};
use crate::program;
use crate::run::{How, LONG, Session, command, profile};
use crate::world::World;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// Somebody at the door, and whether the list names them.
struct Visitor(&'static str, bool);

/// A published address, its list, and who comes.
struct Door {
    published: &'static str,
    list: &'static str,
    visitors: &'static [Visitor],
}

const DOORS: [Door; 4] = [
    Door {
        published: "203.0.113.10:8097",
        list: "\"198.51.100.0/24\", \"203.0.113.11\"",
        visitors: &[
            Visitor("203.0.113.11", true),
            Visitor("198.51.100.7", true),
            Visitor("203.0.113.53", false),
            Visitor("203.0.113.10", false),
            Visitor("10.20.30.40", false),
        ],
    },
    Door {
        published: "203.0.113.10:8097",
        list: "\"203.0.113.8/29\", \"2001:db8::/32\"",
        visitors: &[
            Visitor("203.0.113.11", true),
            Visitor("203.0.113.53", false),
        ],
    },
    Door {
        published: "[2001:db8::10]:8097",
        list: "\"2001:db8:8000::/33\", \"fd00::8/125\", \"203.0.113.0/24\"",
        visitors: &[Visitor("2001:db8::10", false), Visitor("fd00::10", false)],
    },
    Door {
        published: "[2001:db8::10]:8097",
        list: "\"2001:db8::/33\", \"fd00::10/124\"",
        visitors: &[Visitor("2001:db8::10", true), Visitor("fd00::10", true)],
    },
];

/// Who is named comes in, who is not does not; without a list all do.
pub fn those_who_are_named_come_in(world: &World, who: Who) -> Check {
    for door in &DOORS {
        let all = format!("publish = [{:?}]", door.published);
        let list = door.list;
        let some = format!(
            "publish = [{{ address = {:?}, allow_from = [{list}] }}]",
            door.published
        );
        for (net, listed) in [(&all, false), (&some, true)] {
            let session = serve(world, How::Jailed(who), net)?;
            for Visitor(from, named) in door.visitors {
                let wanted = *named || !listed;
                let is_in = comes_in(door.published, from, wanted);
                ensure(is_in == wanted, || {
                    session.complaint(&format!("{net}: {from} came in: {is_in}"))
                })?;
            }
            session.finish()?;
        }
    }
    Ok(())
}

/// An address that this host does not have is an error at the start, of either family; one that it has is served.
pub fn an_address_of_another_host_is_an_error(world: &World, who: Who) -> Check {
    for [others, own] in [
        ["203.0.113.99:8097", "203.0.113.10:8097"],
        ["[2001:db8::99]:8097", "[2001:db8::10]:8097"],
    ] {
        let scratch = Scratch::new();
        let profile = profile(&scratch, "", &format!("publish = [{others:?}]"), "");
        let actor = program::actor()?.display().to_string();
        let words = [actor.as_str(), "door", "0.0.0.0", "8097"];
        let (mut refused, _) = command(&scratch, How::Jailed(who), &profile, &[], &words);
        refused.stdout(std::process::Stdio::null());
        let ended = Jail::start(&scratch, "refused", refused).end(LONG)?;
        let told = ended
            .stderr
            .contains("this host does not have that address");
        ensure(ended.code == 125 && told, || format!("{others}: {ended:?}"))?;
        let session = serve(world, How::Jailed(who), &format!("publish = [{own:?}]"))?;
        let from = own.rsplit_once(':').map_or(own, |(ip, _)| ip);
        let is_in = comes_in(own, from.trim_matches(['[', ']']), true);
        ensure(is_in, || {
            session.complaint(&format!("nobody comes in at {own}"))
        })?;
        session.finish()?;
    }
    Ok(())
}

fn serve<'w>(world: &'w World, how: How, net: &str) -> Result<Session<'w>, String> {
    let scratch = Scratch::new();
    let profile = profile(&scratch, "", net, "");
    let actor = program::actor()?.display().to_string();
    let (command, events) = command(
        &scratch,
        how,
        &profile,
        &[],
        &[&actor, "door", "0.0.0.0", "8097"],
    );
    let mut session = Session::start_command(world, scratch, command, events)?;
    session.has_to_pause()?;
    Ok(session)
}

/// Whether a connection from there is made. One that is to be made may take a while.
fn comes_in(to: &str, from: &str, patient: bool) -> bool {
    let knock = || -> std::io::Result<()> {
        let to: SocketAddr = to.parse().map_err(std::io::Error::other)?;
        let from: IpAddr = from.parse().map_err(std::io::Error::other)?;
        let family = socket2::Domain::for_address(to);
        let socket = socket2::Socket::new(family, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect_timeout(&to.into(), Duration::from_secs(5))?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.read_exact(&mut [0; 2])
    };
    match patient {
        true => wait_for(Duration::from_secs(5), || knock().ok()).is_some(),
        false => knock().is_ok(),
    }
}
