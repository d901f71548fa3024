//! Starts that fail, and say why; a program that hangs.

use std::time::Duration;

use super::{FLOWISE, put_back};
use crate::Story;
use crate::guest;
use crate::kit::{Check, ensure, wait_for};

pub const PROFILE: Story = Story {
    about: "flowise.service with a wrong profile",
    scenes: &[
        ("does not start", wrong_profile),
        ("the journal shows file, line and caret", told),
        ("leaves nothing behind", || guest::nothing(FLOWISE)),
    ],
    end,
};

pub const DIRECTIVES: Story = Story {
    about: "flowise.service with a directive too much",
    scenes: &[
        ("ProtectKernelTunables= is refused by its name", || {
            refuses("ProtectKernelTunables=yes", "ProtectKernelTunables=")
        }),
        ("ProcSubset=pid is refused by its name", || {
            refuses("ProcSubset=pid", "ProcSubset=")
        }),
        ("ProtectHostname= is refused by its name", || {
            refuses("ProtectHostname=yes", "ProtectHostname=")
        }),
        ("ProtectControlGroups= is refused by its name", || {
            refuses("ProtectControlGroups=yes", "ProtectControlGroups=")
        }),
        ("no delegated cgroup is refused by its name", || {
            refuses("Delegate=no", "Delegate=")
        }),
        ("RestrictNamespaces= is refused by its name", || {
            refuses("RestrictNamespaces=yes", "RestrictNamespaces=")
        }),
        ("a filter without seccomp is refused by its name", || {
            refuses("SystemCallFilter=~seccomp", "SystemCallFilter=")
        }),
        ("a filter without Landlock is refused by its name", || {
            refuses(
                "SystemCallFilter=~landlock_create_ruleset",
                "SystemCallFilter=",
            )
        }),
        ("leaves nothing behind", || guest::nothing(FLOWISE)),
    ],
    end,
};

pub const WATCHDOG: Story = Story {
    about: "flowise.service with a program that hangs",
    scenes: &[
        ("is well for longer than the watchdog waits", well),
        ("is ended by the watchdog when it hangs", hung),
        ("leaves nothing behind", || guest::nothing(FLOWISE)),
    ],
    end,
};

fn end() -> Check {
    put_back(FLOWISE, "flowise.toml")
}

fn wrong_profile() -> Check {
    guest::drop_in(FLOWISE, "Restart=no")?;
    guest::profile("flowise.toml", &[("memory = \"2G\"", "memory = \"2Q\"")])?;
    let started = FLOWISE.order("start");
    ensure(started.is_err(), || "it started".into())?;
    let status = FLOWISE.show("ExecMainStatus")?;
    ensure(status == "125", || format!("status {status}"))
}

fn told() -> Check {
    for part in [
        "error: profile `/etc/flowjail/flowise.toml` cannot be used",
        "/etc/flowjail/flowise.toml:",
        "^^^^ not a size",
        "hint: ",
    ] {
        FLOWISE.says(part)?;
    }
    Ok(())
}

/// The twin of each is that the unit as it is shipped starts.
fn refuses(line: &str, named: &str) -> Check {
    guest::drop_in(FLOWISE, &format!("Restart=no\n{line}"))?;
    let before = FLOWISE.journal().len();
    let started = FLOWISE.order("start");
    let entries = FLOWISE.journal();
    let _ = FLOWISE.order("stop");
    ensure(started.is_err(), || "it started".into())?;
    let status = FLOWISE.show("ExecMainStatus")?;
    ensure(status == "125", || format!("status {status}"))?;
    let mut later = entries.iter().skip(before).map(guest::Entry::message);
    let hint = later.find(|text| text.starts_with("hint: ") && text.contains(named));
    ensure(hint.is_some(), || {
        format!("no hint names {named}:{}", FLOWISE.text())
    })
}

/// Twice as long as the watchdog waits.
fn well() -> Check {
    guest::drop_in(FLOWISE, "Restart=no\nWatchdogSec=15")?;
    FLOWISE.order("start")?;
    std::thread::sleep(Duration::from_secs(30));
    let state = FLOWISE.show("ActiveState")?;
    ensure(state == "active", || format!("{state}{}", FLOWISE.text()))
}

fn hung() -> Check {
    // Nobody waits for this answer.
    std::thread::spawn(|| guest::get("/hang"));
    FLOWISE.becomes("ActiveState", "failed")?;
    let result = FLOWISE.show("Result")?;
    ensure(result == "watchdog", || {
        format!("Result={result}{}", FLOWISE.text())
    })?;
    let unwell = |entry: &guest::Entry| entry.field("FLOWJAIL_STATE") == "unwell";
    let told = wait_for(Duration::from_secs(10), || {
        FLOWISE.journal().into_iter().find(unwell)
    });
    ensure(told.is_some(), || format!("no event:{}", FLOWISE.text()))
}
