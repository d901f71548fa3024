//! Static programs for guests: flowjail and the denied acts, which `tests/run` builds, and small ones in C.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::common::needs::{self, Need};

/// The variable that names the static flowjail.
const FLOWJAIL: &str = "FLOWJAIL_TEST_STATIC";
/// The variable that names the static build of tests/denied_acts.
const ACTS: &str = "FLOWJAIL_TEST_STATIC_ACTS";

/// Both builds, and a compiler.
pub fn needs() -> Vec<Need> {
    let named = |name| {
        needs::condition(
            name,
            std::env::var_os(name).is_some(),
            "tests/run builds it",
        )
    };
    vec![named(FLOWJAIL), named(ACTS), needs::compiler()]
}

/// The static flowjail.
pub fn flowjail() -> Result<PathBuf, String> {
    std::env::var_os(FLOWJAIL)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{FLOWJAIL} is not set"))
}

/// The static denied acts.
pub fn acts() -> Result<PathBuf, String> {
    std::env::var_os(ACTS)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{ACTS} is not set"))
}

/// A program compiled from a C file below tests/. Others may run what is there, so it is moved into place when it is whole.
pub fn compiled(source: &str) -> Result<PathBuf, String> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(source);
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vms");
    std::fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    let program = place.join(source.file_stem().ok_or("no file")?);
    let fresh = program.with_extension(std::process::id().to_string());
    let output = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-static", "-O1", "-Wall", "-Wextra", "-pthread", "-o"])
        .arg(&fresh)
        .arg(&source)
        .output()
        .map_err(|error| format!("cc: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::rename(&fresh, &program).map_err(|error| error.to_string())?;
    Ok(program)
}
