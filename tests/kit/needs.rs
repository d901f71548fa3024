//! Needs of a test that a machine may not have: shown as ignored with the reason, or, where
//! everything is required, a failure.

use super::Check;
use libtest_mimic::Trial;

/// Why a test cannot run here, or nothing.
pub type Need = Result<(), String>;

/// A test that runs when its need is met. Missing needs are ignored and named, and fail with
/// `FLOWJAIL_TEST_REQUIRE=all`.
pub fn trial(
    name: impl Into<String>,
    need: &Need,
    test: impl FnOnce() -> Check + Send + 'static,
) -> Trial {
    let name = name.into();
    match need {
        Ok(()) => Trial::test(name, move || test().map_err(Into::into)),
        Err(missing) if all_required() => {
            let missing = missing.clone();
            Trial::test(name, move || {
                Err(format!("cannot run here, and is required: {missing}").into())
            })
        }
        Err(missing) => Trial::test(name, || Ok(()))
            .with_kind(format!("needs {missing}"))
            .with_ignored_flag(true),
    }
}

/// Whether a missing need is a failure.
fn all_required() -> bool {
    std::env::var("FLOWJAIL_TEST_REQUIRE").is_ok_and(|v| v == "all")
}

/// The first need that is missing.
pub fn both(one: &Need, other: &Need) -> Need {
    one.clone().and(other.clone())
}

/// Root, for starts as root.
pub fn root() -> Need {
    if super::who::am_root() {
        Ok(())
    } else {
        Err("root".into())
    }
}

/// A program on the PATH.
pub fn program(name: &str) -> Need {
    match super::who::on_path(name) {
        Some(_) => Ok(()),
        None => Err(format!("`{name}` on the PATH")),
    }
}
