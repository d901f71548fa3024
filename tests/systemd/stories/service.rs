//! `flowise.service`, as it is shipped: the life of a service.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use super::{FLOWISE, answers, put_back, runs_as, shell_is_refused};
use crate::Story;
use crate::guest::{self, Manager, systemctl};
use crate::kit::{Check, ensure, wait_for};

pub const STORY: Story = Story {
    about: "flowise.service",
    scenes: &[
        ("is not started while the program is not ready", waits),
        ("is started when the ping answers", started),
        ("has a status line", status_line),
        ("runs as a user of its own without capabilities", own_user),
        (
            "writes its data, and has its runtime directory",
            directories,
        ),
        ("has its limits in a cgroup below its own", limits),
        ("the key is the child's alone", || {
            super::key_is_the_childs_alone(FLOWISE)
        }),
        (
            "a shell is refused, and the journal has it with its fields",
            || shell_is_refused(FLOWISE),
        ),
        ("the start is in the journal with its promises", start_event),
        (
            "notifications come from the main process only",
            notifications,
        ),
        ("a host that was added is reached after a reload", reloaded),
        (
            "a change that needs a restart is told at a reload",
            needs_restart,
        ),
        (
            "a reload of a wrong profile fails, and the service goes on",
            wrong_reload,
        ),
        ("ends at a stop", stopped),
        ("leaves nothing behind", || guest::nothing(FLOWISE)),
    ],
    end,
};

pub const KILLED: Story = Story {
    about: "flowise.service, its main process killed",
    scenes: &[
        ("all of it ends", killed),
        ("starts again by itself", again),
        ("leaves nothing behind after a stop", || {
            FLOWISE.order("stop")?;
            guest::nothing(FLOWISE)
        }),
    ],
    end,
};

fn end() -> Check {
    let _ = fs::remove_file("/var/lib/private/flowise/slow");
    put_back(FLOWISE, "flowise.toml")
}

/// The stand-in is asked to take its time.
fn waits() -> Check {
    fs::create_dir_all("/var/lib/private/flowise").map_err(|error| error.to_string())?;
    fs::set_permissions("/var/lib/private", fs::Permissions::from_mode(0o700))
        .and_then(|()| fs::write("/var/lib/private/flowise/slow", "15"))
        .map_err(|error| error.to_string())?;
    systemctl(Manager::System, &["start", "--no-block", FLOWISE.name])?;
    FLOWISE.says("flowjail: flowise: serves")?;
    std::thread::sleep(Duration::from_secs(3));
    let state = FLOWISE.show("ActiveState")?;
    ensure(state == "activating", || {
        format!("{state}{}", FLOWISE.text())
    })
}

fn started() -> Check {
    FLOWISE.becomes("ActiveState", "active")?;
    answers()
}

fn status_line() -> Check {
    let told = || {
        FLOWISE
            .show("StatusText")
            .ok()
            .filter(|text| text.contains("ready"))
    };
    let text = wait_for(Duration::from_secs(60), told).ok_or("no status line")?;
    guest::holds(&text, "127.0.0.1:3000")
}

fn own_user() -> Check {
    let data = fs::metadata("/var/lib/private/flowise").map_err(|error| error.to_string())?;
    // systemd.exec(5): dynamic users are from this range.
    ensure((61184..=65519).contains(&data.uid()), || {
        format!("uid {}", data.uid())
    })?;
    runs_as(&data.uid().to_string())
}

fn directories() -> Check {
    guest::get("/write?path=/home/flowise/.flowise/note")?;
    let note = fs::read_to_string("/var/lib/private/flowise/note");
    ensure(note.as_deref().is_ok_and(|text| text == "written"), || {
        format!("{note:?}")
    })?;
    let runtime = fs::metadata("/run/flowise/").map_err(|error| error.to_string())?;
    let mode = runtime.permissions().mode() & 0o777;
    ensure(mode == 0o700, || format!("/run/flowise has mode {mode:o}"))
}

