//! `flowjail net`: what a running jail tells of its network, and to whom.

use crate::egress::Out;
use crate::kit::jail::{self, Ended, Jail};
use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::stage::{LONG, Stage};
use crate::world::{self, PUBLIC, RESET};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other jail of these tests has.
fn name(of: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{of}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// `flowjail net ARGS...`: how it ended, and stdout.
fn look(stage: &Stage, command: Command) -> Result<(Ended, String), String> {
    let mut command = command;
    let file = stage.scratch.at("net.stdout");
    let sink = std::fs::File::create(&file).map_err(|e| e.to_string())?;
    command.stdout(Stdio::from(sink));
    let ended = Jail::start(&stage.scratch, "net", command).end(LONG)?;
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    Ok((ended, text))
}

fn json(stage: &Stage, name: &str) -> Result<Value, String> {
    let (ended, text) = look(stage, jail::flowjail(stage.who, &["net", name, "--json"]))?;
    ensure(ended.code == 0, || format!("{ended:?}"))?;
    serde_json::from_str(&text).map_err(|e| format!("{text}: {e}"))
}

fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

/// Connections, names and counters, as JSON and for people.
pub fn connections_names_and_counters_are_shown(who: Who) -> Check {
    let name = name("shown");
    let served = world::port();
    let address = format!("127.0.0.1:{served}");
    let mut out = Out::with(who, "", &["--name", &name, "--publish", &address])?;
    let mut far = out.connect(1)?;
    out.puppet.send(1, "12345")?;
    ensure(world::read(&mut far) == "12345", || "not arrived".into())?;
    far.write_all(b"123").map_err(|e| e.to_string())?;
    out.puppet.read(1, 20_000)?;
    out.puppet
        .want("connect 2 unknown.test 443", "no address")?;
    let said = world::read(&mut world::visit("127.0.0.1", ("127.0.0.1", served))?);
    ensure(said == RESET, || said)?;
    let state = json(&out.stage, &name)?;
    let is = |path: &str, wanted: Value| {
        let found = at(&state, path);
        ensure(*found == wanted, || {
            format!("{path} is {found}, not {wanted}: {state}")
        })
    };
    is("/schema", 1.into())?;
    is("/jail", name.as_str().into())?;
    is("/names/0/host", "mock.test".into())?;
    is("/names/0/ports/0", out.port.into())?;
    is("/connections/0/host", "mock.test".into())?;
    is("/connections/0/address", PUBLIC.into())?;
    is("/connections/0/sent", 5.into())?;
    is("/connections/0/received", 3.into())?;
    is("/serves/0", address.as_str().into())?;
    is("/visitors", 0.into())?;
    is("/totals/unknown", 1.into())?;
    is("/totals/turned_away", 1.into())?;
    let (ended, text) = look(&out.stage, jail::flowjail(who, &["net", &name]))?;
    let target = format!("mock.test:{}", out.port);
    let shown = [
        format!("jail `{name}`: 1 connections open"),
        target,
        address,
        "198.18.".into(),
        PUBLIC.into(),
    ];
    for line in shown {
        ensure(ended.code == 0 && text.contains(&line), || {
            format!("no {line:?} in {text} {ended:?}")
        })?;
    }
    drop(far);
    out.puppet.end().map(drop)
}

/// Neither another user's nor nobody's.
pub fn another_user_may_not_look(who: Who) -> Check {
    const STRANGER: u32 = 64_399;
    let name = name("private");
    let mut out = Out::with(who, "", &["--name", &name])?;
    let mut command = Who::Root.command(jail::binary());
    command.args(["net", &name]).stdin(Stdio::null());
    command.uid(STRANGER).gid(STRANGER);
    let (ended, text) = look(&out.stage, command)?;
    ensure(ended.code == 125 && text.is_empty(), || {
        format!("{ended:?} {text}")
    })?;
    ensure(
        ended
            .stderr
            .contains("only the user who started a jail, and root, may look into it"),
        || format!("{ended:?}"),
    )?;
    // The twins: whoever started it, and root.
    json(&out.stage, &name)?;
    let (ended, _) = look(&out.stage, jail::flowjail(Who::Root, &["net", &name]))?;
    ensure(ended.code == 0, || format!("{ended:?}"))?;
    out.puppet.end().map(drop)
}

/// A name that no jail has.
pub fn an_unknown_name_is_a_clear_error(who: Who) -> Check {
    let name = name("known");
    let mut out = Out::with(who, "", &["--name", &name])?;
    let (ended, text) = look(&out.stage, jail::flowjail(who, &["net", "no-such-jail"]))?;
    let told =
        ended.stderr.contains("no jail `no-such-jail` runs here") && ended.stderr.contains(&name);
    ensure(ended.code == 125 && text.is_empty() && told, || {
        format!("{ended:?} {text}")
    })?;
    out.puppet.end().map(drop)
}

/// The second of one name gets a number, says so, and is found by it.
pub fn two_jails_of_one_name_are_told_apart(who: Who) -> Check {
    let name = name("twin");
    let mut first = Out::with(who, "", &["--name", &name])?;
    let mut second = Out::with(who, "", &["--name", &name])?;
    let numbered = format!("{name}-2");
    let told = second.puppet.jail.stderr();
    ensure(told.contains(&numbered), || {
        format!("not told of {numbered}: {told}")
    })?;
    let _far = second.connect(1)?;
    let connections = |state: &Value| at(state, "/connections").as_array().map_or(0, Vec::len);
    let (one, two) = (json(&first.stage, &name)?, json(&second.stage, &numbered)?);
    ensure(connections(&one) == 0 && connections(&two) == 1, || {
        format!("{one} {two}")
    })?;
    first.puppet.end()?;
    second.puppet.end().map(drop)
}

/// A jail that was killed leaves no name behind: the next one has it.
pub fn nothing_is_left_of_a_killed_jail(who: Who) -> Check {
    let name = name("killed");
    let mut first = Out::with(who, "", &["--name", &name])?;
    json(&first.stage, &name)?;
    let gateway = first.puppet.gateway()?;
    kill(Pid::from_raw(first.puppet.jail.pid()), Signal::SIGKILL).map_err(|e| e.to_string())?;
    first.puppet.jail.end(LONG)?;
    let left = crate::kit::procs::survivors(&[gateway], LONG);
    ensure(left.is_empty(), || format!("{left:?}"))?;
    let (ended, _) = look(&first.stage, jail::flowjail(who, &["net", &name]))?;
    ensure(
        ended.code == 125 && ended.stderr.contains("no jail"),
        || format!("{ended:?}"),
    )?;
    let mut second = Out::with(who, "", &["--name", &name])?;
    let told = second.puppet.jail.stderr();
    ensure(!told.contains(&format!("{name}-2")), || told)?;
    json(&second.stage, &name)?;
    second.puppet.end().map(drop)
}
