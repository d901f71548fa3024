//! Denied acts, each shown three ways: the full jail denies it (started as root and as an ordinary user),
//! each layer that claims it denies it alone, and without a jail it succeeds or reaches an errno that only
//! a permitted call reaches. Otherwise a test of a denial proves a typo. The bare jail denies it as well, or
//! its plan says that this is not promised.
#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod act;
mod own;
mod show;
mod stage;
mod table;
mod verdicts;

use std::process::ExitCode;

use act::{Act, Layer, Twin};
use common::needs::{self, trial};
use libtest_mimic::{Failed, Trial};
use show::Start;

fn main() -> ExitCode {
    if std::env::var_os(stage::ASKED).is_some() {
        return verdicts::print();
    }
    let acts = table::all();
    let mut trials = vec![
        trial("at least 50 acts, each with a twin and a claim", &[], {
            let acts = acts.clone();
            move || is_complete(&acts)
        }),
        trial("every layer claims an act", &[], {
            let acts = acts.clone();
            move || every_layer_claims(&acts)
        }),
    ];
    trials.extend(acts.iter().flat_map(trials_of));
    trials.extend(own::trials());
    needs::run(trials)
}

/// Two ways to start either kind of jail, and the twin.
fn trials_of(act: &Act) -> [Trial; 5] {
    let mut needs = vec![needs::compiler()];
    needs.extend(act.needs.iter().cloned());
    let with_root = [
        needs.as_slice(),
        &[needs::root(), needs::program("unshare")],
    ]
    .concat();
    let twin_needs = match act.bare {
        Some((Twin::Root, _)) => &with_root,
        _ => &needs,
    };
    let named = |words: &str| format!("{}: {words}", act.sentence);
    let in_bare = match act.open {
        None => "denied, bare".to_owned(),
        Some(open) => format!("not denied, and not promised ({}), bare", open.name()),
    };
    let bare = |words: &str| named(&format!("{in_bare}, {words}"));
    let [as_root, as_user, bare_root, bare_user, twin] = std::array::from_fn(|_| act.clone());
    [
        trial(named("denied, started as root"), &with_root, move || {
            show::show(&as_root, Start::AsRoot)
        }),
        trial(named("denied, started as a user"), &needs, move || {
            show::show(&as_user, Start::AsUser)
        }),
        trial(bare("started as root"), &with_root, move || {
            show::show_bare(&bare_root, Start::AsRoot)
        }),
        trial(bare("started as a user"), &needs, move || {
            show::show_bare(&bare_user, Start::AsUser)
        }),
        trial(named("not denied without a jail"), twin_needs, move || {
            show::show_twin(&twin)
        }),
    ]
}

fn is_complete(acts: &[Act]) -> Result<(), Failed> {
    let mut wrong: Vec<_> = acts
        .iter()
        .filter(|act| {
            let denied_and_open = act.open.is_some() && !act.in_bare.is_empty();
            let nothing = act.bare.is_none() || act.claims.is_empty() || act.arguments.is_empty();
            nothing || denied_and_open
        })
        .map(|act| act.sentence.to_owned())
        .collect();
    for (i, act) in acts.iter().enumerate() {
        let again =
            |other: &Act| other.sentence == act.sentence || other.arguments == act.arguments;
        if acts[i + 1..].iter().any(again) {
            wrong.push(format!("twice: {}", act.sentence));
        }
    }
    if acts.len() < 50 {
        wrong.push(format!("only {} acts", acts.len()));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

fn every_layer_claims(acts: &[Act]) -> Result<(), Failed> {
    let without: Vec<_> = Layer::SWITCHED
        .into_iter()
        .filter(|layer| {
            let claims = |act: &Act| act.claims.iter().any(|claim| claim.layers.contains(layer));
            !acts.iter().any(claims)
        })
        .map(Layer::name)
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    Err(format!("claim no act: {}", without.join(", ")).into())
}
