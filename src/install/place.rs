//! Where installed trees live.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The directory of flowjail's trees: `$XDG_DATA_HOME/flowjail`, default `~/.local/share/flowjail`.
///
/// A relative `XDG_DATA_HOME` is ignored, as the XDG base directory specification asks. None without both.
pub fn data_root(xdg_data_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    let absolute = |value: &OsStr| Path::new(value).is_absolute().then(|| PathBuf::from(value));
    let base = match xdg_data_home.and_then(absolute) {
        Some(base) => base,
        None => home.and_then(absolute)?.join(".local/share"),
    };
    Some(base.join("flowjail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdg_data_home_comes_before_home_and_must_be_absolute() {
        let root = |xdg: Option<&str>, home: Option<&str>| {
            data_root(xdg.map(OsStr::new), home.map(OsStr::new))
        };
        assert_eq!(root(Some("/x"), Some("/h")), Some("/x/flowjail".into()));
        assert_eq!(
            root(Some("x"), Some("/h")),
            Some("/h/.local/share/flowjail".into())
        );
        assert_eq!(
            root(None, Some("/h")),
            Some("/h/.local/share/flowjail".into())
        );
        assert_eq!(root(None, None), None);
    }
}
