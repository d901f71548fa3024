//! The plan of a jail that runs already, as its profile is now.
#![forbid(unsafe_code)]

use super::facts::values;
use super::{Plan, Refusals, resolve};
use crate::host::Host;
use crate::profile::{Level, Profile, Promise};

/// Resolves a profile for a jail that runs. What holds its limits was found when it started, in a cgroup that this process
/// need not be in; and its secrets were read then, from credentials that a unit need not show to its ExecReload. That none
/// of them can be had from here is no refusal.
///
/// # Errors
/// As for [`resolve`], but for limits and secrets.
pub fn resolve_again(profile: &Profile, host: &Host, name: &str) -> Result<Plan, Refusals> {
    let asked = profile.promises.get(&Promise::Limits).copied();
    let mut lenient = profile.clone();
    if asked.is_none_or(|level| level == Level::Require) {
        lenient.promises.insert(Promise::Limits, Level::Prefer);
    }
    let secrets = std::mem::take(&mut lenient.secrets);
    let mut plan = resolve(&lenient, host, name)?;
    plan.asked.limits = asked;
    plan.asked.secrets = values(&secrets);
    Ok(plan)
}
