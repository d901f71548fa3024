//! A test per case and starter: what the jailed client saw is what the bare one saw, or a listed difference.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;

use crate::common::needs::trial;
use crate::differences::{self, Difference};
use crate::kit::who::Who;
use crate::stage::{self, Set, Stage};
use crate::suite::{How, Run, Suite, Told};
use crate::{curl, ingress, programs, scripts};

const SUITES: [Suite; 6] = [
    scripts::NODE,
    scripts::HTTP,
    scripts::PYTHON,
    curl::CURL,
    programs::PROGRAMS,
    ingress::INGRESS,
];

/// Runs that were made, by suite and way; the first test that asks makes them, and no two are made at a time.
type Runs = Arc<Mutex<BTreeMap<String, Result<Run, String>>>>;

/// All tests.
pub fn trials(stage: &Set) -> Vec<Trial> {
    let runs = Runs::default();
    let mut trials =
        vec![trial(
            "every listed difference names a case",
            &[],
            || match differences::ALL
                .iter()
                .chain(differences::BARE)
                .find(|one| !names_a_case(one))
            {
                Some(stray) => Err(format!("{}: no case `{}`", stray.suite, stray.case).into()),
                None => Ok(()),
            },
        )];
    trials.push(trial(
        "a difference that is not listed fails, and a listed one that does not occur",
        &[],
        || judges().then_some(()).ok_or_else(|| "it does not".into()),
    ));
    for suite in SUITES {
        for case in (suite.cases)() {
            let ways = [
                How::Bare,
                How::Jailed(Who::Root),
                How::Jailed(Who::Ordinary),
                How::InBareJail(Who::Root),
                How::InBareJail(Who::Ordinary),
            ];
            trials.extend(ways.map(|how| of_case(stage, &runs, suite, &case, how)));
        }
    }
    trials
}

fn names_a_case(one: &Difference) -> bool {
    let mut suites = SUITES.iter().filter(|suite| suite.name == one.suite);
    suites.any(|suite| (suite.cases)().iter().any(|case| case == one.case))
}

fn of_case(stage: &Set, runs: &Runs, suite: Suite, case: &str, how: How) -> Trial {
    let mut needed = stage::needs();
    needed.extend((suite.needs)(case));
    let name = match how {
        How::Bare => format!("{}, {case}: content without a jail", suite.name),
        How::Jailed(who) | How::InBareJail(who) => {
            let is =
                differences::of(suite.name, case, how).map_or("as", |_| "differs as listed from");
            let kind = match how {
                How::InBareJail(_) => "in the bare jail, ",
                _ => "",
            };
            format!(
                "{}, {case}: {is} without a jail, {kind}started {}",
                suite.name,
                who.word()
            )
        }
    };
    let (stage, runs, case) = (stage.clone(), runs.clone(), case.to_owned());
    trial(name, &needed, move || {
        let stage = stage.ok_or("no stage")?;
        let stage = stage.as_ref().as_ref().map_err(Clone::clone)?;
        let bare = told(stage, &runs, suite, &case, How::Bare)?;
        let listed = differences::of(suite.name, &case, how);
        match how {
            How::Bare => content(&bare),
            _ => compare(&bare, &told(stage, &runs, suite, &case, how)?, listed),
        }
        .map_err(Into::into)
    })
}

fn told(stage: &Stage, runs: &Runs, suite: Suite, case: &str, how: How) -> Result<Told, String> {
    let mut runs = runs
        .lock()
        .map_err(|_| "an earlier run broke off".to_owned())?;
    let key = format!("{} {how:?}", suite.name);
    let run = runs.entry(key).or_insert_with(|| {
        let run = (suite.run)(stage, how);
        stage.check().and(run)
    });
    let run = run.as_ref().map_err(Clone::clone)?;
    run.get(case)
        .cloned()
        .ok_or_else(|| "did not run".to_owned())
}

fn content(bare: &Told) -> Result<(), String> {
    bare.ok
        .then_some(())
        .ok_or_else(|| format!("bare: {}", bare.detail))
}

/// Decides on one case.
fn compare(bare: &Told, jailed: &Told, listed: Option<&Difference>) -> Result<(), String> {
    match listed {
        None if bare == jailed => Ok(()),
        None => Err(format!("not listed: bare {bare:?}, jailed {jailed:?}")),
        Some(one) if bare == jailed => Err(format!(
            "listed ({}), but there is no difference: {bare:?}",
            one.why
        )),
        Some(one) if jailed.detail == one.jailed => Ok(()),
        Some(one) => Err(format!(
            "listed as `{}` ({}), but jailed {jailed:?}",
            one.jailed, one.why
        )),
    }
}

/// Whether `compare` tells these apart.
fn judges() -> bool {
    let told = |detail: &str| Told {
        ok: true,
        detail: detail.to_owned(),
    };
    let listed = Difference {
        suite: "any",
        case: "any",
        jailed: "b",
        why: "made up",
    };
    let decides = |bare, jailed, one| compare(&told(bare), &told(jailed), one).is_ok();
    decides("a", "a", None)
        && decides("a", "b", Some(&listed))
        && !decides("a", "b", None)
        && !decides("a", "a", Some(&listed))
        && !decides("b", "b", Some(&listed))
        && !decides("a", "c", Some(&listed))
}
