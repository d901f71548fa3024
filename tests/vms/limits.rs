//! Limits that are hit and hold: as root, as a user with a cgroup that was handed over, and as one in a user namespace. What
//! is left of them afterwards; and places where no cgroup can be had.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::bed::kernel::Kernel;
use crate::boot::{self, Case, Script};
use crate::kernel_trial;

/// The script of all of them.
pub const SCRIPT: Script = Script {
    name: "limits",
    text: include_str!("limits.sh"),
    limit: Duration::from_secs(900),
};

/// Those who start it: the name in the script, and in words.
const WHO: [(&str, &str); 3] = [
    ("root", "as root"),
    ("user", "as a user with a cgroup of its own"),
    ("nested", "as a user in a user namespace"),
];

type Judge = fn(&Case, &str) -> Result<(), String>;

/// A case of the script, its sentence, and what has to have come of it for whom.
const CASES: [(&str, &str, Judge); 6] = [
    ("hog", "memory runs out: ended, told, and advised", hog),
    ("hog-fits", "memory within the limit", hog_fits),
    ("bomb", "a fork bomb is held by pids.max", bomb),
    ("bomb-fits", "as many processes within the limit", bomb_fits),
    ("half", "half a CPU is half a CPU", half),
    ("left", "nothing is left in the cgroup tree", left),
];

/// Where no cgroup can be had, in the script and in words, and what the refusal says: reason and hint.
const PLACES: [(&str, &str, &[&str]); 6] = [
    (
        "crowded-root",
        "a cgroup with another process in it, as root",
        &[
            "which is not flowjail's to move",
            "systemd-run --scope -p Delegate=yes",
        ],
    ),
    (
        "foreign-user",
        "a cgroup that was not handed over, as a user",
        &["was not handed over to this user", "Delegate=yes"],
    ),
    (
        "readonly-root",
        "a read-only hierarchy, as root",
        &["is read-only", "remove ProtectControlGroups="],
    ),
    (
        "readonly-user",
        "a read-only hierarchy, as a user",
        &["is read-only", "remove ProtectControlGroups="],
    ),
    (
        "v1-root",
        "version 1 alone, as root",
        &["of version 1 only", "systemd.unified_cgroup_hierarchy=1"],
    ),
    (
        "v1-user",
        "version 1 alone, as a user",
        &["of version 1 only", "systemd.unified_cgroup_hierarchy=1"],
    ),
];

/// All of them.
pub fn trials() -> Vec<Trial> {
    let limits = CASES.iter().flat_map(|case| WHO.map(|who| (case, who)));
    let limits = limits.flat_map(|((case, sentence, judge), (who, words))| {
        Kernel::ALL.map(|kernel| {
            kernel_trial(kernel, &format!("{sentence}, {words}"), move || {
                let case = boot::case(kernel, &SCRIPT, &format!("{case}-{who}"))?;
                told(&case, judge(&case, who))
            })
        })
    });
    let places = PLACES.iter().flat_map(|(case, sentence, words)| {
        let required = Kernel::ALL.map(|kernel| {
            kernel_trial(
                kernel,
                &format!("{sentence}: required, refused"),
                move || {
                    let case = boot::case(kernel, &SCRIPT, &format!("{case}-require"))?;
                    told(&case, refused(&case, words))
                },
            )
        });
        let preferred = Kernel::ALL.map(|kernel| {
            kernel_trial(kernel, &format!("{sentence}: preferred, runs"), move || {
                let case = boot::case(kernel, &SCRIPT, &format!("{case}-prefer"))?;
                told(&case, runs_without(&case))
            })
        });
        required.into_iter().chain(preferred)
    });
    let twins = ["root", "user"].into_iter().flat_map(|who| {
        Kernel::ALL.map(|kernel| {
            kernel_trial(
                kernel,
                &format!("the same in a cgroup of its own, as {who}"),
                move || {
                    let case = boot::case(kernel, &SCRIPT, &format!("own-{who}-require"))?;
                    told(&case, runs_with(&case))
                },
            )
        })
    });
    let whole_cpu = Kernel::ALL.map(|kernel| {
        kernel_trial(
            kernel,
            "without that limit it is a whole CPU, as a user",
            move || {
                let case = boot::case(kernel, &SCRIPT, "whole-user")?;
                told(&case, whole(&case, "user"))
            },
        )
    });
    limits.chain(places).chain(twins).chain(whole_cpu).collect()
}

pub fn told(case: &Case, outcome: Result<(), String>) -> Result<(), Failed> {
    outcome.map_err(|why| format!("{why}; status {}:\n{}", case.status, case.said).into())
}

pub fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

