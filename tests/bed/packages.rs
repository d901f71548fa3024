//! Debian packages, unpacked into the cache by `packages.sh`; what is there already is not downloaded again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where beds lie: `beds` below FLOWJAIL_TEST_CACHE, which `tests/run` sets.
pub fn cache() -> Result<PathBuf, String> {
    let cache = std::env::var_os("FLOWJAIL_TEST_CACHE").ok_or("FLOWJAIL_TEST_CACHE is not set")?;
    Ok(Path::new(&cache).join("beds"))
}

/// Gets these, each `NAME/SUITE` or `kernel/SUITE`, as the script says.
pub fn get(things: &[&str]) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bed/packages.sh");
    let output = Command::new(script)
        .arg(cache()?)
        .args(things)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("packages.sh: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{things:?} could not be had: {said}"))
}

/// Gets one package and says where it is unpacked.
pub fn package(name: &str, suite: &str) -> Result<PathBuf, String> {
    get(&[&format!("{name}/{suite}")])?;
    Ok(cache()?.join("x").join(name))
}
