//! The verdict on every act on the kernel at hand, one line each: what FLOWJAIL_TEST_VERDICTS asks for, in the guests of
//! tests/vms. Many acts in one jail, and no layer alone: emulation is slow, and the layers are shown alone elsewhere.
//!
//! A layer that this kernel does not have denies nothing. Which acts it leaves open the golden files of tests/vms
//! say, and that the plan says so is looked at here.
use std::io::{Write, stdout};
use std::process::ExitCode;

use crate::act::{Act, Layer, Twin};
use crate::common::start::Starter;
use crate::show::{Start, is_denied_bare, is_told};
use crate::stage::{Answer, On, Stage};
use crate::{common, table};

/// Ways to start either kind of jail.
const WAYS: [(&str, Start, On); 4] = [
    ("as root", Start::AsRoot, On::All),
    ("as a user", Start::AsUser, On::All),
    ("bare, as root", Start::AsRoot, On::Bare),
    ("bare, as a user", Start::AsUser, On::Bare),
];

/// Acts that only Landlock denies, from this ABI on, and why they are let be below it.
const HARMLESS: [(&str, i64, &str); 1] = [(
    "serves a port that is not published",
    4,
    "in a network of its own",
)];

/// Prints `VERDICT` and a line for each act; fails where an act is neither denied nor open with the plan saying so.
pub fn print() -> ExitCode {
    match all() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(stdout(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// The number of verdicts that are wrong.
fn all() -> Result<usize, String> {
    let probe = common::probe::path().as_ref()?;
    let stage = Stage::new(probe).map_err(|error| error.to_string())?;
    let mut plans = Vec::new();
    for (_, start, on) in &WAYS {
        plans.push(stage.plan(start.on(&stage), on)?);
    }
    let acts = table::all();
    let mut ways = Vec::new();
    for ((way, start, on), plan) in WAYS.iter().zip(&plans) {
        let verdicts = jailed(&stage, &acts, start.on(&stage), on, plan)?;
        ways.push((*way, verdicts));
    }
    let mut wrong = 0;
    for (number, act) in acts.iter().enumerate() {
        let of_way = |(way, all): &(&'static str, Vec<_>)| (*way, Verdict::clone(&all[number]));
        let mut verdicts: Verdicts = ways.iter().map(of_way).collect();
        verdicts.push(("no jail", without_jail(&stage, act)));
        wrong += verdicts.iter().filter(|(_, one)| one.is_err()).count();
        let words: String = shortened(verdicts).into_iter().map(told).collect();
        writeln!(stdout(), "VERDICT {}{words}", act.sentence).map_err(|error| error.to_string())?;
    }
    Ok(wrong)
}

/// In words; an error is an answer that should not be.
type Verdict = Result<String, String>;
type Verdicts = Vec<(&'static str, Verdict)>;

fn told((way, verdict): (&str, Verdict)) -> String {
    match verdict {
        Ok(words) => format!("; {way}: {words}"),
        Err(answer) => format!("; {way}: WRONG, {answer}"),
    }
}

/// What is the same in all four ways is said once.
fn shortened(verdicts: Verdicts) -> Verdicts {
    let first = &verdicts[0].1;
    match verdicts[..4].iter().all(|(_, verdict)| verdict == first) {
        true => vec![("jailed", first.clone()), verdicts[4].clone()],
        false => verdicts,
    }
}

/// Acts that leave something behind in the process that makes them.
const ALONE: [&str; 2] = ["fork-many", "threads-many"];

/// Acts are tried in turn, many in one jail. What was not denied there, or not tried, gets a jail of its own.
fn jailed(
    stage: &Stage,
    acts: &[Act],
    starter: Starter,
    on: &On,
    plan: &serde_json::Value,
) -> Result<Vec<Verdict>, String> {
    let filled =
        |act: &Act| -> Vec<String> { act.arguments.iter().map(|text| stage.fill(text)).collect() };
    let mut answers: Vec<Option<Answer>> = Vec::new();
    while answers.len() < acts.len() {
        let left = &acts[answers.len()..];
        let together: Vec<_> = left
            .iter()
            .take_while(|act| !ALONE.contains(&act.arguments[0]))
            .map(filled)
            .collect();
        let tried = stage
            .jailed_many(starter, on, &together)
            .map_err(|error| error.to_string())?;
        // For the console, should it end here.
        let _ = writeln!(
            stdout(),
            "tried {} of {} in a row",
            tried.len(),
            together.len()
        );
        answers.extend(tried.into_iter().map(Some));
        // The one that ended the row, or is not for one.
        if answers.len() < acts.len() {
            answers.push(None);
        }
    }
    let mut verdicts = Vec::new();
    for (act, answer) in acts.iter().zip(answers) {
        let in_row = answer.filter(|answer| is_denied(act, on, answer));
        verdicts.push(match in_row {
            Some(_) => Ok("denied".to_owned()),
            None => jailed_alone(stage, act, &filled(act), starter, on, plan),
        });
    }
    Ok(verdicts)
}

fn is_denied(act: &Act, on: &On, answer: &Answer) -> bool {
    match on {
        On::Bare => is_denied_bare(act, answer),
        _ => act.claims.iter().any(|claim| claim.holds(&answer.text)),
    }
}

fn jailed_alone(
    stage: &Stage,
    act: &Act,
    arguments: &[String],
    starter: Starter,
    on: &On,
    plan: &serde_json::Value,
) -> Verdict {
    let answer = stage
        .jailed(starter, on, arguments)
        .map_err(|error| error.to_string())?;
    if is_denied(act, on, &answer) {
        return Ok("denied".to_owned());
    }
    if is_native(act, &answer) {
        return Ok(NATIVE.to_owned());
    }
    let works = act
        .bare
        .is_some_and(|(_, outcome)| outcome.is(&answer.text));
    if !works {
        return Err(answer.text);
    }
    why_open(act, on, plan).ok_or_else(|| format!("{}, and the plan does not say so", answer.text))
}

/// User-mode Linux reads the numbers of i386 as its own, and so do the filter and all else: writev(2) of no descriptor.
fn is_native(act: &Act, answer: &Answer) -> bool {
    act.arguments == ["call-i386"] && answer.text == "EBADF"
}

/// What a kernel may be built without, and how it then answers an act that nobody denies.
const ABSENT: [(&str, &str); 3] = [
    ("writes under /sys", "ENOENT"),
    ("sets an attribute of a read-only file", "EOPNOTSUPP"),
    ("opens a raw IPv6 socket", "EAFNOSUPPORT"),
];

fn is_absent(act: &Act, answer: &Answer) -> bool {
    ABSENT.contains(&(act.sentence, &answer.text))
}

const NATIVE: &str = "read as one of the kernel's own";

/// Why an act that works is let be on this kernel; `None`: it should not work.
fn why_open(act: &Act, on: &On, plan: &serde_json::Value) -> Option<String> {
    if let (On::Bare, Some(open)) = (on, act.open) {
        let told = is_told(open, plan).is_ok();
        return told.then(|| format!("not denied, and not promised ({})", open.name()));
    }
    let abi = plan["plan"]["landlock"]["abi"].as_i64().unwrap_or(0);
    let harmless =
        |(sentence, since, _): &&(&str, i64, &str)| *sentence == act.sentence && abi < *since;
    if let (On::All, Some((.., words))) = (on, HARMLESS.iter().find(harmless)) {
        return Some(format!("not denied, but {words}"));
    }
    let claimed = act
        .claims
        .iter()
        .any(|claim| claim.layers == [Layer::Landlock]);
    // A domain traces nobody outside, which is the bare jail's only hold on this.
    let claimed = claimed || matches!(on, On::Bare) && act.arguments[0] == "environ";
    (abi == 0 && claimed)
        .then(|| without_landlock(plan))
        .flatten()
}

/// The promises that the plan shows as not held for want of Landlock.
fn without_landlock(plan: &serde_json::Value) -> Option<String> {
    let lines = plan["plan"]["promises"].as_array()?;
    let names: Vec<_> = lines
        .iter()
        .filter(|line| line["holding"]["not-held"].to_string().contains("Landlock"))
        .filter_map(|line| line["promise"].as_str())
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "not denied, and without Landlock not held: {}",
            names.join(", ")
        )
    })
}

fn without_jail(stage: &Stage, act: &Act) -> Result<String, String> {
    let (twin, outcome) = act.bare.ok_or("has no twin")?;
    let starter = match twin {
        Twin::User => stage.user(),
        Twin::Root => Starter::PrivateRoot,
    };
    let arguments: Vec<_> = act.arguments.iter().map(|text| stage.fill(text)).collect();
    let answer = stage
        .bare(starter, &arguments)
        .map_err(|error| error.to_string())?;
    match outcome.is(&answer.text) {
        _ if is_native(act, &answer) => Ok(NATIVE.to_owned()),
        true => Ok("not denied".to_owned()),
        false if is_absent(act, &answer) => Ok(format!("not in this kernel ({})", answer.text)),
        false => Err(answer.text),
    }
}
