//! What can go wrong while Flowise is got, as fields; the words and hints are made here at the edge.
#![forbid(unsafe_code)]

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::lock;
use super::space::{Free, Need};

/// Why there is no usable tree.
#[derive(Debug)]
pub enum Error {
    /// A version that flowjail has no lock file for.
    UnknownVersion {
        /// What was asked for.
        asked: String,
    },
    /// Neither `XDG_DATA_HOME` nor `HOME` says where trees belong.
    NoHome,
    /// Programs that the installation needs are not there: all of them at once.
    Missing(Vec<Missing>),
    /// The disk is too full.
    NoSpace {
        /// Where it would be installed.
        path: PathBuf,
        /// What is needed.
        need: Need,
        /// What is left.
        free: Free,
    },
    /// A file operation failed.
    Io {
        /// A verb, as in "create".
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A program could not be started.
    Spawn {
        /// Which.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A program of the installation failed.
    Failed {
        /// What it was for: "npm", "the build of sqlite3".
        what: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Everything that it wrote.
        log: PathBuf,
        /// The last lines of that.
        tail: Vec<String>,
    },
    /// An installed tree is not what was installed.
    Changed {
        /// The tree.
        tree: PathBuf,
        /// The first path that differs, relative to it.
        path: PathBuf,
        /// In which way.
        change: Change,
    },
    /// A tree's own record cannot be read.
    BadManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

/// How a path differs from the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not installed.
    Added,
    /// It is gone.
    Removed,
    /// Its size, mode, time or link target is another.
    Attributes,
    /// Its contents are others.
    Contents,
}

/// A program that the installation needs and did not find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// No node in PATH.
    Node,
    /// A node that Flowise does not run on.
    NodeVersion {
        /// Where it is.
        path: PathBuf,
        /// What `node --version` said.
        found: String,
    },
    /// No npm in PATH.
    Npm,
    /// No python3 that runs in PATH.
    Python,
    /// No make in PATH.
    Make,
    /// No C++ compiler in PATH.
    Compiler,
}

impl Error {
    pub(super) fn io(act: &'static str, path: &Path, source: io::Error) -> Error {
        Error::Io {
            act,
            path: path.to_owned(),
            source,
        }
    }

    /// What mends it, one line each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Error::UnknownVersion { .. } => {
                let known: Vec<_> = lock::versions().collect();
                vec![format!(
                    "versions that flowjail installs: {}",
                    known.join(", ")
                )]
            }
            Error::NoHome => vec!["set HOME, or name a directory with `--dir DIR`".to_owned()],
            Error::Missing(missing) => missing_hints(missing),
            Error::NoSpace { path, need, .. } => vec![format!(
                "free {} and {} inodes at `{}`, or name another place with `--dir DIR`",
                gigabytes(need.bytes),
                need.inodes,
                path.display()
            )],
            Error::Io { .. } | Error::Spawn { .. } => Vec::new(),
            Error::Failed { what, .. } if *what == "npm" => vec![
                "run the same command again: what npm has fetched is kept in its cache".to_owned(),
                "`npm ping` tells whether npm reaches its registry".to_owned(),
            ],
            Error::Failed { .. } => vec![
                "run the same command again once it is mended: npm's part is kept".to_owned(),
                "where only its jail is in the way: `flowjail up --unjailed-build`".to_owned(),
            ],
            Error::Changed { .. } | Error::BadManifest { .. } => {
                vec!["`flowjail up --reinstall` installs it anew".to_owned()]
            }
        }
    }
}

fn missing_hints(missing: &[Missing]) -> Vec<String> {
    let has = |wanted: &[Missing]| missing.iter().any(|one| wanted.contains(one));
    let mut hints = Vec::new();
    if missing
        .iter()
        .any(|one| matches!(one, Missing::Node | Missing::NodeVersion { .. }))
    {
        hints.push(
            "get node 24 (or 20): https://nodejs.org/en/download has it for every Linux".to_owned(),
        );
        hints.push("on Debian 13: `apt-get install nodejs npm`".to_owned());
    } else if has(&[Missing::Npm]) {
        hints.push(
            "npm comes with node from https://nodejs.org; on Debian: `apt-get install npm`"
                .to_owned(),
        );
    }
    if has(&[Missing::Python, Missing::Make, Missing::Compiler]) {
        hints.push("on Debian and Ubuntu: `apt-get install python3 make g++`".to_owned());
        hints.push(
            "on Fedora: `dnf install python3 make gcc-c++`; on Alpine: `apk add python3 make g++`"
                .to_owned(),
        );
    }
    hints
}

impl Display for Missing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Node => f.write_str("node is not in PATH"),
            Missing::NodeVersion { path, found } => {
                write!(
                    f,
                    "`{}` is {found}; Flowise runs on node 24 or 20",
                    path.display()
                )
            }
            Missing::Npm => f.write_str("npm is not in PATH"),
            Missing::Python => {
                f.write_str("no working python3 is in PATH (the build of sqlite3 needs it)")
            }
            Missing::Make => f.write_str("make is not in PATH (the build of sqlite3 needs it)"),
            Missing::Compiler => f.write_str(
                "no C++ compiler (c++, g++ or clang++) is in PATH (the build of sqlite3 needs it)",
            ),
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Error::UnknownVersion { asked } => {
                write!(f, "Flowise `{asked}` is not a version that flowjail knows")
            }
            Error::NoHome => {
                f.write_str("no place for the installation: neither XDG_DATA_HOME nor HOME is set")
            }
            Error::Missing(missing) => {
                let all: Vec<_> = missing.iter().map(Missing::to_string).collect();
                f.write_str(&all.join("\n  "))
            }
            Error::NoSpace { path, need, free } => no_space(f, path, *need, *free),
            Error::Io { act, path, .. } => write!(f, "cannot {act} `{}`", path.display()),
            Error::Spawn { program, .. } => write!(f, "cannot start `{}`", program.display()),
            Error::Failed {
                what,
                status,
                log,
                tail,
            } => {
                write!(f, "{what} failed ({status})")?;
                tail.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
                write!(f, "\n  all of it: {}", log.display())
            }
            Error::Changed { tree, path, change } => {
                write!(f, "`{}` is not what was installed: ", tree.display())?;
                write!(f, "{} {}", path.display(), change.words())
            }
            Error::BadManifest { path, detail } => {
                write!(f, "`{}` cannot be used: {detail}", path.display())
            }
        }
    }
}

fn no_space(f: &mut Formatter<'_>, path: &Path, need: Need, free: Free) -> fmt::Result {
    write!(f, "too little room at `{}`: ", path.display())?;
    if free.bytes < need.bytes {
        return write!(
            f,
            "{} needed, {} free",
            gigabytes(need.bytes),
            gigabytes(free.bytes)
        );
    }
    write!(
        f,
        "{} inodes needed, {} free",
        need.inodes,
        free.inodes.unwrap_or(0)
    )
}

fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10)
}

impl Change {
    fn words(self) -> &'static str {
        match self {
            Change::Added => "was added",
            Change::Removed => "is gone",
            Change::Attributes => "has another size, mode, time or target",
            Change::Contents => "has other contents",
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } | Error::Spawn { source, .. } => Some(source),
            _ => None,
        }
    }
}
