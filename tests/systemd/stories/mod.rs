//! What is played in the guest.

mod activated;
mod bare;
mod failures;
mod limits;
mod service;
mod starters;
mod units;
mod user;

use crate::Story;
use crate::guest::{self, Unit};
use crate::kit::{Check, ensure};

/// All of them, in their order.
pub const ALL: [&Story; 13] = [
    &units::STORY,
    &service::STORY,
    &service::KILLED,
    &failures::PROFILE,
    &failures::DIRECTIVES,
    &failures::WATCHDOG,
    &limits::MEMORY,
    &starters::USER,
    &starters::ROOT,
    &bare::STORY,
    &bare::MEMORY,
    &user::STORY,
    &activated::STORY,
];

const FLOWISE: Unit = Unit::system("flowise.service");

/// It answers as Flowise would.
fn answers() -> Check {
    let body = guest::get("/api/v1/ping")?;
    ensure(body == "pong", || format!("answered {body:?}"))
}

/// Ends the unit and puts it and its profile back as they are shipped.
fn put_back(unit: Unit, profile: &str) -> Check {
    let _ = unit.order("stop");
    let _ = unit.order("reset-failed");
    guest::without_drop_ins(unit)?;
    guest::profile(profile, &[])
}

/// A start of another program is refused, and the journal has the event.
fn shell_is_refused(unit: Unit) -> Check {
    guest::holds(&guest::get("/shell")?, "EPERM")?;
    let denied = unit.entry("denied-exec", |entry| entry.is_event("denied-exec"))?;
    for (field, value) in [
        ("FLOWJAIL_PATH", "/bin/sh"),
        ("SYSLOG_IDENTIFIER", "flowjail"),
        ("FLOWJAIL_COUNT", "1"),
    ] {
        let found = denied.field(field);
        ensure(found == value, || {
            format!("{field} is {found:?} in {denied:?}")
        })?;
    }
    ensure(denied.message().contains("/bin/sh"), || {
        format!("{denied:?}")
    })
}

/// Only one process is given the key: the program itself, which reads it as this variable.
fn key_is_the_childs_alone(unit: Unit) -> Check {
    let seen = guest::get("/variable?name=FLOWISE_SECRETKEY_OVERWRITE")?;
    guest::holds(&seen, guest::key())?;
    let workload = unit.workload()?;
    let processes = unit.processes()?;
    ensure(processes.len() == 4, || format!("processes: {processes:?}"))?;
    for pid in processes {
        for file in ["environ", "cmdline"] {
            let place = format!("/proc/{pid}/{file}");
            let bytes = std::fs::read(&place).map_err(|error| format!("{place}: {error}"))?;
            let there = bytes
                .windows(guest::key().len())
                .any(|part| part == guest::key().as_bytes());
            let may = pid == workload && file == "environ";
            ensure(there == may, || {
                format!("{place}: the key is there: {there}")
            })?;
        }
    }
    Ok(())
}

/// A field of what the program says of itself in /proc/self/status.
fn status(field: &str) -> Result<String, String> {
    let all = guest::fields(&guest::get("/status")?);
    all.get(field).cloned().ok_or_else(|| format!("no {field}"))
}

/// Every id of the program is this, and it has no capability.
fn runs_as(uid: &str) -> Check {
    let ids = status("Uid")?;
    let all: Vec<&str> = ids.split_whitespace().collect();
    ensure(all == [uid; 4], || format!("Uid: {ids}, not {uid}"))?;
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        let held = status(set)?;
        ensure(held == "0000000000000000", || format!("{set}: {held}"))?;
    }
    Ok(())
}
