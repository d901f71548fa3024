//! What is recorded, where, and how.

use crate::Kind;
use crate::daemon::{Daemon, Place, texts};
use crate::kit::jail::{events, is};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::SOON;
use std::collections::BTreeMap;

/// Start, denials and end, each with its sentence, its priority and its own fields, sent by the supervisor.
pub fn records_go_where_stderr_goes(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::new())?;
    let verb = ["exec", "/bin/sh", "-c", "echo owned"];
    let mut live = place
        .stage
        .live("service", place.as_service("service", &[], &verb));
    let supervisor = live.jail.pid();
    let ended = live.jail.end(SOON)?;
    let records = place.daemon.records();
    let kinds: Vec<String> = records.iter().map(|record| record.event()).collect();
    ensure(
        ended.code == 0 && kinds == ["start", "denied-exec", "exit"],
        || format!("{records:?} {ended:?}"),
    )?;
    for record in &records {
        let common = [
            ("SYSLOG_IDENTIFIER", "flowjail"),
            ("FLOWJAIL_JAIL", "actor"),
        ];
        let right = common
            .iter()
            .all(|(name, value)| record.text(name) == *value);
        ensure(right && record.pid == supervisor, || {
            format!("{record:?}, and {supervisor}")
        })?;
    }
    let [start, denied, exit] = &records[..] else {
        return Err("not three".into());
    };
    let message = start.text("MESSAGE");
    let promises = start.text("FLOWJAIL_PROMISES");
    let promises: BTreeMap<String, String> =
        serde_json::from_str(&promises).map_err(|error| error.to_string())?;
    let right = message.starts_with("start: holds ") && start.text("PRIORITY") == "6";
    ensure(right && promises["privilege"] == "held", || {
        format!("{start:?}")
    })?;
    let mut found = texts(denied);
    let pid = found.remove("FLOWJAIL_PID").unwrap_or_default();
    ensure(pid.parse().is_ok_and(|pid: i32| pid > 1), || pid.clone())?;
    let expected = [
        ("FLOWJAIL_ARGV", "[\"/bin/sh\",\"-c\",\"echo owned\"]"),
        ("FLOWJAIL_COUNT", "1"),
        ("FLOWJAIL_EVENT", "denied-exec"),
        ("FLOWJAIL_JAIL", "actor"),
        ("FLOWJAIL_PATH", "/bin/sh"),
        ("FLOWJAIL_ALLOW", "[exec] programs = [\"/bin/sh\"]"),
        (
            "MESSAGE",
            "blocked: start of the program /bin/sh: /bin/sh -c echo owned",
        ),
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "flowjail"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ensure(found == BTreeMap::from(expected), || format!("{found:?}"))?;
    let message = exit.text("MESSAGE");
    let right = message == "end: exit code 0; blocked once" && exit.text("PRIORITY") == "6";
    ensure(right && exit.text("FLOWJAIL_DROPPED") == "0", || {
        format!("{exit:?}")
    })
}

/// A variable that was inherited, or is none: stderr is a file, and nothing is recorded.
pub fn stderr_that_is_something_else_gets_none(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::new())?;
    for stream in [None, Some("8:1"), Some("x:y"), Some("")] {
        let mut command = place.command(&[], &["denied", "1"]);
        command.envs(stream.map(|stream| ("JOURNAL_STREAM", stream)));
        let (ended, _) = place.stage.finish("other", command)?;
        let records = place.daemon.records();
        ensure(ended.code == 0 && records.is_empty(), || {
            format!("{stream:?}: {records:?} {ended:?}")
        })?;
    }
    // The twin: the right one, which the program is not told, and no descriptor of which it has.
    let command = place.as_service("right", &[], &["descriptors"]);
    let (_, text) = place.stage.finish("right", command)?;
    ensure(
        text == "0\n1\n2\n" && !place.daemon.records().is_empty(),
        || text,
    )?;
    let command = place.as_service("environ", &[], &["show", "/proc/self/environ"]);
    let (_, text) = place.stage.finish("environ", command)?;
    ensure(!text.is_empty() && !text.contains("JOURNAL_STREAM"), || {
        text
    })
}

/// Whatever stderr is.
pub fn records_are_asked_for(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::new())?;
    let command = place.command(&["--events", "journal"], &["denied", "3"]);
    let (ended, _) = place.stage.finish("asked", command)?;
    let records = place.daemon.records();
    let denied: Vec<_> = records
        .iter()
        .filter(|record| record.event() == "denied-call")
        .collect();
    let first = denied.first().ok_or("nothing denied")?;
    let right = first.text("MESSAGE") == "blocked: system call keyctl"
        && first.text("FLOWJAIL_SYSCALL") == "keyctl"
        && first.text("FLOWJAIL_ARGS").starts_with("[0,")
        && first.text("PRIORITY") == "4";
    ensure(ended.code == 0 && right, || {
        format!("{records:?} {ended:?}")
    })?;
    // The settled count comes at the end.
    let last = denied.last().ok_or("nothing denied")?;
    ensure(
        last.text("MESSAGE") == "blocked: system call keyctl (3 times)",
        || format!("{records:?}"),
    )
}

