//! Runs of an act, and the judgement: the answer, how soon it came, what the record says, and what arrived.
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::act::{Act, Fate, Seen, Twin, words};
use crate::common::start::{Ended, finish};
use crate::kit::jail;
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::start::{Kind, Start};
use crate::world::{PYTHON, World};

/// Long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
/// A refusal that takes longer leaves the program waiting, seconds.
const AT_ONCE: f64 = 1.0;

static RUN: AtomicU32 = AtomicU32::new(1);

/// What came of one run.
#[derive(Debug)]
pub struct Run {
    pub answer: String,
    pub seconds: f64,
    pub stderr: String,
    pub events: Vec<Value>,
    /// What arrived at the world's servers meanwhile.
    pub arrivals: Vec<Value>,
}

impl Run {
    /// Refused or failed connections and queries.
    pub fn refusals(&self) -> Vec<&Value> {
        let told = |event: &&Value| {
            (jail::is(event, "connection") || jail::is(event, "query"))
                && event["verdict"] != "allowed"
        };
        self.events.iter().filter(told).collect()
    }

    /// The names that the world's name server was asked for.
    pub fn asked(&self) -> Vec<&str> {
        let queries = self.arrivals.iter().filter(|line| line["server"] == "dns");
        queries.filter_map(|line| line["name"].as_str()).collect()
    }
}

/// The act in a jail.
pub fn jailed(
    world: &World,
    start: Start,
    flags: &[&str],
    arguments: &[&str],
) -> Result<Run, Failed> {
    let profile = world.join(start.kind.profile());
    jailed_by(world, start.who, &profile, flags, arguments)
}

/// The same with another profile than the world's.
pub fn jailed_by(
    world: &World,
    who: Who,
    profile: &Path,
    flags: &[&str],
    arguments: &[&str],
) -> Result<Run, Failed> {
    let number = RUN.fetch_add(1, Ordering::Relaxed).to_string();
    let fill = |word: &&str| filled(world, word, &number);
    let scratch = Scratch::new();
    let events = scratch.dir_of(who, "out").join("events.jsonl");
    let mut command = jail::flowjail(who, &["run", "--profile"]);
    command.arg(profile).arg("--events").arg(&events);
    command
        .args(flags.iter().map(fill))
        .args(["--", PYTHON, "-B"]);
    command.arg(world.join("scripts/actor.py"));
    command.args(arguments.iter().map(fill));
    watched(world, command, Some(&events))
}

/// The act without one.
pub fn bare(world: &World, who: Who, arguments: &[&str]) -> Result<Run, Failed> {
    let number = RUN.fetch_add(1, Ordering::Relaxed).to_string();
    let mut command = who.command(Path::new(PYTHON));
    command.arg("-B").arg(world.join("scripts/actor.py"));
    command.args(arguments.iter().map(|word| filled(world, word, &number)));
    watched(world, command, None)
}

fn filled(world: &World, word: &str, number: &str) -> String {
    let path = |name: &str| world.join(name).display().to_string();
    word.replace("{run}", number)
        .replace("{ca}", &path("ca.pem"))
        .replace("{socket}", &path("docker.sock"))
}

fn watched(
    world: &World,
    command: std::process::Command,
    events: Option<&Path>,
) -> Result<Run, Failed> {
    let before = world.arrivals()?.len();
    let ended = finish(command, "", LIMIT)?;
    let arrivals = world.arrivals()?.split_off(before);
    let events = events.map_or(Ok(Vec::new()), jail::events);
    let (answer, seconds) = spoken(&ended)?;
    Ok(Run {
        answer,
        seconds,
        stderr: ended.stderr,
        events: events?,
        arrivals,
    })
}

/// The actor's two last lines.
fn spoken(ended: &Ended) -> Result<(String, f64), Failed> {
    let mut lines = ended.stdout.lines().rev();
    let seconds = lines.next().and_then(|line| line.parse().ok());
    match (lines.next(), seconds) {
        (Some(answer), Some(seconds)) => Ok((answer.to_owned(), seconds)),
        _ => Err(format!("the actor did not answer: {ended:?}").into()),
    }
}

/// The act in the jail comes to what it should.
pub fn show(world: &World, act: &Act, start: Start) -> Result<(), Failed> {
    let run = jailed(world, start, &act.flags, &act.arguments)?;
    let mut wrong = Vec::new();
    let answers = act.answers_in(start.kind);
    if !answers.iter().any(|answer| run.answer.starts_with(answer)) {
        wrong.push(format!("not one of {answers:?}"));
    }
    if act.fate_in(start.kind) == Fate::Refused && run.seconds >= AT_ONCE {
        wrong.push("not at once".into());
    }
    wrong.extend(recorded(act.seen_in(start.kind), &run).err());
    wrong.extend(unwanted(act, &run));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n{run:#?}", wrong.join("\n")).into())
}

fn recorded(seen: Option<Seen>, run: &Run) -> Result<(), String> {
    let found = match seen {
        None => return Err("the act does not say how it is seen".into()),
        Some(Seen::Unseen) => run.refusals().is_empty(),
        Some(Seen::Because(words)) => {
            let says = |event: &&Value| {
                event["reason"]
                    .as_str()
                    .is_some_and(|why| why.contains(words))
            };
            run.refusals().iter().any(says)
        }
        Some(Seen::Call(name)) => run.events.iter().any(|event| event["syscall"] == name),
    };
    match found {
        true => Ok(()),
        false => Err(format!("the record is not as {seen:?}")),
    }
}

/// What arrived and should not have: all but look-ups of names that are allowed, and what the act may reach.
fn unwanted(act: &Act, run: &Run) -> Vec<String> {
    let may_ask = |name: &str| act.flags.iter().any(|flag| names(flag, name));
    let fine = |line: &Value| {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        match text("server").as_str() {
            "dns" => act.fate == Fate::Passes || may_ask(&text("name")),
            "dns-udp" | "dns-tcp" | "request" => true, // beside a line that is looked at
            server => {
                let place = format!("{server} {}", text("local"));
                act.fate == Fate::Passes || act.reaches.iter().any(|one| place.starts_with(one))
            }
        }
    };
    let odd = run.arrivals.iter().filter(|line| !fine(line));
    odd.map(|line| format!("arrived: {line}")).collect()
}

/// Whether a flag's value names a host.
fn names(flag: &str, name: &str) -> bool {
    let host = flag.split(':').next().unwrap_or_default();
    let (first, rest) = host.split_once('.').unwrap_or((host, ""));
    let ends = || {
        name.split_once('.')
            .is_some_and(|(_, behind)| behind == rest)
    };
    host.eq_ignore_ascii_case(name) || ((first == "*" || first.contains("{run}")) && ends())
}

/// With what decides on it changed, the same act gets another answer.
pub fn show_twin(world: &World, act: &Act, kind: Kind, twin: Twin) -> Result<(), Failed> {
    let (run, answer) = match twin {
        Twin::Arrives(server) => {
            let run = bare(world, Who::Ordinary, &act.arguments)?;
            return match run.arrivals.iter().any(|line| line["server"] == server) {
                true => Ok(()),
                false => Err(format!("does not reach {server}\n{run:#?}").into()),
            };
        }
        Twin::Bare(who, answer) => (bare(world, who, &act.arguments)?, answer),
        Twin::Flags(flags, answer) => (
            jailed(world, Start::of(kind), &words(flags), &act.arguments)?,
            answer,
        ),
    };
    match answer
        .split('|')
        .any(|answer| run.answer.starts_with(answer))
    {
        true => Ok(()),
        false => Err(format!("not {answer:?}\n{run:#?}").into()),
    }
}
