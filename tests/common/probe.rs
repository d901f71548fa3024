//! The static probe, built once from `tests/probe/`.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static PROBE: OnceLock<Result<PathBuf, String>> = OnceLock::new();

/// The built probe, or what the compiler said. FLOWJAIL_TEST_PROBE names one that was built before, for places that
/// have no compiler.
pub fn path() -> &'static Result<PathBuf, String> {
    let built = std::env::var_os("FLOWJAIL_TEST_PROBE").map(PathBuf::from);
    PROBE.get_or_init(|| built.map_or_else(build, Ok))
}

/// Each test process comes here, so an up-to-date build is taken, and a new one moved into place.
fn build() -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe");
    let mut newest = None;
    let mut files = Vec::new();
    for entry in fs::read_dir(&sources).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        newest = newest.max(modified(&path));
        if path.extension().is_some_and(|ending| ending == "c") {
            files.push(path);
        }
    }
    if modified(&built) > newest {
        return Ok(built);
    }
    let fresh = built.with_extension(std::process::id().to_string());
    let output = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-static", "-O1", "-Wall", "-Wextra", "-pthread", "-o"])
        .arg(&fresh)
        .args(&files)
        .output()
        .map_err(|error| format!("cc: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    fs::rename(&fresh, &built).map_err(|error| error.to_string())?;
    Ok(built)
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