/// `--events FILE` stays what it was.
pub fn a_file_takes_json_beside_a_journal(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::new())?;
    let file = place
        .stage
        .scratch
        .dir_of(who, "events")
        .join("events.jsonl");
    let flag = file.display().to_string();
    let command = place.as_service("file", &["--events", &flag], &["denied", "1"]);
    let (ended, _) = place.stage.finish("file", command)?;
    let lines = events(&file)?;
    let records = place.daemon.records();
    let right = lines.iter().any(|line| is(line, "denied-call")) && records.is_empty();
    ensure(ended.code == 0 && right, || {
        format!("{lines:?} {records:?} {ended:?}")
    })
}

/// A path of several lines, as an attacker would choose it, is one value.
pub fn no_field_is_forged_by_a_newline(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::new())?;
    let path = "/bin/x\nPRIORITY=0\nMESSAGE=all is well\n";
    let command = place.command(&["--events", "journal"], &["exec", path, "a\nFORGED=1"]);
    let (ended, _) = place.stage.finish("newline", command)?;
    let records = place.daemon.records();
    let denied = records
        .iter()
        .find(|record| record.event() == "denied-exec")
        .ok_or_else(|| format!("{records:?} {ended:?}"))?;
    // `texts` sees to it that no field is there twice.
    let found = texts(denied);
    let right = found["FLOWJAIL_PATH"] == path
        && found["PRIORITY"] == "4"
        && found["MESSAGE"].starts_with("blocked: start of the program /bin/x\\nPRIORITY=0\\n")
        && !found.contains_key("FORGED");
    ensure(right, || format!("{found:?}"))
}

/// Sixteen arguments of 255 control characters are cut, and the path is there.
pub fn long_arguments_do_not_hide_the_path(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::new())?;
    let command = place.command(&["--events", "journal"], &["exec-controls", "/bin/sh"]);
    let (ended, _) = place.stage.finish("long", command)?;
    let records = place.daemon.records();
    let mut denied = records.iter().filter(|one| one.event() == "denied-exec");
    let path = denied.next().map(|record| record.text("FLOWJAIL_PATH"));
    ensure(path.as_deref() == Some("/bin/sh"), || {
        format!("{records:?} {ended:?}")
    })
}

/// A jail is called by the name that it is found by, however it was named.
pub fn a_name_of_lines_is_one_word(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::new())?;
    let name = format!("a\nFORGED=1\n{}", "b".repeat(20_000));
    let flags = ["--events", "journal", "--name", &name];
    let command = place.command(&flags, &["exit", "7"]);
    let (ended, _) = place.stage.finish("name", command)?;
    let records = place.daemon.records();
    let last = records.iter().find(|record| record.event() == "exit");
    let found = texts(last.ok_or_else(|| format!("{records:?} {ended:?}"))?);
    let wanted = format!("a-FORGED-1-{}", "b".repeat(53));
    let said = ended
        .stderr
        .contains(&format!("flowjail: {wanted}: holds "));
    ensure(
        said && found["FLOWJAIL_JAIL"] == wanted && !found.contains_key("FORGED"),
        || format!("{found:?} {ended:?}"),
    )
}

/// Asked for it is an error; where stderr would be the journal's the jail runs, and says so.
pub fn no_journal_is_said(kind: Kind, who: Who) -> Check {
    let place = Place::new(kind, who, Daemon::absent())?;
    let mark = place.stage.work("mark").display().to_string();
    let command = place.command(&["--events", "journal"], &["mark", &mark]);
    let (ended, _) = place.stage.finish("asked", command)?;
    let told = "error: --events journal: /run/systemd/journal/socket: No such file";
    let ran = std::path::Path::new(&mark).exists();
    ensure(
        ended.code == 125 && ended.stderr.starts_with(told) && !ran,
        || format!("{ended:?}"),
    )?;
    let command = place.as_service("service", &[], &["exit", "7"]);
    let (ended, _) = place.stage.finish("service", command)?;
    let told = "flowjail: WARNING: stderr is the journal, and no events are recorded: ";
    ensure(ended.code == 7 && ended.stderr.contains(told), || {
        format!("{ended:?}")
    })
}
