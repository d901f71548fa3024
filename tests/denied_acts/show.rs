//! Shows one act: denied by the full jail, by each claiming layer alone, and not by a jail without layers
//! or without a jail.
use libtest_mimic::Failed;

use crate::act::{Act, Claim, Layer, Open, Twin};
use crate::common::start::Starter;
use crate::stage::{Answer, On, Stage};

/// How the jail is started.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    AsRoot,
    AsUser,
}

impl Start {
    /// The one who starts it there.
    pub fn on(self, stage: &Stage) -> Starter {
        match self {
            Self::AsRoot => Starter::Root,
            Self::AsUser => stage.user(),
        }
    }
}

/// The jailed ways of one act with one starter; every way is tried, and all that went wrong is told.
pub fn show(act: &Act, start: Start) -> Result<(), Failed> {
    let probe = crate::common::probe::path().as_ref()?;
    let stage = Stage::new(probe)?;
    let starter = start.on(&stage);
    let arguments: Vec<_> = act.arguments.iter().map(|text| stage.fill(text)).collect();
    let mut wrong = Vec::new();

    let full = stage.jailed(starter, &On::All, &arguments)?;
    if !act.claims.iter().any(|claim| answers(claim, &full)) {
        wrong.push(format!("the full jail answered {}", full.text));
    }
    let stripped = stage.jailed(starter, &On::Only(Vec::new()), &arguments)?;
    wrong.extend(check_stripped(act, &stripped));
    for claim in switched(act) {
        let alone = stage.jailed(starter, &On::Only(claim.layers.clone()), &arguments)?;
        wrong.extend(check_alone(act, claim, &alone, &stripped));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("probe {}\n  {}", arguments.join(" "), wrong.join("\n  ")).into())
}

fn answers(claim: &Claim, answer: &Answer) -> bool {
    claim.holds(&answer.text)
}

fn switched(act: &Act) -> impl Iterator<Item = &Claim> {
    act.claims
        .iter()
        .filter(|claim| claim.layers != [Layer::UserNamespace])
}

/// With every switch off the act is held by the user namespace, or not at all.
fn check_stripped(act: &Act, stripped: &Answer) -> Option<String> {
    let expected = match (act.held_by_user_namespace(), act.bare) {
        (Some(claim), _) => answers(claim, stripped),
        (None, Some((_, outcome))) => outcome.is(&stripped.text),
        (None, None) => false,
    };
    (!expected).then(|| format!("with every switchable layer off: {}", stripped.text))
}

/// A layer's denial counts where the answer differs from that without it, or an event tells of it.
fn check_alone(act: &Act, claim: &Claim, alone: &Answer, stripped: &Answer) -> Option<String> {
    let name = claim.name();
    if !answers(claim, alone) {
        return Some(format!("{name} alone: {}", alone.text));
    }
    let told = act.event.is_some_and(|call| alone.tells_of(call));
    (alone.text == stripped.text && !told).then(|| {
        format!(
            "{name} alone: {}, as without it, and no event tells of it",
            alone.text
        )
    })
}

/// The same act in the bare jail: denied, or one that it says it does not promise to deny.
pub fn show_bare(act: &Act, start: Start) -> Result<(), Failed> {
    let probe = crate::common::probe::path().as_ref()?;
    let stage = Stage::new(probe)?;
    let starter = start.on(&stage);
    let arguments: Vec<_> = act.arguments.iter().map(|text| stage.fill(text)).collect();
    let answer = stage.jailed(starter, &On::Bare, &arguments)?;
    let fine = match (act.open, act.bare) {
        (Some(_), Some((_, outcome))) => outcome.is(&answer.text),
        (Some(_), None) => false,
        (None, _) => is_denied_bare(act, &answer),
    };
    if !fine {
        return Err(format!("probe {}\n  {}", arguments.join(" "), answer.text).into());
    }
    match act.open {
        Some(open) => Ok(is_told(open, &stage.plan(starter, &On::Bare)?)?),
        None => Ok(()),
    }
}

/// Whether this is how the bare jail denies the act.
pub fn is_denied_bare(act: &Act, answer: &Answer) -> bool {
    match act.in_bare.is_empty() {
        _ if act.open.is_some() => false,
        true => act.claims.iter().any(|claim| answers(claim, answer)),
        false => act.in_bare.contains(&answer.text.as_str()),
    }
}

/// Whether the plan says that this is not held.
pub fn is_told(open: Open, plan: &serde_json::Value) -> Result<(), String> {
    let all = |key: &str| plan["plan"][key].as_array().cloned().unwrap_or_default();
    let found = match open {
        Open::Noted(words) => all("notes")
            .iter()
            .filter_map(|note| note.as_str())
            .any(|note| note.starts_with("bare: ") && note.contains(words)),
        promise => all("promises").iter().any(|line| {
            line["promise"] == promise.name() && line["holding"]["not-held"].is_object()
        }),
    };
    match found {
        true => Ok(()),
        false => Err(format!(
            "the plan does not say that `{}` is not held: {plan:#}",
            open.name()
        )),
    }
}

/// The twin: the same act without a jail.
pub fn show_twin(act: &Act) -> Result<(), Failed> {
    let probe = crate::common::probe::path().as_ref()?;
    let stage = Stage::new(probe)?;
    let arguments: Vec<_> = act.arguments.iter().map(|text| stage.fill(text)).collect();
    let Some((twin, outcome)) = act.bare else {
        return Err("has no twin".into());
    };
    let starter = match twin {
        Twin::User => stage.user(),
        Twin::Root => Starter::PrivateRoot,
    };
    let answer = stage.bare(starter, &arguments)?;
    if outcome.is(&answer.text) {
        return Ok(());
    }
    Err(format!("probe {}\n  {}", arguments.join(" "), answer.text).into())
}
