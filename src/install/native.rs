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
    /// Builds the module unless one that loads is there.
    pub fn make(&self, progress: &mut dyn Progress) -> Result<(), Error> {
        let module = self.tree.join(NATIVE_MODULE);
        let headers = self.tools.node.headers();
        let mut jail = Jail::choose(self.flowjail, headers.is_some());
        if module.is_file()
            && self
                .run(&mut jail, "load.log", &load_arguments(&module), progress)?
                .0
                .success()
        {
            return Ok(());
        }
        let (status, log) = self.run(
            &mut jail,
            "build.log",
            &self.build_arguments(headers),
            progress,
        )?;
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
        let (status, log) = self.run(&mut jail, "load.log", &load_arguments(&module), progress)?;
        if !status.success() {
            return Err(Error::Failed {
                what: "loading the built sqlite3",
                status,
                tail: child::tail(&log),
                log,
            });
        }
        Ok(())
    }

    /// Runs node with `arguments`, jailed if that can be had; a jail that cannot be made is reported once.
    fn run(
        &self,
        jail: &mut Jail,
        log: &str,
        arguments: &[OsString],
        progress: &mut dyn Progress,
    ) -> Result<(ExitStatus, PathBuf), Error> {
        let log = self.tree.join(log);
        if let Jail::By(flowjail) = jail {
            let mut command = self.command(Some(flowjail), arguments);
            let status = self.watch(&mut command, &log, progress)?;
            if status.code() != Some(NO_JAIL) {
                return Ok((status, log));
            }
            *jail = Jail::None(Unjailed::Refused(reason(&log)));
        }
        if let Jail::None(why) = jail {
            progress.report(&Fact::BuildUnjailed(why.clone()));
            *jail = Jail::NoneReported;
        }
        let status = self.watch(&mut self.command(None, arguments), &log, progress)?;
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

    /// `node ARGUMENTS`, or `flowjail run --profile native-build ... -- node ARGUMENTS`.
    fn command(&self, flowjail: Option<&Path>, arguments: &[OsString]) -> Command {
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
        command.args(arguments).current_dir(self.tree.join(PACKAGE));
        child::clean(&mut command, &self.tools.path);
        command
    }

    /// What the profile `native-build` has to know: the tree (of which the package's directory is writable), and where
    /// node, npm (its node-gyp) and python live.
    fn parameters(&self) -> [(&'static str, &Path); 4] {
        let tools = self.tools;
        [
            ("tree", self.tree),
            ("node", &tools.node.prefix),
            ("npm", &tools.npm_package),
            ("python", &tools.python_prefix),
        ]
    }

    fn build_arguments(&self, headers: Option<&Path>) -> Vec<OsString> {
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

enum Jail {
    By(PathBuf),
    None(Unjailed),
    NoneReported,
}

impl Jail {
    fn choose(flowjail: Option<&Path>, headers: bool) -> Jail {
        match flowjail {
            None => Jail::None(Unjailed::NotAsked),
            Some(_) if !headers => Jail::None(Unjailed::NoHeaders),
            Some(flowjail) => Jail::By(flowjail.to_owned()),
        }
    }
}

fn load_arguments(module: &Path) -> Vec<OsString> {
    let script = "process.dlopen({ exports: {} }, process.argv[1])";
    vec!["-e".into(), script.into(), module.into()]
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
