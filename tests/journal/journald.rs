//! journald itself, as far as it runs without systemd: its own reading of the records, and what it knows of the sender.

use crate::Kind;
use crate::common::needs::{self, Need};
use crate::daemon::{Daemon, Place};
use crate::kit::who::Who;
use crate::kit::{Check, ensure, jail};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where Debian has it.
const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// What the test cannot do without.
pub fn needed() -> [Need; 3] {
    [
        needs::file("journald", Path::new(JOURNALD)),
        needs::program("journalctl"),
        needs::program("systemd-cat"),
    ]
}

/// A journal in memory and a /dev without `log`, both of a mount namespace; then the command, its output a stream of the
/// journal as that of a service is; then what the journal has stored, as JSON lines.
const INSIDE: &str = r#"set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journal /run/log/journal /run/dev
for node in null zero full random urandom; do touch /run/dev/$node; mount --bind /dev/$node /run/dev/$node; done
mount --rbind /run/dev /dev
"$0" 2>/run/said & journald=$!
trap 'kill $journald' EXIT
for _ in $(seq 200); do [ -S /run/systemd/journal/stdout ] && break; sleep 0.1; done
systemd-cat -t service sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"' sh "$@" </dev/null
for _ in $(seq 200); do
    journalctl -D /run/log/journal -o json --all --no-pager >/run/json
    grep -q '"FLOWJAIL_EVENT":"exit"' /run/json && break
    sleep 0.1
done
cat /run/json
"#;

/// Every field is stored as it was meant, and the record is the supervisor's.
pub fn journald_stores_what_is_sent(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::absent())?;
    let path = "/bin/x\nPRIORITY=0";
    let mut command = Command::new("unshare");
    command.args([
        "-m",
        "--propagation",
        "private",
        "sh",
        "-c",
        INSIDE,
        JOURNALD,
    ]);
    if let Some(uid) = who.other_uid() {
        let ids = [format!("--reuid={uid}"), format!("--regid={uid}")];
        command.arg("setpriv").args(ids).arg("--clear-groups");
    }
    command.arg(jail::binary());
    command.args(place.stage.words(&[], &["exec", path, "two"]));
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("HOME", "/nonexistent").stdin(Stdio::null());
    let (ended, text) = place.stage.finish("journald", command)?;
    let stored: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |event: &str| {
        let found = stored.iter().find(|one| one["FLOWJAIL_EVENT"] == event);
        found.ok_or_else(|| format!("no {event}: {text} {ended:?}"))
    };
    let (start, denied, exit) = (of("start")?, of("denied-exec")?, of("exit")?);
    let right = denied["FLOWJAIL_PATH"] == path
        && denied["PRIORITY"] == "4"
        && denied["MESSAGE"]
            == "blocked: start of the program /bin/x\\nPRIORITY=0: /bin/x\\nPRIORITY=0 two"
        && denied["SYSLOG_IDENTIFIER"] == "flowjail"
        && denied["_TRANSPORT"] == "journal";
    ensure(right, || format!("{denied}"))?;
    let one = |name: &str| start[name] == denied[name] && denied[name] == exit[name];
    ensure(one("_PID") && denied["_COMM"] == "flowjail", || {
        format!("{start} {denied} {exit}")
    })?;
    // What the people read is there beside the records, by the stream.
    let said = stored.iter().any(|line| {
        let message = line["MESSAGE"].as_str().unwrap_or_default();
        line["_TRANSPORT"] == "stdout" && message.starts_with("flowjail: actor: holds ")
    });
    ensure(said, || text)
}
