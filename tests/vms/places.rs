//! Cgroups in odd places and states: refused or done without where limits cannot be had, found where they can; and limits
//! that are reached by the launch itself, or by what is around the jail.
#![forbid(unsafe_code)]

use libtest_mimic::Trial;

use crate::bed::kernel::Kernel;
use crate::boot::{self, Case};
use crate::kernel_trial;
use crate::limits::{SCRIPT, ensure, hit, refused, runs_with, runs_without, told, usage};

type Judge = fn(&Case) -> Result<(), String>;

/// Where no limit can be set, in the script and in words, and what the refusal says: reason and hint.
const PLACES: [(&str, &str, &[&str]); 4] = [
    (
        "threaded-user",
        "a cgroup above threaded ones",
        &["of the type `domain threaded`", "cgroup.type is `domain`"],
    ),
    (
        "full-user",
        "a cgroup that may have one below it",
        &["no cgroup can be made below", "cgroup.max.descendants"],
    ),
    (
        "taken-user",
        "a cgroup with a jail in it",
        &[
            "another jail is in the cgroup /sys/fs/cgroup/taken/flowjail-jail (sleep, pid ",
            "in a unit or scope of its own",
        ],
    ),
    (
        "below-manager-user",
        "a scope below a manager that was handed its cgroup",
        &["is not handed on", "Delegate=cpu io memory pids"],
    ),
];

/// A case of the script, its sentence, and what has to have come of it.
const CASES: [(&str, &str, Judge); 8] = [
    (
        "locked-user",
        "two flowjails are not in one cgroup at once",
        locked,
    ),
    (
        "subgroup-user-require",
        "a leaf of a cgroup that was handed over, others in it",
        runs_with,
    ),
    ("subgroup-hog", "limits hold from there", subgroup_hog),
    ("subgroup-left", "nothing is left there", subgroup_left),
    (
        "elsewhere-user-require",
        "a mount with an odd name, the first hidden",
        runs_with,
    ),
    ("tiny", "too little memory for the launch is told", tiny),
    (
        "alone",
        "too few processes for the launch are told",
        |case| failed(case, "raise [resources] pids"),
    ),
    (
        "around",
        "memory that runs out around the jail is not told as its own",
        around,
    ),
];

/// All of them.
pub fn trials() -> Vec<Trial> {
    let places = PLACES.iter().flat_map(|(case, sentence, words)| {
        Kernel::ALL.map(|kernel| {
            kernel_trial(kernel, sentence, move || {
                let required = boot::case(kernel, &SCRIPT, &format!("{case}-require"))?;
                told(&required, refused(&required, words))?;
                let preferred = boot::case(kernel, &SCRIPT, &format!("{case}-prefer"))?;
                told(&preferred, runs_without(&preferred))
            })
        })
    });
    let cases = CASES.iter().flat_map(|(case, sentence, judge)| {
        Kernel::ALL.map(|kernel| {
            kernel_trial(kernel, sentence, move || {
                let case = boot::case(kernel, &SCRIPT, case)?;
                told(&case, judge(&case))
            })
        })
    });
    places.chain(cases).collect()
}

/// The launch failed, and the hint says what mends it.
fn failed(case: &Case, hint: &str) -> Result<(), String> {
    let hinted = |line: &str| line.starts_with("hint: ") && line.contains(hint);
    ensure(case.status == 125, "wanted 125")?;
    ensure(!case.said.contains("the program ran"), "the program ran")?;
    ensure(case.said.lines().any(hinted), "no hint")
}

fn locked(case: &Case) -> Result<(), String> {
    ensure(case.said.contains("(EBUSY)"), "no EBUSY")?;
    failed(case, "start each flowjail in a unit or scope of its own")
}

fn tiny(case: &Case) -> Result<(), String> {
    failed(case, "raise [resources] memory")
}

fn subgroup_hog(case: &Case) -> Result<(), String> {
    ensure(case.status == 137, "wanted 137")?;
    ensure(
        case.said
            .contains("ended it when 40 MiB of memory were used up"),
        "not told",
    )
}

fn subgroup_left(case: &Case) -> Result<(), String> {
    let left: Vec<&str> = case.said.split_whitespace().collect();
    ensure(left == ["unit", "unit/supervisor"], "something is left")
}

fn around(case: &Case) -> Result<(), String> {
    let event = hit(case, "out-of-memory").ok_or("no event of it")?;
    ensure(case.status == 137, "wanted 137")?;
    ensure(
        event["limit"].is_null() && event["allow"] == "",
        "as its own",
    )?;
    ensure(usage(case, "oom_kills") > 0, "none counted at the end")?;
    ensure(usage(case, "own_ooms") == 0, "counted as its own")?;
    ensure(!case.said.contains("to give it more"), "wrong advice")?;
    ensure(
        case.said.contains("with none left around the jail"),
        "not told",
    )
}
