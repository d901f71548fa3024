//! The one native module that Flowise needs to start, sqlite3, built from the source in its package.
//!
//! node-gyp runs build files and a compiler on code from npm: the one step that runs what a package brought.
//! It runs in a jail without network (profile `native-build`) wherever that can be had.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::error::Error;
use super::manifest::NATIVE_MODULE;
use super::tools::Tools;
use super::{Fact, Progress, child};

const PACKAGE: &str = "node_modules/sqlite3";
/// What the build leaves; only the module itself is kept of it.
const BUILD: &str = "node_modules/sqlite3/build";
/// Said once the module is built and alone.
const DONE: &str = "native.done";
/// flowjail's own exit code: the jail could not be made, the command never ran.
const NO_JAIL: i32 = 125;

/// Why the build runs without a jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unjailed {
    /// The caller named no flowjail to jail it with.
    NotAsked,
    /// Node's headers are not beside node: node-gyp must download them.
    NoHeaders,
    /// The jail could not be made here; the first line of the reason.
    Refused(String),
}

/// A build about to be run.
pub struct Build<'a> {
    /// The tree, under its working name.
    pub tree: &'a Path,
    /// Node, npm and python.
    pub tools: &'a Tools,
    /// The flowjail that jails it.
    pub flowjail: Option<&'a Path>,
    /// The locked file (see [`child::run`]).
    pub locked: &'a File,
}

impl Build<'_> {
    /// Builds the module unless an earlier run has; what it leaves is the module alone.
    pub fn make(&self, progress: &mut dyn Progress) -> Result<(), Error> {
        let done = self.tree.join(DONE);
        if done.exists() {
            return Ok(());
        }
        let module = self.tree.join(NATIVE_MODULE);
        let (status, log) = self.run(progress)?;
        if !status.success() || !module.is_file() {
            return Err(Error::Failed {
                what: "the build of sqlite3",
                status,
                tail: child::tail(&log),
                log,
            });
        }
        keep_only_the_module(self.tree, &module)
            .map_err(|source| Error::io("tidy", &self.tree.join(BUILD), source))?;
        fs::write(&done, &self.tools.node.version)
            .map_err(|source| Error::io("write", &done, source))
    }

    /// Runs node-gyp, jailed if that can be had. A build that fails *in* its jail is not tried again outside.
    fn run(&self, progress: &mut dyn Progress) -> Result<(ExitStatus, PathBuf), Error> {
        let log = self.tree.join("build.log");
        let headers = self.tools.node.headers();
        let why = match (self.flowjail, headers) {
            (None, _) => Unjailed::NotAsked,
            (_, None) => Unjailed::NoHeaders,
            (Some(flowjail), Some(_)) => {
                let status =
                    self.watch(&mut self.command(Some(flowjail), headers), &log, progress)?;
                if status.code() != Some(NO_JAIL) {
                    return Ok((status, log));
                }
                Unjailed::Refused(reason(&log))
            }
        };
        progress.report(&Fact::BuildUnjailed(why));
        let status = self.watch(&mut self.command(None, headers), &log, progress)?;
        Ok((status, log))
    }

    fn watch(
        &self,
        command: &mut Command,
        log: &Path,
        progress: &mut dyn Progress,
    ) -> Result<ExitStatus, Error> {
        progress.report(&Fact::Building {
            elapsed: Duration::ZERO,
        });
        child::run(command, log, self.locked, |elapsed| {
            progress.report(&Fact::Building { elapsed })
        })
    }

    /// `node node-gyp.js rebuild ...`, or `flowjail run --profile native-build ... -- node node-gyp.js rebuild ...`.
    fn command(&self, flowjail: Option<&Path>, headers: Option<&Path>) -> Command {
        let node = &self.tools.node.path;
        let mut command = Command::new(flowjail.unwrap_or(node));
        if flowjail.is_some() {
            command.args(["run", "--profile", "native-build"]);
            for (name, value) in self.parameters() {
                let mut setting = OsString::from(name);
                setting.push("=");
                setting.push(value);
                command.arg("--set").arg(setting);
            }
            command.arg("--").arg(node);
        }
        command
            .args(self.arguments(headers))
            .current_dir(self.tree.join(PACKAGE));
        child::clean(&mut command, &self.tools.path);
        command
            .env("CC", &self.tools.cc)
            .env("CXX", &self.tools.cxx);
        command
    }

    /// What the profile `native-build` has to know: the package's own directory (written), the packages around it
    /// (its build files use some), and where npm, node and python live, which need not be below /usr.
    fn parameters(&self) -> [(&'static str, PathBuf); 5] {
        let tools = self.tools;
        [
            ("tree", self.tree.join(PACKAGE)),
            ("modules", self.tree.join("node_modules")),
            ("npm", tools.npm_package.clone()),
            ("prefix", tools.node.prefix.clone()),
            ("python", tools.python_prefix.clone()),
        ]
    }

    fn arguments(&self, headers: Option<&Path>) -> Vec<OsString> {
        let with = |name: &str, value: &Path| {
            let mut argument = OsString::from(name);
            argument.push(value);
            argument
        };
        let package = self.tree.join(PACKAGE);
        let mut arguments = vec![
            self.tools.node_gyp(self.tree).into_os_string(),
            "rebuild".into(),
            "--release".into(),
        ];
        arguments.push(with("--directory=", &package));
        arguments.push(with("--python=", &self.tools.python));
        arguments.extend(headers.map(|prefix| with("--nodedir=", prefix)));
        arguments
    }
}

fn reason(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let line = text
        .lines()
        .find(|line| line.starts_with("error:"))
        .or_else(|| text.lines().next());
    line.map_or_else(
        || "no reason given".to_owned(),
        |line| line.trim_start_matches("error:").trim().to_owned(),
    )
}

fn keep_only_the_module(tree: &Path, module: &Path) -> io::Result<()> {
    let aside = tree.join("node_sqlite3.node");
    fs::copy(module, &aside)?;
    fs::remove_dir_all(tree.join(BUILD))?;
    if let Some(directory) = module.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::rename(&aside, module)
}
