//! Ways out of the jail's network, each with its twin: the jail refuses it at once, nothing arrives, the record
//! says why; without a jail, or with the line that allows it, the same act goes through.
//!
//! Everything runs in network namespaces that this binary makes: a name server, web servers, a metadata service and
//! others on their loopback (tests/world). No packet leaves the machine.
#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../kit/mod.rs"]
mod kit;

mod act;
mod advice;
mod gateway;
mod npm;
mod own;
mod show;
mod start;
mod table;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use act::{Act, Fate, Twin};
use common::needs::{self, Need};
use libtest_mimic::{Failed, Trial};
use start::{Kind, Start};
use world::{World, Worlds};

/// The worlds, where there are any, for the tests' bodies.
pub struct Stage {
    worlds: Option<Arc<Worlds>>,
    needs: Vec<Need>,
}

impl Stage {
    fn new() -> Self {
        match Worlds::build() {
            Ok(worlds) => Self {
                worlds: Some(Arc::new(worlds)),
                needs: Vec::new(),
            },
            Err(need) => Self {
                worlds: None,
                needs: vec![need],
            },
        }
    }

    /// A test in a world that it has for itself.
    pub fn trial(
        &self,
        name: impl Into<String>,
        body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
    ) -> Trial {
        self.trial_with(&[], name, body)
    }

    /// The same for one that needs more than a world.
    pub fn trial_with(
        &self,
        more: &[Need],
        name: impl Into<String>,
        body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
    ) -> Trial {
        let worlds = self.worlds.clone();
        let needs = [self.needs.as_slice(), more].concat();
        needs::trial(name, &needs, move || match worlds {
            Some(worlds) => body(&*worlds.enter()?),
            None => Err("no world".into()),
        })
    }
}

fn main() -> ExitCode {
    let stage = Stage::new();
    let acts = table::all();
    let complete = "at least 80 acts, each with an answer and a twin";
    let mut trials = vec![needs::trial(complete, &[], {
        let acts = acts.clone();
        move || is_complete(&acts)
    })];
    trials.extend(acts.iter().flat_map(|act| trials_of(&stage, act)));
    trials.extend(own::trials(&stage));
    trials.extend(advice::trials(&stage));
    trials.extend(gateway::trials(&stage));
    trials.extend(npm::trials(&stage));
    let code = needs::run(trials);
    drop(stage);
    kit::scratch::remove_shared();
    code
}

/// Two ways to start either kind of jail, and the twins.
fn trials_of(stage: &Stage, act: &Act) -> Vec<Trial> {
    let starts = Start::ALL.map(|start| {
        let fate = match act.fate_in(start.kind) {
            Fate::Refused => "refused",
            Fate::Silent => "goes nowhere",
            Fate::Passes => "goes through",
        };
        let name = start.names(&format!("{}: {fate}", act.sentence));
        let act = act.clone();
        stage.trial(name, move |world| show::show(world, &act, start))
    });
    let twins = act.twins.iter().flat_map(|twin| {
        let how = match (twin, act.fate) {
            (Twin::Bare(..) | Twin::Arrives(_), _) => "goes through without a jail".to_owned(),
            (Twin::Flags("", _), _) => "refused with no flag".to_owned(),
            (Twin::Flags(flags, _), Fate::Passes) => format!("refused with {flags}"),
            (Twin::Flags(flags, _), _) => format!("goes through with {flags}"),
        };
        // Without a jail there is one kind.
        let kinds = match twin {
            Twin::Flags(..) => Kind::BOTH.as_slice(),
            _ => &[Kind::Namespaced],
        };
        kinds.iter().map(move |&kind| {
            let (act, twin) = (act.clone(), *twin);
            let name = format!("{}: {how}{}", act.sentence, kind.word());
            stage.trial(name, move |world| show::show_twin(world, &act, kind, twin))
        })
    });
    starts.into_iter().chain(twins).collect()
}

fn is_complete(acts: &[Act]) -> Result<(), Failed> {
    let bare = |act: &&Act| {
        act.twins.is_empty()
            || act.answers.is_empty()
            || act.arguments.is_empty()
            || act.seen.is_none()
            || act
                .in_bare
                .is_some_and(|differs| differs.answers.is_empty() || differs.why.is_empty())
    };
    let mut wrong: Vec<_> = acts
        .iter()
        .filter(bare)
        .map(|act| act.sentence.to_owned())
        .collect();
    for (i, act) in acts.iter().enumerate() {
        let again = |other: &Act| {
            other.sentence == act.sentence
                || (other.arguments == act.arguments && other.flags == act.flags)
        };
        if acts[i + 1..].iter().any(again) {
            wrong.push(format!("twice: {}", act.sentence));
        }
    }
    if acts.len() < 80 {
        wrong.push(format!("only {} acts", acts.len()));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}