fn events(case: &Case) -> Vec<Value> {
    let lines = case
        .said
        .lines()
        .filter_map(|line| line.strip_prefix("EVENT "));
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

pub fn hit(case: &Case, what: &str) -> Option<Value> {
    events(case)
        .into_iter()
        .find(|event| event["event"] == "limit" && event["hit"] == what)
}

pub fn usage(case: &Case, key: &str) -> u64 {
    let exit = events(case)
        .into_iter()
        .find(|event| event["event"] == "exit");
    exit.and_then(|event| event["usage"][key].as_u64())
        .unwrap_or(0)
}

fn hog(case: &Case, _: &str) -> Result<(), String> {
    let event = hit(case, "out-of-memory").ok_or("no event of it")?;
    ensure(case.status == 137, "wanted 137")?;
    ensure(
        event["allow"] == "[resources] memory = \"80M\"",
        "no advice in the event",
    )?;
    ensure(usage(case, "oom_kills") > 0, "none counted at the end")?;
    let digest = case
        .said
        .lines()
        .any(|line| line.contains("memory = \"80M\"") && !line.starts_with("EVENT"));
    ensure(digest, "no advice in the digest")
}

fn hog_fits(case: &Case, _: &str) -> Result<(), String> {
    ensure(
        case.status == 0 && case.said.contains("hog has 60 MiB"),
        "it did not run",
    )?;
    ensure(hit(case, "out-of-memory").is_none(), "an event")?;
    // No kernel before 5.19 says, and all of these do.
    let peak = usage(case, "memory_peak") >> 20;
    ensure(
        (60..200).contains(&peak),
        "a peak of 60 MiB and a little more",
    )
}

fn made(case: &Case) -> Option<u64> {
    let (_, rest) = case.said.split_once("bomb made ")?;
    rest.split(' ').next()?.parse().ok()
}

fn bomb(case: &Case, _: &str) -> Result<(), String> {
    ensure(
        made(case).is_some_and(|made| (8..16).contains(&made)),
        "wanted less than 16",
    )?;
    ensure(
        case.said.contains("processes (EAGAIN), 0 threads"),
        "wanted EAGAIN",
    )?;
    let event = hit(case, "fork-refused").ok_or("no event of it")?;
    ensure(event["allow"] == "[resources] pids = 32", "no advice")?;
    ensure(usage(case, "refused_forks") > 0, "none counted at the end")
}

fn bomb_fits(case: &Case, _: &str) -> Result<(), String> {
    ensure(
        case.said
            .contains("bomb made 60 processes (all), 60 threads"),
        "wanted all of them",
    )?;
    ensure(hit(case, "fork-refused").is_none(), "an event")
}

/// CPUs used between each look at the jail's own `cpu.stat` and the next; and between the first and the last.
fn cpus(case: &Case) -> Option<(Vec<f64>, f64)> {
    let looks = case
        .said
        .lines()
        .filter_map(|line| line.strip_prefix("USED ")?.split_once(" AT "))
        .filter_map(|(spent, at)| Some((spent.parse().ok()?, at.parse().ok()?)));
    let looks: Vec<(f64, f64)> = looks.collect();
    let used = |from: &(f64, f64), to: &(f64, f64)| (to.0 - from.0) / 1e6 / (to.1 - from.1);
    let each = looks.windows(2).map(|pair| used(&pair[0], &pair[1]));
    Some((each.collect(), used(looks.first()?, looks.last()?)))
}

/// Never more; and as much, unless this machine keeps the guest from it: it is emulated beside others.
fn half(case: &Case, _: &str) -> Result<(), String> {
    let (each, whole) = cpus(case).ok_or("no looks")?;
    ensure(
        each.len() == 3 && whole <= 0.55,
        &format!("too many CPUs: {whole:.3}, {each:.3?}"),
    )?;
    let given = each
        .iter()
        .chain([&whole])
        .any(|used| (0.45..=0.55).contains(used));
    ensure(given, &format!("too few CPUs: {whole:.3}, {each:.3?}"))?;
    ensure(usage(case, "throttled_ms") > 1000, "it was not held back")
}

fn whole(case: &Case, _: &str) -> Result<(), String> {
    let (each, _) = cpus(case).ok_or("no looks")?;
    let given = each.iter().any(|used| *used >= 0.7);
    ensure(given, &format!("{each:.3?} CPUs"))?;
    ensure(usage(case, "throttled_ms") < 200, "it was held back")
}

/// A supervisor that root started is nobody by then: two empty cgroups stay for the next start.
fn left(case: &Case, who: &str) -> Result<(), String> {
    let allowed = [
        who.to_owned(),
        format!("{who}/flowjail-jail"),
        format!("{who}/flowjail-own"),
    ];
    let allowed = if who == "root" {
        &allowed[..]
    } else {
        &allowed[..1]
    };
    let other = case
        .said
        .lines()
        .find(|line| !line.is_empty() && !allowed.iter().any(|one| one == line));
    ensure(other.is_none() && case.status == 0, "something is left")
}

pub fn refused(case: &Case, words: &[&str]) -> Result<(), String> {
    let (hint, reasons) = words.split_last().ok_or("no words")?;
    let hinted = case
        .said
        .lines()
        .any(|line| line.starts_with("hint: ") && line.contains(hint));
    ensure(case.status == 125, "wanted 125")?;
    ensure(!case.said.contains("the program ran"), "the program ran")?;
    ensure(hinted, &format!("no hint with {hint:?}"))?;
    ensure(
        reasons.iter().all(|reason| case.said.contains(reason)),
        &format!("wanted {reasons:?}"),
    )
}

fn not_held(case: &Case) -> Vec<&str> {
    let told = case
        .said
        .lines()
        .find_map(|line| line.split_once("; NOT held: "));
    told.map_or(Vec::new(), |(_, rest)| rest.split(' ').collect())
}

pub fn runs_without(case: &Case) -> Result<(), String> {
    ensure(
        case.status == 0 && case.said.contains("the program ran"),
        "it did not run",
    )?;
    ensure(
        not_held(case).contains(&"limits"),
        "and does not say that limits are not held",
    )
}

pub fn runs_with(case: &Case) -> Result<(), String> {
    ensure(
        case.status == 0 && case.said.contains("the program ran"),
        "it did not run",
    )?;
    ensure(!not_held(case).contains(&"limits"), "limits are not held")
}
