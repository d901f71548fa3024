//! The programs that an installation needs, found in PATH: all that are missing are named at once.
#![forbid(unsafe_code)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::child;
use super::error::{Error, Missing};

/// Majors that Flowise was tested on; 3.1.4 asks for 24 and runs on 20, too.
const MAJORS: [u32; 2] = [24, 20];

/// The node that builds and runs Flowise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// As found in PATH.
    pub path: PathBuf,
    /// As `node --version` says it, without the `v`.
    pub version: String,
    /// The directory that it is installed in: its real place without `bin/node`.
    pub prefix: PathBuf,
}

/// Everything that an installation starts.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Runs npm, the build and Flowise.
    pub node: Node,
    /// As found in PATH.
    pub npm: PathBuf,
    /// npm's own directory, with the packages that it brings.
    pub npm_package: PathBuf,
    /// Python, for node-gyp: the interpreter itself, behind version managers and virtual environments.
    pub python: PathBuf,
    /// The directory that Python is installed in.
    pub python_prefix: PathBuf,
    /// The C compiler, which make would else look for as `cc`.
    pub cc: PathBuf,
    /// The C++ compiler, which make would else look for as `g++`.
    pub cxx: PathBuf,
    /// PATH for what is started: the node's own directory first, so that `#!/usr/bin/env node` is this one.
    pub path: OsString,
}

impl Node {
    /// Finds node in PATH: the first whose version Flowise runs on.
    pub fn find(path: &OsStr) -> Result<Node, Error> {
        find_node(path).map_err(|missing| Error::Missing(vec![missing]))
    }

    /// The directory that holds `include/node` beside this node, if the headers are there and are its own.
    pub fn headers(&self) -> Option<&Path> {
        let major = self.version.split('.').next()?;
        let text = std::fs::read_to_string(self.prefix.join("include/node/node_version.h")).ok()?;
        let wanted = ["#define", "NODE_MAJOR_VERSION", major];
        text.lines()
            .any(|line| line.split_whitespace().eq(wanted))
            .then_some(&self.prefix)
    }
}

impl Tools {
    /// Finds them in `path`, the value of PATH.
    pub fn find(path: &OsStr) -> Result<Tools, Error> {
        let mut missing = Vec::new();
        let node = find_node(path).map_err(|one| missing.push(one)).ok();
        let mut need = |names: &[&str], otherwise: Missing| {
            let found = names.iter().find_map(|name| programs(path, name).next());
            if found.is_none() {
                missing.push(otherwise);
            }
            found
        };
        let npm = need(&["npm"], Missing::Npm);
        let python = need(&["python3"], Missing::Python);
        let _ = need(&["make"], Missing::Make);
        let cxx = need(&["g++", "c++", "clang++"], Missing::Compiler);
        let cc = need(&["gcc", "cc", "clang"], Missing::Compiler);
        missing.dedup();
        let real = python.and_then(|python| real_python(&python, path));
        if real.is_none() && !missing.contains(&Missing::Python) {
            missing.push(Missing::Python);
        }
        let (Some(node), Some(npm), Some((python, python_prefix)), Some(cc), Some(cxx), true) =
            (node, npm, real, cc, cxx, missing.is_empty())
        else {
            return Err(Error::Missing(missing));
        };
        let npm_package = above(&npm, 2).unwrap_or_default();
        let path = with_first(node.path.parent(), path);
        Ok(Tools {
            node,
            npm,
            npm_package,
            python,
            python_prefix,
            cc,
            cxx,
            path,
        })
    }

    /// The node-gyp that builds: npm's own, since the one in Flowise's tree is too old for Python 3.12; else that one.
    ///
    /// npm's is in its `node_modules`, or a sibling of npm as Debian packages it.
    pub fn node_gyp(&self, tree: &Path) -> PathBuf {
        let sibling = self
            .npm_package
            .parent()
            .map(|directory| directory.join("node-gyp"));
        let places = [
            Some(self.npm_package.join("node_modules/node-gyp")),
            sibling,
        ];
        let script = |place: PathBuf| place.join("bin/node-gyp.js");
        let found = places
            .into_iter()
            .flatten()
            .map(script)
            .find(|file| file.is_file());
        found.unwrap_or_else(|| script(tree.join("node_modules/node-gyp")))
    }
}

/// The directory `levels` above a file's real place.
fn above(file: &Path, levels: usize) -> Option<PathBuf> {
    file.canonicalize()
        .ok()?
        .ancestors()
        .nth(levels)
        .map(Path::to_owned)
}

/// Asks Python where it really is: a version manager's `python3` is a script.
fn real_python(python: &Path, path: &OsStr) -> Option<(PathBuf, PathBuf)> {
    const ASK: &str = "import sys; print(getattr(sys, '_base_executable', sys.executable)); print(sys.base_prefix)";
    let mut command = Command::new(python);
    child::clean(&mut command, path);
    let output = command
        .args(["-I", "-c", ASK])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines().map(PathBuf::from);
    lines
        .next()
        .zip(lines.next())
        .filter(|(python, prefix)| python.is_absolute() && prefix.is_absolute())
}

fn find_node(path: &OsStr) -> Result<Node, Missing> {
    let mut refused = None;
    for candidate in programs(path, "node") {
        let Some(version) = version_of(&candidate, path) else {
            continue;
        };
        let major = version
            .split('.')
            .next()
            .and_then(|digits| digits.parse().ok());
        if major.is_some_and(|major| MAJORS.contains(&major)) {
            let prefix = above(&candidate, 2).unwrap_or_default();
            return Ok(Node {
                path: candidate,
                version,
                prefix,
            });
        }
        refused.get_or_insert(Missing::NodeVersion {
            path: candidate,
            found: format!("v{version}"),
        });
    }
    Err(refused.unwrap_or(Missing::Node))
}

fn version_of(node: &Path, path: &OsStr) -> Option<String> {
    let mut command = Command::new(node);
    child::clean(&mut command, path);
    let output = command
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix('v').map(str::to_owned)
}

/// Executable files of that name in PATH, in its order. Relative entries of PATH are passed over: what runs
/// must not depend on the directory that one happens to stand in.
fn programs<'a>(path: &'a OsStr, name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let places = env::split_paths(path).filter(|place| place.is_absolute());
    places.map(move |place| place.join(name)).filter(|file| {
        let found = file.metadata();
        found.is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

fn with_first(first: Option<&Path>, path: &OsStr) -> OsString {
    let rest = env::split_paths(path).filter(|place| place.is_absolute());
    let all = first.map(Path::to_owned).into_iter().chain(rest);
    env::join_paths(all).unwrap_or_else(|_| path.to_owned())
}
