//! Starts of programs: as whom, for how long, and what came of it.
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::needs::is_root;

/// Who starts a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// uid 0.
    Root,
    /// An ordinary user without groups and capabilities: this uid where the tests run as root, else the
    /// one that runs them.
    User(u32),
    /// uid 0 in mount, pid, ipc and uts namespaces and with a /proc of its own, so that the machine is not
    /// touched.
    PrivateRoot,
}

/// Opens a descriptor that is none of the program's business, then becomes it. A private root keeps the
/// shell, so that the first process of that pid namespace is not the program.
const LEAK: &str = "exec \"$@\" 7</dev/null";
const LEAK_AND_WAIT: &str = "\"$@\" 7</dev/null; exit $?";

/// A command as this starter would give it, with descriptor 7 open, and PATH and HOME as its environment.
/// Root is needed for all but `User`.
pub fn command(starter: Starter, program: &Path) -> Command {
    let mut command = match starter {
        Starter::Root | Starter::User(_) => Command::new("/bin/sh"),
        Starter::PrivateRoot => {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--pid", "--fork", "--ipc", "--uts"]);
            command.args(["--propagation", "private", "--mount-proc", "--", "/bin/sh"]);
            command
        }
    };
    let script = if starter == Starter::PrivateRoot {
        LEAK_AND_WAIT
    } else {
        LEAK
    };
    command.args(["-c", script, "sh"]).arg(program);
    command.env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    command.env("HOME", "/nonexistent").current_dir("/");
    if let Starter::User(id) = starter
        && is_root()
    {
        command.uid(id).gid(id); // and no groups
    }
    command
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status; `None` when it had to be killed after the time was up.
    pub status: Option<ExitStatus>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Ended {
    /// The signal that ended it, also when a launcher passed that on as 128+n.
    pub fn signal(&self) -> Option<i32> {
        let status = self.status?;
        let passed_on = status
            .code()
            .filter(|code| *code > 128)
            .map(|code| code - 128);
        status.signal().or(passed_on)
    }
}

/// Runs a command to its end, or kills it when the time is up.
pub fn finish(mut command: Command, input: &str, limit: Duration) -> std::io::Result<Ended> {
    let mut child = command
        .stdin(if input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    collect(child, limit)
}

/// The same for one that was started already, with its outputs piped.
pub fn collect(mut child: Child, limit: Duration) -> std::io::Result<Ended> {
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait(&mut child, limit)?;
    let text = |reader: std::thread::JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Ended {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Waits until the time is up; then the child is killed.
pub fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        // Soon for those that are quick; where all is slow, asking would take the child's time.
        let nap = begun.elapsed() / 16;
        std::thread::sleep(nap.clamp(Duration::from_millis(1), Duration::from_millis(20)));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn drain<R: Read + Send + 'static>(from: Option<R>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            let _ = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The children of a process with their names, from /proc.
pub fn children_of(parent: u32) -> Vec<(u32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (head, tail) = stat.rsplit_once(')')?;
            let of = tail.split_whitespace().nth(1)?.parse::<u32>().ok()?;
            (of == parent).then(|| {
                (
                    pid,
                    head.split_once('(').map_or("", |(_, name)| name).to_owned(),
                )
            })
        })
        .collect()
}
