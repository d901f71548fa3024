//! Who asks, and what.

use crate::kit::who::Who;
use crate::kit::{Check, ensure, jail, procs, wait_for};
use crate::running::{How, Kind, Running};
use crate::stage::LONG;
use crate::world::{self, PUBLIC};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

const STRANGER: u32 = 64_398;

/// Neither a stranger nor, where root has started it, the user that the program is; the twins may.
pub fn another_user_may_not(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let (before, after) = (
        format!("allow = [\"a.test:{port}\"]"),
        format!("allow = [\"b.test:{port}\"]"),
    );
    let mut jail = Running::start(how, &before)?;
    let program = jail.puppet.jail.program()?.pid;
    let status = procs::status(program);
    let uid = status
        .get("Uid")
        .and_then(|ids| ids.split_whitespace().next());
    let uid: u32 = uid.and_then(|uid| uid.parse().ok()).ok_or("no uid")?;
    jail.write(&after)?;
    let mut others = vec![STRANGER];
    others.extend((how.who == Who::Root).then_some(uid));
    for other in others {
        let words = jail.stage.asking("reload", &["--name", &jail.name]);
        let mut command = Who::Root.command(jail::binary());
        command
            .args(words)
            .stdin(Stdio::null())
            .uid(other)
            .gid(other);
        let ended = jail.end(command)?;
        ensure(ended.code == 125, || format!("uid {other}: {ended:?}"))?;
        jail.reaches(1, "a.test", port)?;
        jail.knows_nothing_of("b.test")?;
    }
    ensure(jail.puppet.events("reload")?.is_empty(), || {
        "a reload is told".into()
    })?;
    jail.reload(&after, 0)?;
    jail.reaches(2, "b.test", port)?;
    // Root's eyes see another plan than those of the user who started it: it says so.
    jail.write(&before)?;
    let words = jail.stage.asking("reload", &["--name", &jail.name]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = jail.end(jail::flowjail(Who::Root, &words))?;
    if how.who == Who::Ordinary {
        let told = ended.stderr.contains("reload it as that user");
        ensure(ended.code == 125 && told, || format!("{ended:?}"))?;
        return jail.puppet.end().map(drop);
    }
    ensure(ended.code == 0, || format!("{ended:?}"))?;
    jail.reaches(3, "a.test", port)?;
    jail.puppet.end().map(drop)
}

fn control(name: &str) -> String {
    format!("@flowjail/net/{name}")
}

/// Its own network has no such socket, and the bare jail connects no unix socket; the same program without a jail does.
pub fn the_jail_itself_may_not(how: How) -> Check {
    let mut jail = Running::start(how, "allow = []")?;
    let order = format!("unix {}", control(&jail.name));
    jail.puppet.want(&order, "errno 111 ECONNREFUSED")?;
    if how.kind == Kind::Bare {
        jail.puppet
            .event("connection", &["unix sockets lead out of the jail"])?;
    }
    let mut free = how.who.command(&crate::stage::program("puppet")?);
    free.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut free = free.spawn().map_err(|e| e.to_string())?;
    let orders = free.stdin.take();
    let asked = orders.map(|mut orders| writeln!(orders, "{order}\nexit 0"));
    asked.ok_or("no stdin")?.map_err(|e| e.to_string())?;
    let said = free.wait_with_output().map_err(|e| e.to_string())?;
    ensure(said.stdout == b"ready\nok\n", || format!("{said:?}"))?;
    jail.puppet.end().map(drop)
}

fn connect(jail: &Running) -> Result<UnixStream, String> {
    let words = |e: std::io::Error| e.to_string();
    let name = control(&jail.name);
    let address = SocketAddr::from_abstract_name(&name[1..]).map_err(words)?;
    let stream = UnixStream::connect_addr(&address).map_err(words)?;
    stream.set_read_timeout(Some(LONG)).map_err(words)?;
    Ok(stream)
}

/// Says it as root, who started the jail: what comes back.
fn say(jail: &Running, bytes: &[u8]) -> Result<String, String> {
    let mut stream = connect(jail)?;
    // A gateway that has had enough breaks off.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    Ok(text)
}

/// The tests themselves speak to the gateway: it has to be root's.
pub fn wrong_messages_change_nothing(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let mut jail = Running::start(how, &format!("allow = [\"a.test:{port}\"]"))?;
    jail.reaches(1, "a.test", port)?;
    let good = serde_json::json!({ "schema": 1, "salt": "", "facts": {}, "egress": {
        "hosts": [], "addresses": [], "names": {}, "host_names": {}, "resolvers": ["127.0.0.1:53"],
        "search": [], "ndots": 1, "limits": { "connections": 1, "per_host": 1, "visitors": 1, "queries": 1,
            "connect": { "secs": 1, "nanos": 0 }, "idle": { "secs": 1, "nanos": 0 } } } });
    let with = |at: &str, value: serde_json::Value| {
        let mut whole = good.clone();
        *whole.pointer_mut(at).expect("a place") = value;
        whole.to_string()
    };
    let text = good.to_string();
    let line = serde_json::json!([{ "pattern": "**.test", "port": 443, "protocol": "tcp", "private": true,
        "records": false, "origin": "" }]);
    let wrong = [
        "{".to_owned(),
        "nonsense".into(),
        "\0".into(),
        text[..text.len() - 1].into(),
        format!("{text}{text}"),
        with("/schema", 2.into()),
        with("/egress/limits/connections", 0.into()),
        with("/egress/hosts", line),
        with("/egress/ndots", (-1).into()),
        text.replacen("\"schema\"", "\"more\":1,\"schema\"", 1),
        " ".repeat(9 << 20),
        "[".repeat(100_000),
    ];
    for message in wrong {
        let said = match how.who {
            Who::Root => say(&jail, message.as_bytes())?,
            // Not even heard: root is nobody to the gateway of an ordinary user.
            Who::Ordinary => say(&jail, message.as_bytes()).unwrap_or_default(),
        };
        let short = &message[..message.len().min(60)];
        let fine = said.is_empty() || said.contains("\"refused\":\"");
        ensure(fine, || format!("{short}: {said}"))?;
        jail.puppet.echoes(1, "undisturbed")?;
    }
    jail.reaches(2, "a.test", port)?;
    ensure(jail.puppet.events("reload")?.is_empty(), || {
        "a reload is told".into()
    })?;
    if how.who == Who::Root {
        // The twin: the whole of it is taken.
        let said = say(&jail, text.as_bytes())?;
        ensure(said.contains("\"refused\":null"), || said)?;
        jail.is_reset(1)?;
        jail.knows_nothing_of("a.test")?;
    }
    jail.puppet.end().map(drop)
}

/// More of them than are heard at once: a reload waits for its turn, and connections go on.
pub fn silent_peers_hold_up_nobody(how: How) -> Check {
    let port = world::echo(PUBLIC);
    let mut jail = Running::start(how, &format!("allow = [\"a.test:{port}\"]"))?;
    jail.reaches(1, "a.test", port)?;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut peer = connect(&jail)?;
        let _ = peer.write_all(b"{\"schema\":");
        silent.push(peer);
        jail.puppet.echoes(1, "undisturbed")?;
    }
    jail.write(&format!("allow = [\"b.test:{port}\"]"))?;
    let done = wait_for(Duration::from_secs(40), || {
        let ended = jail.end(jail.command(&[])).ok()?;
        (ended.code == 0).then_some(())
    });
    done.ok_or("no reload came through")?;
    jail.is_reset(1)?;
    jail.reaches(2, "b.test", port)?;
    drop(silent);
    jail.puppet.end().map(drop)
}
