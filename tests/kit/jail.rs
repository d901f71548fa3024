//! flowjail itself, started from outside and watched.

use super::procs::{self, Proc};
use super::scratch::{self, Scratch};
use super::who::Who;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// The binary under test, where an ordinary user can reach it. FLOWJAIL_TEST_BINARY names another
/// build than cargo's, the static one for instance.
pub fn binary() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let other = std::env::var_os("FLOWJAIL_TEST_BINARY").map(PathBuf::from);
        let built = other.unwrap_or_else(|| env!("CARGO_BIN_EXE_flowjail").into());
        scratch::shared(|dir| dir.program("flowjail", &built))
    })
}

/// `flowjail ARGS...` as that user.
pub fn flowjail(who: Who, args: &[&str]) -> Command {
    let mut command = who.command(binary());
    command.args(args).stdin(Stdio::null());
    command
}

/// A flowjail that runs, with its stderr and events in files.
pub struct Jail {
    /// The supervisor.
    pub child: Child,
    stderr: PathBuf,
}

/// What is left of it.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; 256 + n when a signal ended the supervisor itself.
    pub code: i32,
    /// All of stderr.
    pub stderr: String,
}

impl Jail {
    /// Starts the command with stderr in a file of the scratch directory.
    pub fn start(scratch: &Scratch, name: &str, mut command: Command) -> Self {
        let stderr = scratch.at(&format!("{name}.stderr"));
        let file = File::create(&stderr).expect("stderr file");
        let child = command.stderr(file).spawn().expect("spawn");
        Self { child, stderr }
    }

    /// The supervisor's number.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The supervisor and everything below it.
    pub fn tree(&self) -> Vec<Proc> {
        procs::tree(self.pid())
    }

    /// The process tree once the jailed program runs: supervisor, init, program, found as the
    /// grandchild whose executable is not flowjail's.
    pub fn program(&self) -> Result<Proc, String> {
        let found = super::wait_for(Duration::from_secs(20), || {
            let tree = self.tree();
            let own = tree.first()?.comm.clone();
            tree.iter()
                .skip(1)
                .find(|p| p.comm != own && !p.comm.starts_with("flowjail"))
                .cloned()
        });
        found.ok_or_else(|| {
            format!(
                "no program below {:?}; stderr: {}",
                self.tree(),
                self.stderr()
            )
        })
    }

    /// What it said up to now.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Sends a signal to the supervisor.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("kill");
    }

    /// The end, or an error when it does not come in time (then it is killed).
    pub fn end(&mut self, limit: Duration) -> Result<Ended, String> {
        let status = super::wait_for(limit, || self.child.try_wait().expect("wait"));
        match status {
            Some(status) => Ok(Ended {
                code: code_of(status),
                stderr: self.stderr(),
            }),
            None => {
                let tree = self.tree();
                let _ = self.child.kill();
                let _ = self.child.wait();
                Err(format!(
                    "still there after {limit:?}: {tree:?}; stderr: {}",
                    self.stderr()
                ))
            }
        }
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit code, or 256 + n after signal n.
pub fn code_of(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 256 + status.signal().unwrap_or(0))
}

/// Runs flowjail to its end.
pub fn run(scratch: &Scratch, who: Who, args: &[&str]) -> Result<Ended, String> {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let serial = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut command = flowjail(who, args);
    command.stdout(Stdio::null());
    Jail::start(scratch, &format!("run{serial}"), command).end(Duration::from_secs(30))
}

/// The events of a file, one JSON value per line.
pub fn events(file: &Path) -> Result<Vec<serde_json::Value>, String> {
    let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(|e| format!("not JSON: {line}: {e}")))
        .collect()
}

/// Whether the event is of that kind.
pub fn is(event: &serde_json::Value, kind: &str) -> bool {
    event.get("event").and_then(|e| e.as_str()) == Some(kind)
}
