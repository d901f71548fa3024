//! Acts that an answer alone does not judge: data in names, and servers in the jail.
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::Stage;
use crate::common::start::wait;
use crate::kit::jail;
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{ensure, wait_for};
use crate::show::{Run, bare, jailed};
use crate::start::Start;
use crate::world::{PYTHON, World};

/// The actor's words: labels of 56 characters and more, long enough for the record to flag every one.
const DENIED: [&str; 4] = ["labels", "denied.world.test", "20", "56"];
const PATTERN: [&str; 4] = ["labels", "wild.world.test", "500", "56"];
/// Names of a pattern at once, and how many more each second earns.
const A_FEW: usize = 64;
const EARNED: f64 = 2.0;

pub fn trials(stage: &Stage) -> Vec<Trial> {
    let mut trials = vec![
        stage.trial(
            "carries data in names of nobody: answered without a jail",
            denied_names_bare,
        ),
        stage.trial(
            "carries data in names of an allowed pattern: answered without a jail",
            |world| answered(&bare(world, Who::Ordinary, &PATTERN)?, |count| count == 500),
        ),
        stage.trial("serves a port: reached without a jail", serves_bare),
    ];
    for start in Start::ALL {
        trials.extend(names_in_jail(stage, start));
        trials.extend(servers_in_jail(stage, start));
    }
    trials
}

fn names_in_jail(stage: &Stage, start: Start) -> [Trial; 2] {
    let named = |what: &str| start.names(&format!("carries data in names of {what}"));
    [
        stage.trial(named("nobody: none is asked for outside"), move |world| {
            denied_names(world, start)
        }),
        stage.trial(
            named("an allowed pattern: a few are answered, none is asked for outside"),
            move |world| names_of_a_pattern(world, start),
        ),
    ]
}

fn servers_in_jail(stage: &Stage, start: Start) -> [Trial; 3] {
    let named = |what: &str| start.names(&format!("serves {what}"));
    let other = ["--publish", "127.0.0.1:8098"];
    let own = ["--publish", "127.0.0.1:8096"];
    [
        stage.trial(named("a port: nobody outside reaches it"), move |world| {
            serves(world, start, &[], "8097", None)
        }),
        stage.trial(
            named("another port than the published one: nobody outside reaches it"),
            move |world| serves(world, start, &other, "8097", None),
        ),
        stage.trial(
            named("the published port: it is reached where it is published"),
            move |world| serves(world, start, &own, "8096", Some("127.0.0.1:8096")),
        ),
    ]
}

fn denied_names_bare(world: &World) -> Result<(), Failed> {
    let run = bare(world, Who::Ordinary, &DENIED)?;
    answered(&run, |count| count == 20)?;
    Ok(ensure(run.asked().len() >= 20, || format!("{run:#?}"))?)
}

fn serves_bare(world: &World) -> Result<(), Failed> {
    let scratch = Scratch::new();
    let out = scratch.at("out");
    let mut command = Who::Ordinary.command(PYTHON.as_ref());
    command.arg("-B").arg(world.join("scripts/actor.py"));
    command
        .args(["serves", "8097", "2"])
        .stdout(File::create(&out)?);
    let mut child = command.spawn()?;
    let reached = listens(&out).then(|| reachable("8097"));
    wait(&mut child, Duration::from_secs(10))?;
    let all = PLACES.map(|place| format!("{place}:8097"));
    Ok(ensure(reached == Some(all.to_vec()), || {
        format!("{reached:?}")
    })?)
}

fn answered(run: &Run, fine: impl Fn(usize) -> bool) -> Result<(), Failed> {
    let count = run
        .answer
        .strip_prefix("ok ")
        .and_then(|rest| rest.split(' ').next());
    let count: Option<usize> = count.and_then(|count| count.parse().ok());
    Ok(ensure(count.is_some_and(fine), || format!("{run:#?}"))?)
}

