//! The real Flowise, as `flowjail up --install-only` put it into the tests' cache.

use crate::common::needs::is_root;
use crate::kit::who::{Who, on_path};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Where the tests look for the trees: FLOWJAIL_TEST_CACHE; without it /var/cache/flowjail-test for
/// root (whose own home no ordinary user may enter), else the user's cache directory.
pub fn cache() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let user = || {
        let own = || var("HOME").unwrap_or_default().join(".cache");
        var("XDG_CACHE_HOME")
            .unwrap_or_else(own)
            .join("flowjail-test")
    };
    let default = || {
        if is_root() {
            "/var/cache/flowjail-test".into()
        } else {
            user()
        }
    };
    var("FLOWJAIL_TEST_CACHE").unwrap_or_else(default)
}

/// The tree of that version, where it is whole.
pub fn tree(version: &str) -> Result<PathBuf, String> {
    let dir = cache().join(format!("flowise-{version}"));
    let whole = dir
        .canonicalize()
        .ok()
        .filter(|tree| is_tree(tree, version));
    whole.ok_or_else(|| {
        format!(
            "Flowise {version} in {} (tests/run puts it there)",
            dir.display()
        )
    })
}

/// node for that version: the one on the PATH, which an ordinary user must be able to run.
pub fn node() -> Result<PathBuf, String> {
    let node = on_path("node")
        .and_then(|n| n.canonicalize().ok())
        .ok_or("`node` on the PATH")?;
    let runs = Who::Ordinary
        .command(&node)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    match runs {
        Ok(status) if status.success() => Ok(node),
        _ => Err(format!(
            "{} to be executable for an ordinary user",
            node.display()
        )),
    }
}

/// A tree counts when it is whole: the native module is the last thing that an installation makes.
fn is_tree(dir: &Path, version: &str) -> bool {
    let modules = dir.join("node_modules");
    let package = fs::read_to_string(modules.join("flowise/package.json")).unwrap_or_default();
    let package: serde_json::Value = serde_json::from_str(&package).unwrap_or_default();
    package["version"] == version
        && modules
            .join("sqlite3/build/Release/node_sqlite3.node")
            .is_file()
}
