//! Where this process's cgroup is: what `/proc/self/cgroup` and the mounts say. Both may hold bytes of others that are no
//! text, which are not to hide what is.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use super::NoCgroup;

/// A directory at which this process's cgroup (v2) is shown, and that of the topmost one of the same mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The cgroup's own.
    pub at: PathBuf,
    /// The topmost.
    pub top: PathBuf,
}

/// Controllers that hierarchies of version 1 hold: version 2 cannot have them.
pub fn of_version_1() -> BTreeSet<String> {
    let text = fs::read("/proc/self/cgroup").unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().filter_map(|line| line.split(':').nth(1));
    let names = lines.flat_map(|names| names.split(','));
    let names = names.filter(|name| !name.is_empty() && !name.contains('='));
    names.map(str::to_owned).collect()
}

/// All such places, in the order of the mounts.
pub fn all() -> Result<Vec<Place>, NoCgroup> {
    let text = fs::read("/proc/self/cgroup").unwrap_or_default();
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = || text.split(|byte| *byte == b'\n');
    let path = lines().find_map(|line| line.strip_prefix(b"0::"));
    let mounts: Vec<(PathBuf, PathBuf)> = mounts
        .split(|byte| *byte == b'\n')
        .filter_map(version_2)
        .collect();
    let Some(path) = path.filter(|_| !mounts.is_empty()) else {
        let v1 = lines().any(|line| !line.is_empty() && !line.starts_with(b"0::"));
        return Err(NoCgroup::NotMounted { v1 });
    };
    let path = path_of(path.to_vec());
    let shown = mounts.into_iter().filter_map(|mount| shown(&path, mount));
    // One that another mount lies over is not to be had.
    let all: Vec<Place> = shown
        .filter(|place| place.at.join("cgroup.procs").exists())
        .collect();
    if all.is_empty() {
        return Err(NoCgroup::Hidden);
    }
    Ok(all)
}

/// The place of a cgroup below a mount of a root.
fn shown(path: &Path, (root, top): (PathBuf, PathBuf)) -> Option<Place> {
    let below = path.strip_prefix(root).ok()?;
    let plain = |part: Component| matches!(part, Component::Normal(_));
    let at = below.components().all(plain).then(|| match below {
        here if here == Path::new("") => top.clone(),
        below => top.join(below),
    })?;
    Some(Place { at, top })
}

/// Root and place of a mount of cgroup2, of a line of mountinfo (proc_pid_mountinfo(5)).
fn version_2(line: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let mut words = line.split(|byte| *byte == b' ').skip(3);
    let (root, at) = (words.next()?, words.next()?);
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    (kind == b"cgroup2").then(|| (path_of(plain(root)), path_of(plain(at))))
}

/// Blanks and backslashes are written as octal numbers.
fn plain(escaped: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = escaped;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| *first == b'\\');
        let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match text.and_then(|text| u8::from_str_radix(text, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[3..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::{Place, shown, version_2};
    use std::path::{Path, PathBuf};

    const LINE: &str =
        "30 23 0:26 /a /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";

    #[test]
    fn a_mount_of_version_2_is_found_by_its_kind_and_no_other() {
        let both = (PathBuf::from("/a"), PathBuf::from("/sys/fs/cgroup"));
        assert_eq!(version_2(LINE.as_bytes()), Some(both));
        let v1 = LINE.replace("- cgroup2", "- cgroup");
        assert_eq!(version_2(v1.as_bytes()), None);
        assert_eq!(version_2(b"nonsense"), None);
    }

    #[test]
    fn blanks_and_backslashes_of_a_mount_are_those_of_its_path() {
        let line = LINE
            .replace("/a ", r"/dev\134x2dsda.service ")
            .replace("/sys/fs/cgroup", r"/run/c\040g\");
        let both = (
            PathBuf::from(r"/dev\x2dsda.service"),
            PathBuf::from(r"/run/c g\"),
        );
        assert_eq!(version_2(line.as_bytes()), Some(both));
    }

    #[test]
    fn a_cgroup_is_shown_by_mounts_of_what_is_above_it() {
        let at = |path: &str, root: &str| {
            shown(Path::new(path), (root.into(), "/c".into())).map(|place| place.at)
        };
        assert_eq!(at("/a/b", "/"), Some("/c/a/b".into()));
        assert_eq!(at("/a/b", "/a/b"), Some("/c".into()));
        assert_eq!(at("/../../a", "/../.."), Some("/c/a".into()));
        for (path, root) in [("/a", "/a/b"), ("/ab", "/a"), ("/../a", "/"), ("/", "/..")] {
            assert_eq!(at(path, root), None, "{path} below {root}");
        }
        let place = Place {
            at: "/c/b".into(),
            top: "/c".into(),
        };
        assert_eq!(
            shown(Path::new("/a/b"), ("/a".into(), "/c".into())),
            Some(place)
        );
    }
}