fn limits() -> Check {
    let place = FLOWISE.cgroup()?;
    let text = fs::read_to_string(format!("/proc/{}/cgroup", FLOWISE.workload()?));
    let text = text.map_err(|error| error.to_string())?;
    let own = text.trim().rsplit('/').next().unwrap_or_default();
    for (file, wanted) in [
        ("memory.max", "2147483648"),
        ("pids.max", "128"),
        ("cpu.max", "200000 100000"),
    ] {
        let at = place.join(own).join(file);
        let value =
            fs::read_to_string(&at).map_err(|error| format!("{}: {error}", at.display()))?;
        ensure(value.trim() == wanted, || {
            format!("{}: {value}", at.display())
        })?;
    }
    Ok(())
}

fn start_event() -> Check {
    let start = FLOWISE.entry("start event", |entry| entry.is_event("start"))?;
    for (field, part) in [
        ("FLOWJAIL_JAIL", "flowise"),
        ("FLOWJAIL_PROMISES", "limits"),
        ("SYSLOG_IDENTIFIER", "flowjail"),
        ("PRIORITY", "6"),
    ] {
        let value = start.field(field);
        ensure(value.contains(part), || {
            format!("{field} is {value:?} in {start:?}")
        })?;
    }
    let ready = FLOWISE.entry("service event", |entry| entry.is_event("service"))?;
    let state = ready.field("FLOWJAIL_STATE");
    ensure(state == "ready", || format!("{ready:?}"))
}

fn notifications() -> Check {
    let access = FLOWISE.show("NotifyAccess")?;
    ensure(access == "main", || access)?;
    let refused = FLOWISE.journal().into_iter();
    let mut refused = refused.filter(|entry| entry.message().contains("Got notification message"));
    ensure(refused.next().is_none(), || FLOWISE.text())
}

/// A server on the guest's own loopback stands in for a host.
fn reloaded() -> Check {
    let server = std::net::TcpListener::bind("127.0.0.1:443").map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        for stream in server.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut &stream, b"hello");
        }
    });
    let ask = "/connect?host=added.test&port=443";
    guest::holds(&guest::get(ask)?, "ENOTFOUND")?;
    guest::profile(
        "flowise.toml",
        &[("[resources]", &format!("{ADDED}\n[resources]"))],
    )?;
    FLOWISE.order("reload")?;
    guest::holds(&guest::get(ask)?, "heard hello")?;
    FLOWISE
        .entry("reload event", |entry| entry.is_event("reload"))
        .map(drop)
}

/// The port is one that the profile has at the start: the running jail's Landlock rules have it.
const ADDED: &str = r#"[net]
private = [{ host = "added.test", port = 443, as = "tcp" }]
hosts = { "added.test" = "127.0.0.1" }
"#;

fn needs_restart() -> Check {
    guest::profile("flowise.toml", &[("memory = \"2G\"", "memory = \"3G\"")])?;
    let said = FLOWISE.order("reload");
    ensure(said.is_err(), || {
        "systemctl says that all was applied".into()
    })?;
    FLOWISE.says("restart")?;
    FLOWISE.says("memory")?;
    answers()
}

fn wrong_reload() -> Check {
    guest::profile("flowise.toml", &[("memory = \"2G\"", "memory = \"2Q\"")])?;
    let said = FLOWISE.order("reload");
    ensure(said.is_err(), || {
        "systemctl says that all was applied".into()
    })?;
    FLOWISE.says("not a size")?;
    answers()
}

fn stopped() -> Check {
    FLOWISE.order("stop")?;
    let result = FLOWISE.show("Result")?;
    ensure(result == "success", || {
        format!("Result={result}{}", FLOWISE.text())
    })?;
    FLOWISE
        .entry("exit event", |entry| entry.is_event("exit"))
        .map(drop)
}

fn killed() -> Check {
    FLOWISE.order("start")?;
    let processes = FLOWISE.processes()?;
    systemctl(
        Manager::System,
        &["kill", "--kill-whom=main", "--signal=KILL", FLOWISE.name],
    )?;
    let gone = || {
        let here = |pid: &&i32| std::path::Path::new(&format!("/proc/{pid}")).exists();
        processes.iter().find(here).is_none().then_some(())
    };
    wait_for(Duration::from_secs(60), gone)
        .ok_or_else(|| format!("of {processes:?} some are left{}", FLOWISE.text()))?;
    FLOWISE.says("code=killed, status=9/KILL")
}

fn again() -> Check {
    FLOWISE.becomes("NRestarts", "1")?;
    FLOWISE.becomes("ActiveState", "active")?;
    answers()
}