fn denied_names(world: &World, start: Start) -> Result<(), Failed> {
    let run = jailed(world, start, &[], &DENIED)?;
    answered(&run, |count| count == 0)?;
    ensure(run.arrivals.is_empty(), || {
        format!("arrived: {:#?}", run.arrivals)
    })?;
    let names: BTreeSet<_> = run
        .refusals()
        .iter()
        .map(|event| event["name"].to_string())
        .collect();
    ensure(names.len() == 20, || {
        format!("{} names in the record: {names:#?}", names.len())
    })?;
    let flagged = |flags: &serde_json::Value| {
        flags
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == "long label"))
    };
    Ok(ensure(
        run.refusals().iter().all(|event| flagged(&event["flags"])),
        || format!("not all are flagged: {:#?}", run.refusals()),
    )?)
}

fn names_of_a_pattern(world: &World, start: Start) -> Result<(), Failed> {
    let run = jailed(world, start, &["--allow", "*.wild.world.test"], &PATTERN)?;
    // The clock of the actor starts a little late.
    let most = A_FEW + ((run.seconds + 1.0) * EARNED).ceil() as usize;
    answered(&run, |count| (1..=most).contains(&count))?;
    ensure(run.arrivals.is_empty(), || {
        format!("arrived: {:#?}", run.arrivals)
    })?;
    let too_many = |event: &serde_json::Value| {
        event["reason"]
            .as_str()
            .is_some_and(|why| why.starts_with("too many"))
    };
    ensure(run.refusals().iter().all(|event| too_many(event)), || {
        "another reason".to_owned()
    })?;
    ensure(!run.refusals().is_empty(), || {
        "no refusal in the record".to_owned()
    })?;
    let queries: Vec<_> = run
        .events
        .iter()
        .filter(|event| jail::is(event, "query"))
        .collect();
    let plain: Vec<_> = queries
        .iter()
        .filter(|event| {
            !event["flags"]
                .as_array()
                .is_some_and(|flags| flags.iter().any(|flag| flag == "long label"))
        })
        .collect();
    Ok(ensure(plain.is_empty(), || {
        format!("not flagged: {plain:#?}")
    })?)
}

/// Where someone outside looks for a server of the jail.
const PLACES: [&str; 3] = ["127.0.0.1", "203.0.113.10", "10.20.30.40"];

/// The places where a port answers with the jail's words.
fn reachable(port: &str) -> Vec<String> {
    let answers = |place: &String| {
        let mut text = String::new();
        let read = TcpStream::connect(place).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.read_to_string(&mut text)
        });
        read.is_ok() && text == "FROM-THE-JAIL"
    };
    PLACES
        .map(|place| format!("{place}:{port}"))
        .into_iter()
        .filter(answers)
        .collect()
}

fn listens(out: &std::path::Path) -> bool {
    let begun = || {
        fs::read_to_string(out)
            .ok()
            .filter(|text| text.contains('\n'))
    };
    wait_for(Duration::from_secs(10), begun).is_some_and(|text| text.starts_with("listens"))
}

/// Listens in the jail while someone outside tries; `reached`: where that one comes through. A jail that does not let
/// it listen is as good where nobody shall.
fn serves(
    world: &World,
    start: Start,
    flags: &[&str],
    port: &str,
    reached: Option<&str>,
) -> Result<(), Failed> {
    let scratch = Scratch::new();
    let out = scratch.at("out");
    // A visitor who shall come through has more time for it.
    let seconds = if reached.is_some() { "3" } else { "1" };
    let mut command = jail::flowjail(start.who, &["run", "--profile"]);
    command
        .arg(world.join(start.kind.profile()))
        .args(flags)
        .args(["--", PYTHON, "-B"]);
    command
        .arg(world.join("scripts/actor.py"))
        .args(["serves", port, seconds]);
    command.stdout(File::create(&out)?);
    let mut child = jail::Jail::start(&scratch, "serves", command);
    let listening = listens(&out);
    let found = reachable(port);
    let ended = child.end(Duration::from_secs(20))?;
    let expected: Vec<String> = reached.map(str::to_owned).into_iter().collect();
    ensure(found == expected, || {
        format!("reached at {found:?}; {ended:?}")
    })?;
    let said = fs::read_to_string(&out)?;
    Ok(ensure(
        listening || reached.is_none() && said.starts_with("EACCES"),
        || format!("it does not listen: {said:?} {ended:?}"),
    )?)
}
