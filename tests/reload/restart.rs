//! What takes a restart, and what changes nothing.

use crate::kit::jail;
use crate::kit::{Check, ensure};
use crate::running::{How, Kind, RESTART, Running};
use crate::stage::number;
use crate::world::{self, PUBLIC};

/// Landlock's ports are fixed at the start: such a line is left out whole, the others are in force. The bare jail's connects
/// are not Landlock's to judge.
pub fn a_port_may_need_a_restart(how: How) -> Check {
    let [known, new] = [world::echo(PUBLIC), world::echo(PUBLIC)];
    let mut jail = Running::start(how, &format!("allow = [\"a.test:{known}\"]"))?;
    let lines = format!("allow = [\"a.test:{known}\", \"b.test:{known}\", \"c.test:{new}\"]");
    if how.kind == Kind::Bare {
        jail.reload_tells(&lines, 0, &["2 added"])?;
        jail.reaches(1, "b.test", known)?;
        jail.reaches(2, "c.test", new)?;
        return jail.puppet.end().map(drop);
    }
    let named = format!("[net] c.test:{new}: a port that the running jail may not connect to");
    jail.reload_tells(&lines, RESTART, &["1 added", &named, "needs a restart"])?;
    jail.reaches(1, "b.test", known)?;
    jail.knows_nothing_of("c.test")?;
    let event = jail.last_reload()?;
    ensure(number(&event, "restart_count") == 1, || event.to_string())?;
    // As long as it is not restarted, it is said.
    jail.reload_tells(&lines, RESTART, &["the same as before", &named])?;
    jail.puppet.end()?;
    let mut jail = Running::start(how, &lines)?;
    jail.reaches(1, "c.test", new)?;
    jail.puppet.end().map(drop)
}

/// By the keys of the profile.
pub fn what_needs_a_restart_is_named(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let mut jail = Running::start(how, &format!("allow = [\"a.test:{port}\"]"))?;
    let more = "[env]\nset = { REGION = \"secret-north\" }\n[resources]\nopen_files = 512\nmemory = \"3G\"\n\
                [promises]\nprocesses = \"off\"\nlimits = \"require\"\n[syscalls]\nallow = [{ name = \"chroot\", why = \"w\" }]\n\
                [secrets]\nTOKEN = { credential = \"token\" }\n";
    jail.stage.edit(|text| format!("{text}\n{more}"))?;
    jail.stage
        .edit(|text| text.replace("read = [", "read = [\"/usr/share\", "))?;
    let served = world::port();
    let lines = format!("allow = [\"b.test:{port}\"]\npublish = [\"127.0.0.1:{served}\"]");
    let keys = [
        "[env] REGION",
        "[resources] open_files",
        "[resources] memory",
        "[promises] limits",
        // Read when the program starts: that it cannot be read from here stands in nobody's way.
        "[secrets] TOKEN",
        "[promises] processes",
        "[syscalls] chroot",
        "[files] /usr/share",
        &format!("[net] publish 127.0.0.1:{served}"),
        &format!("+ b.test:{port}"),
    ];
    let said = jail.reload(&lines, RESTART)?;
    for key in keys {
        ensure(said.contains(key), || format!("no {key:?} in {said}"))?;
    }
    ensure(!said.contains("secret-north"), || said.clone())?;
    let needless = ["[ids]", "jail\n", "the command"];
    ensure(needless.iter().all(|key| !said.contains(key)), || said)?;
    jail.reaches(1, "b.test", port)?;
    jail.knows_nothing_of("a.test")?;
    let event = jail.last_reload()?;
    ensure(number(&event, "restart_count") >= 6, || event.to_string())?;
    jail.puppet.end().map(drop)
}

/// Again and again.
pub fn the_same_profile_changes_nothing(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let lines = format!("allow = [\"a.test:{port}\", \"*.b.test:{port}\"]");
    let mut jail = Running::start(how, &lines)?;
    jail.reaches(1, "a.test", port)?;
    for _ in 0..3 {
        jail.reload_tells(&lines, 0, &["its rules say the same as before"])?;
        jail.puppet.echoes(1, "undisturbed")?;
    }
    // Where a line stands is no part of what it says.
    jail.stage.edit(|text| format!("# a comment\n\n{text}"))?;
    jail.reload_tells(&lines, 0, &["its rules say the same as before"])?;
    let mut json = jail.command(&["--json"]);
    let output = json.output().map_err(|e| e.to_string())?;
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("{e}: {output:?}"))?;
    let nothing = ["added", "removed", "changed", "restart"]
        .iter()
        .all(|key| answer[key].as_array().is_some_and(Vec::is_empty));
    ensure(nothing && answer["jail"] == jail.name.as_str(), || {
        answer.to_string()
    })?;
    jail.puppet.end().map(drop)
}

/// As `check` tells of it.
pub fn a_wrong_profile_changes_nothing(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let lines = format!("allow = [\"a.test:{port}\"]");
    let mut jail = Running::start(how, &lines)?;
    jail.reaches(1, "a.test", port)?;
    let wrong = [
        "allow = [\"b.**.test\"]",
        "allow = [\"b.test:0\"]",
        "alow = []",
        "allow = [",
    ];
    for lines in wrong {
        let said = jail.reload(lines, 125)?;
        ensure(said.contains("cannot be used"), || said)?;
    }
    // A good profile that cannot be held here.
    jail.stage
        .edit(|text| text.replace("read = [", "read = [\"/no/such/place\", "))?;
    jail.reload("allow = []", 125)?;
    jail.puppet.echoes(1, "undisturbed")?;
    jail.reaches(2, "a.test", port)?;
    ensure(jail.puppet.events("reload")?.is_empty(), || {
        "a reload is told".into()
    })?;
    jail.puppet.end().map(drop)
}

/// The names of those that run are said.
pub fn no_such_jail(how: How) -> Check {
    let mut jail = Running::start(how, "allow = []")?;
    let words = jail.stage.asking("reload", &["--name", "no-such-jail"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = jail.end(jail::flowjail(how.who, &words))?;
    let told = ended.stderr.contains("no jail `no-such-jail` runs here")
        && ended.stderr.contains(&jail.name);
    ensure(ended.code == 125 && told, || format!("{ended:?}"))?;
    jail.puppet.end().map(drop)
}
