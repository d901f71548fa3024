//! `flowise-user.service`, of a user who is not logged in.

use super::{answers, key_is_the_childs_alone, put_back, runs_as, shell_is_refused};
use crate::Story;
use crate::guest::{self, Manager, Unit};
use crate::kit::{Check, ensure};

const USER: Unit = Unit {
    name: "flowise-user.service",
    manager: Manager::Ada,
};

pub const STORY: Story = Story {
    about: "flowise-user.service",
    scenes: &[
        ("is started when the ping answers", started),
        ("runs as its user without capabilities", || runs_as("1001")),
        ("has its limits in a cgroup below the user's", limits),
        ("the key is the child's alone", || {
            key_is_the_childs_alone(USER)
        }),
        (
            "a shell is refused, and the journal has it with its fields",
            || shell_is_refused(USER),
        ),
        ("a reload is told what came of it", || USER.order("reload")),
        ("ends at a stop", stopped),
        ("leaves nothing behind", || guest::nothing(USER)),
    ],
    end: || put_back(USER, "flowise-user.toml"),
};

fn started() -> Check {
    USER.order("start")?;
    answers()
}

fn limits() -> Check {
    let place = USER.cgroup()?;
    guest::holds(&place.display().to_string(), "user@1001.service")?;
    let pid = USER.workload()?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
    let text = text.map_err(|error| error.to_string())?;
    let own = text.trim().rsplit('/').next().unwrap_or_default();
    let most = std::fs::read_to_string(place.join(own).join("memory.max"));
    ensure(
        most.as_deref()
            .is_ok_and(|text| text.trim() == "2147483648"),
        || format!("memory.max of {own}: {most:?}"),
    )
}

fn stopped() -> Check {
    USER.order("stop")?;
    let result = USER.show("Result")?;
    ensure(result == "success", || {
        format!("Result={result}{}", USER.text())
    })
}
