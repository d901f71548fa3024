//! The plan of a jail that runs already, as its profile is now.
#![forbid(unsafe_code)]

use super::{Plan, Refusals, resolve};
use crate::host::Host;
use crate::profile::{Level, Profile, Promise};

/// Resolves a profile for a jail that runs. What holds its limits was found when it started, in a cgroup that this process
/// need not be in: that none can be had from here is no refusal.
///
/// # Errors
/// As for [`resolve`], but for limits.
pub fn resolve_again(profile: &Profile, host: &Host, name: &str) -> Result<Plan, Refusals> {
    let asked = profile.promises.get(&Promise::Limits).copied();
    let mut lenient = profile.clone();
    if asked.is_none_or(|level| level == Level::Require) {
        lenient.promises.insert(Promise::Limits, Level::Prefer);
    }
    let mut plan = resolve(&lenient, host, name)?;
    plan.asked.limits = asked;
    Ok(plan)
}
