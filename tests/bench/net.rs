//! What the gateway costs: connects, round trips, streams, requests, visitors, memory.

use crate::kit::jail::Jail;
use crate::kit::who::on_path;
use crate::pairs::{Aim, Pairs};
use crate::place::{NODES, PUBLISHED, Place, Result, Way, go_apart};
use std::process::Command;

/// What is measured of one way to the server.
struct Measure {
    /// Under `net.` on the command line.
    part: &'static str,
    label: &'static str,
    /// The client's words.
    words: &'static [&'static str],
    /// Which of the numbers that it prints.
    line: usize,
    unit: &'static str,
    /// For the jail alone.
    aim: Option<Aim>,
}

const SLOWER: Option<Aim> = Some(Aim::AtMost(1.5));
const FASTER: Option<Aim> = Some(Aim::AtLeast(0.8));

const MEASURES: [Measure; 9] = [
    of("connect", "connect(2)", &["connect", "400"], "us", SLOWER),
    Measure {
        line: 1,
        ..of(
            "connect",
            "connect and first echoed byte",
            &["connect", "400"],
            "us",
            None,
        )
    },
    of("echo", "echo of 1 byte", &["echo", "1", "5000"], "us", None),
    of(
        "echo",
        "echo of 1 kB",
        &["echo", "1000", "5000"],
        "us",
        None,
    ),
    of(
        "stream",
        "1 GB down, 1 connection",
        &["down", "1", "1000000000"],
        "MB/s",
        FASTER,
    ),
    of(
        "stream",
        "1 GB up, 1 connection",
        &["up", "1", "1000000000"],
        "MB/s",
        FASTER,
    ),
    of(
        "stream",
        "1 GB down, 8 connections",
        &["down", "8", "1000000000"],
        "MB/s",
        FASTER,
    ),
    of(
        "stream",
        "1 GB up, 8 connections",
        &["up", "8", "1000000000"],
        "MB/s",
        FASTER,
    ),
    of(
        "requests",
        "requests out, 16 connections",
        &["load", "16", "2"],
        "/s",
        None,
    ),
];

const fn of(
    part: &'static str,
    label: &'static str,
    words: &'static [&'static str],
    unit: &'static str,
    aim: Option<Aim>,
) -> Measure {
    Measure {
        part,
        label,
        words,
        line: 0,
        unit,
        aim,
    }
}

/// Interleaved pairs; FLOWJAIL_BENCH_PAIRS for another number than 12.
fn rounds() -> usize {
    let wanted = std::env::var("FLOWJAIL_BENCH_PAIRS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(12)
}

/// `chosen`: `net`, or parts of it as `net.echo`.
pub fn measure(chosen: &[String]) -> Result<()> {
    if let Some(done) = go_apart(chosen) {
        return done;
    }
    let wanted = |part: &str| {
        chosen
            .iter()
            .any(|c| c == "net" || *c == format!("net.{part}"))
    };
    let mut place = Place::new()?;
    let ways = place.ways();
    for measure in MEASURES.iter().filter(|measure| wanted(measure.part)) {
        for way in &ways {
            compare(&place, *way, measure)?;
        }
    }
    if wanted("ingress") {
        ingress(&mut place, Way::Jailed)?;
        ingress(&mut place, Way::BareJail)?;
    }
    Ok(())
}

/// One way beside the bare one.
fn compare(place: &Place, way: Way, measure: &Measure) -> Result<()> {
    let number = |way: Way| -> Result<f64> {
        let numbers = place.numbers(way, measure.words)?;
        let number = numbers.get(measure.line).copied();
        number.ok_or_else(|| format!("{}: too few numbers", measure.label))
    };
    let pairs = Pairs::measure(rounds(), || number(way), || number(Way::Bare))?;
    let aim = match way {
        Way::Jailed => measure.aim,
        // Its supervisor makes each connection.
        Way::BareJail if measure.part == "connect" => measure.aim.map(|_| Aim::AtMost(2.0)),
        _ => None,
    };
    pairs.print(measure.label, [way.name(), "bare"], measure.unit, aim);
    Ok(())
}

/// Visitors of a server in a jail, and of one that is in none.
fn ingress(place: &mut Place, way: Way) -> Result<()> {
    let jail = place.published(way)?;
    memory(&jail, "before any load");
    let ports = [PUBLISHED, place.bare_port()];
    let seen = &*place;
    let [inside, outside] = ports.map(|port| move || token(seen, port));
    let pairs = Pairs::measure(rounds(), inside, outside)?;
    let names = [way.name(), "bare"];
    pairs.print("first token of a stream", names, "ms", None);
    pairs.print_difference("first token of a stream", "ms", 1.0);
    visit("a server that does nothing", ports, names)?;
    memory(&jail, "after the load");
    drop(jail);
    match place.nodes(way) {
        Ok(_jail) => visit("node's http", NODES, names),
        Err(why) => {
            println!("requests in, node's http: not measured, {why}");
            Ok(())
        }
    }
}

/// wrk against a jailed server and a bare one.
fn visit(server: &str, ports: [&str; 2], names: [&str; 2]) -> Result<()> {
    let Some(wrk) = on_path("wrk") else {
        println!("requests in, {server}: not measured, wrk is not installed");
        return Ok(());
    };
    for connections in ["1", "16"] {
        let [inside, outside] = ports.map(|port| {
            let wrk = wrk.clone();
            move || rate(Command::new(&wrk), port, connections)
        });
        let label = format!("requests in, {server}, {connections} connections");
        let pairs = Pairs::measure(rounds(), inside, outside)?;
        pairs.print(&label, names, "/s", Some(Aim::AtLeast(0.9)));
    }
    Ok(())
}

fn token(place: &Place, port: &str) -> Result<f64> {
    place.numbers_at(port, &["token", "100"]).map(|all| all[0])
}

/// wrk's requests per second.
fn rate(mut wrk: Command, port: &str, connections: &str) -> Result<f64> {
    wrk.args(["-t", "1", "-c", connections, "-d", "2"]);
    let output = wrk.arg(format!("http://127.0.0.1:{port}/")).output();
    let said = output.map_err(|e| e.to_string())?.stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said.lines().find_map(|l| l.strip_prefix("Requests/sec:"));
    let rate = line.and_then(|l| l.trim().parse().ok());
    rate.filter(|_| !said.contains("Socket errors")).ok_or(said)
}

/// What flowjail's own processes take. Only root may look: they are not dumpable.
fn memory(jail: &Jail, when: &str) {
    let tree = jail.tree();
    let Ok(program) = jail.program() else {
        return;
    };
    for process in tree.iter().filter(|p| p.pid != program.pid) {
        let role = match process.pid {
            pid if pid == jail.pid() => "supervisor",
            pid if pid == program.ppid => "init",
            _ => "gateway",
        };
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid));
        let pss = text.ok().and_then(|text| {
            let mut lines = text.lines();
            lines.find_map(|l| l.strip_prefix("Pss:").map(|l| l.trim().to_owned()))
        });
        let pss = pss.unwrap_or_else(|| "not measured, only root may look".into());
        println!("memory of the {role}, {when}: PSS {pss}");
    }
}
