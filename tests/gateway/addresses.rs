//! Addresses that the profile names without a name.

use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::Stage;
use crate::world::{self, OTHER, PRIVATE, PUBLIC, PUBLIC_V6, VISITOR_V6};

/// Single addresses and networks, of both families; everything beside them is refused and told.
pub fn named_addresses_are_reached_and_no_others(who: Who) -> Check {
    let (public, private, six) = (
        world::echo(PUBLIC),
        world::echo(PRIVATE),
        world::echo(PUBLIC_V6),
    );
    let other = world::echo(OTHER);
    let net = format!(
        "addresses = [\"{PUBLIC}:{public}\", \"10.0.0.0/8:{private}\", \"[2001:db8::/122]:{six}\"]"
    );
    let stage = Stage::new(who, &net)?;
    let mut puppet = stage.start(&[])?;
    for (socket, address, port) in [
        (1, PUBLIC, public),
        (2, PRIVATE, private),
        (3, PUBLIC_V6, six),
        (4, PUBLIC, public),
    ] {
        puppet.want(&format!("connect {socket} {address} {port}"), "ok")?;
        puppet.echoes(socket, address)?;
    }
    for (address, port) in [
        (PUBLIC, other),
        (OTHER, other),
        (PRIVATE, public),
        (VISITOR_V6, six),
        ("1.1.1.1", 443),
        ("169.254.169.254", 80),
    ] {
        // Landlock knows the ports, the gateway the addresses.
        let answer = puppet.order(&format!("connect 9 {address} {port}"))?;
        let refused = ["errno 111 ECONNREFUSED", "errno 13 EACCES"].contains(&answer.as_str());
        ensure(refused, || format!("{address}:{port}: {answer}"))?;
        puppet.event("connection", &[address, "raw address"])?;
    }
    puppet.end()?;
    let event = puppet.event("connection", &[PRIVATE, "allowed"])?;
    let rule = crate::stage::text(&event, "rule");
    ensure(!rule.is_empty(), || event.to_string())
}

/// Nobody listens at a named address.
pub fn a_named_address_without_a_listener_is_told(who: Who) -> Check {
    let port = world::port();
    let stage = Stage::new(who, &format!("addresses = [\"10.0.0.0/8:{port}\"]"))?;
    let mut puppet = stage.start(&[])?;
    if puppet.order(&format!("connect 1 {PRIVATE} {port}"))? == "ok" {
        puppet.want("read 1 20000", "errno 104 ECONNRESET")?;
    }
    puppet.event("connection", &[PRIVATE, "cannot be reached"])?;
    puppet.end().map(drop)
}
