//! flowjail's own processes have the workload's uid. A hostile workload can neither signal, trace, limit,
//! renice nor read them: not by the numbers that it sees (init is its pid 1), and not even with the host's
//! process numbers in sight. That the same acts work on another process of that uid is shown by their twins
//! in the table.
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use crate::act::Layer;
use crate::common::needs::{self, trial};
use crate::common::start::{self, Starter};
use crate::show::Start;
use crate::stage::{Answer, LIMIT, On, Stage};

/// What is tried, by the probe's name for it.
const TRIED: [(&str, &str); 18] = [
    ("signal", "kill"),
    ("signal by thread and group", "tgkill"),
    ("signal by thread number", "tkill"),
    ("queue a signal for", "sigqueue"),
    ("signal by descriptor", "pidfd-signal"),
    ("take a descriptor of", "pidfd-getfd"),
    ("trace", "ptrace"),
    ("read by process_vm_readv", "vm-read"),
    ("open the memory of", "mem"),
    ("read the environment of", "environ"),
    ("list the descriptors of", "fds"),
    ("walk the root of", "root"),
    ("limit", "prlimit"),
    ("renice", "renice"),
    ("pin to a CPU", "affinity"),
    ("schedule", "scheduler"),
    ("rank the input and output of", "ioprio"),
    ("mark for the out-of-memory killer", "oom-score"),
];

/// `ESRCH` and `ENOENT` say that the process is not to be seen.
const DENIED: [&str; 5] = ["EPERM", "EACCES", "EROFS", "ESRCH", "ENOENT"];

/// What is let be: of its own data a workload may change the modes, owners and times.
const LET_BE: [(&str, &str); 4] = [
    ("mode", "fchmod"),
    ("group", "fchown"),
    ("times", "utimes"),
    ("times by its descriptor", "futimens"),
];

/// Each with both starts.
pub fn trials() -> Vec<Trial> {
    let starts = [
        (
            Start::AsRoot,
            "started as root",
            vec![needs::root(), needs::compiler()],
        ),
        (Start::AsUser, "started as a user", vec![needs::compiler()]),
    ];
    let one = |(start, words, needs): &(Start, &str, Vec<needs::Need>)| {
        let start = *start;
        TRIED.map(|(verb, act)| {
            let what = format!("the workload cannot {verb} flowjail's own processes");
            let all = trial(format!("{what}: {words}"), needs, move || {
                is_out_of_reach(start, act)
            });
            let bare = trial(format!("{what}: bare, {words}"), needs, move || {
                is_out_of_reach_bare(start, act)
            });
            [all, bare]
        })
    };
    let let_be = |(start, words, needs): &(Start, &str, Vec<needs::Need>)| {
        let start = *start;
        [("", On::All), ("bare, ", On::Bare)]
            .into_iter()
            .flat_map(move |(kind, on)| LET_BE.map(|change| (kind, on.clone(), change)))
            .map(|(kind, on, (what, act))| {
                let name = format!("the workload changes its file's {what}: {kind}{words}");
                trial(name, needs, move || is_let_be(start, &on, act))
            })
            .collect::<Vec<_>>()
    };
    let denied = starts.iter().flat_map(one).flatten();
    denied.chain(starts.iter().flat_map(let_be)).collect()
}

fn is_let_be(start: Start, on: &On, act: &str) -> Result<(), Failed> {
    let probe = crate::common::probe::path().as_ref()?;
    let stage = Stage::new(probe)?;
    let file = stage.fill("{data}/file");
    let answer = stage.jailed(start.on(&stage), on, &[act.to_owned(), file])?;
    match answer.text.as_str() {
        "ok" => Ok(()),
        other => Err(other.into()),
    }
}

/// In the bare jail the host's numbers are in sight anyway, and pid 1 is nobody of flowjail's.
fn is_out_of_reach_bare(start: Start, act: &str) -> Result<(), Failed> {
    let probe = crate::common::probe::path().as_ref()?;
    let stage = Stage::new(probe)?;
    judged(all_aimed(&stage, start.on(&stage), &On::Bare, act)?)
}

fn is_out_of_reach(start: Start, act: &str) -> Result<(), Failed> {
    let probe = crate::common::probe::path().as_ref()?;
    let stage = Stage::new(probe)?;
    let starter = start.on(&stage);
    let mut wrong = Vec::new();

    let init = stage.jailed(starter, &On::All, &[act.to_owned(), "1".to_owned()])?;
    if !DENIED.contains(&init.text.as_str()) {
        wrong.push(format!("its pid 1: {}", init.text));
    }
    let numbers = On::AllBut(vec![Layer::Pid]);
    wrong.extend(all_aimed(&stage, starter, &numbers, act)?);
    judged(wrong)
}

/// Every process of flowjail's own that is not out of reach.
fn all_aimed(stage: &Stage, starter: Starter, on: &On, act: &str) -> Result<Vec<String>, Failed> {
    let mut wrong = Vec::new();
    let mut targets = 1;
    let mut next = 0;
    while next < targets {
        let (found, answer) = aimed(stage, starter, on, act, next)?;
        targets = found;
        if !DENIED.contains(&answer.text.as_str()) {
            wrong.push(format!(
                "process {next} of {found}, its numbers in sight: {}",
                answer.text
            ));
        }
        next += 1;
    }
    if targets < 2 {
        wrong.push("init was not found".to_owned());
    }
    Ok(wrong)
}

fn judged(wrong: Vec<String>) -> Result<(), Failed> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

/// Starts a jail where the host's process numbers are in sight, and aims the act at flowjail's process of that
/// number; also says how many there are.
fn aimed(
    stage: &Stage,
    starter: Starter,
    on: &On,
    act: &str,
    which: usize,
) -> Result<(usize, Answer), Failed> {
    let arguments = [act.to_owned(), "@stdin".to_owned()];
    let (mut command, _) = stage.jail(starter, on, &arguments)?;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let targets = own_processes(&child);
    if let (Some(mut stdin), Some(pid)) = (child.stdin.take(), targets.get(which)) {
        writeln!(stdin, "{pid}")?;
    }
    let ended = start::collect(child, LIMIT)?;
    if targets.is_empty() {
        return Err(format!("the probe did not come up: {ended:?}").into());
    }
    Ok((targets.len(), Answer::read(&ended, String::new())))
}

/// The started process and its descendants but the probe, once that is there.
fn own_processes(child: &Child) -> Vec<u32> {
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        let mut family = vec![(child.id(), String::new())];
        let mut next = 0;
        while next < family.len() {
            family.extend(start::children_of(family[next].0));
            next += 1;
        }
        if family.iter().any(|(_, name)| name == "probe") {
            let own = family.into_iter().filter(|(_, name)| name != "probe");
            return own.map(|(pid, _)| pid).collect();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Vec::new()
}
