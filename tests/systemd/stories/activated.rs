//! `flowise-activated.socket` and its service.

use super::put_back;
use crate::Story;
use crate::guest::{self, Unit};
use crate::kit::{Check, ensure};

const SOCKET: Unit = Unit::system("flowise-activated.socket");
const SERVICE: Unit = Unit::system("flowise-activated.service");

pub const STORY: Story = Story {
    about: "flowise-activated.socket",
    scenes: &[
        ("listens while nothing runs", listens),
        (
            "its first visitor starts the service, and is answered",
            first_visitor,
        ),
        ("visitors wait through a restart", restarted),
        ("listens on when the service has ended", ended),
        ("leaves nothing behind", || {
            SOCKET.order("stop")?;
            guest::nothing(SERVICE)
        }),
    ],
    end: || {
        let _ = SOCKET.order("stop");
        put_back(SERVICE, "flowise-activated.toml")
    },
};

fn listens() -> Check {
    SOCKET.order("start")?;
    let states = (SOCKET.show("SubState")?, SERVICE.show("ActiveState")?);
    let expected = states.0 == "listening" && states.1 == "inactive";
    ensure(expected, || format!("{states:?}"))
}

/// One connection: it waits until the program answers.
fn first_visitor() -> Check {
    let body = guest::get("/api/v1/ping").map_err(|error| format!("{error}{}", SERVICE.text()))?;
    ensure(body == "pong", || format!("answered {body:?}"))?;
    SERVICE.becomes("ActiveState", "active")
}

fn restarted() -> Check {
    let before = SERVICE.main_pid()?;
    let restart = std::thread::spawn(|| SERVICE.order("restart"));
    let body = guest::ask("/api/v1/ping")?;
    restart.join().map_err(|_| "the restart's thread ended")??;
    let after = SERVICE.main_pid()?;
    ensure(before != after && body == "pong", || {
        format!("{before} {after} {body:?}")
    })
}

fn ended() -> Check {
    SERVICE.order("stop")?;
    let state = SOCKET.show("SubState")?;
    ensure(state == "listening", || state)
}
