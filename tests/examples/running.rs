//! Containers of the built image, looked at from outside.

use crate::engine::{ask, docker, finish};
use crate::kit::{self, Check, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The first start migrates a database, on a loaded machine.
const READY: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(60);

/// A container, removed with the value.
pub struct Running {
    name: String,
}

impl Running {
    /// `docker run -d --name NAME ARGS...`.
    pub fn start(name: &str, args: &[&str]) -> Result<Self, String> {
        let words = ["run", "-d", "--name", name].into_iter();
        let running = Self { name: name.into() };
        ask(words.chain(args.iter().copied()))?;
        Ok(running)
    }

    /// One that somebody else starts and removes.
    pub fn named(name: &str) -> Self {
        Self { name: name.into() }
    }

    /// `docker inspect --format`.
    pub fn look(&self, format: &str) -> Result<String, String> {
        ask(["inspect", "--format", format, &self.name])
    }

    /// Waits until the engine itself says this of its health.
    pub fn becomes(&self, health: &str) -> Check {
        let seen = kit::wait_for(READY, || {
            std::thread::sleep(Duration::from_millis(200));
            let state = self
                .look("{{.State.Health.Status}} {{.State.Running}} {{.RestartCount}}")
                .ok()?;
            let ended = !state.ends_with(" true 0") || state.starts_with("unhealthy ");
            (ended || state.starts_with(&format!("{health} "))).then_some(state)
        });
        let held = seen
            .as_ref()
            .is_some_and(|state| state.starts_with(&format!("{health} ")));
        ensure(held, || {
            format!("{seen:?} and not {health}; {}", self.told())
        })
    }

    /// What it printed, and what its health checks did.
    pub fn told(&self) -> String {
        let logs = finish(docker(["logs", "--tail", "40", &self.name]), SOON);
        let checks = self.look("{{json .State.Health.Log}}");
        format!("logs: {logs:?}; checks: {checks:?}")
    }

    /// `docker exec`: its exit code and both outputs.
    pub fn exec(&self, words: &[&str]) -> Result<(Option<i32>, String), String> {
        let ended = finish(docker(["exec", &self.name].iter().chain(words)), SOON)?;
        let code = ended.status.and_then(|status| status.code());
        Ok((code, ended.stdout + &ended.stderr))
    }

    /// Node's lines of /proc/PID/status: the process of that name that the container runs.
    pub fn status_of_node(&self) -> Result<String, String> {
        let (_, all) = self.exec(&["sh", "-c", "cat /proc/[0-9]*/status"])?;
        let found = all.split("\nName:\t").find(|one| {
            let name = one.trim_start_matches("Name:\t").lines().next();
            matches!(name, Some("node" | "MainThread"))
        });
        found
            .map(str::to_owned)
            .ok_or_else(|| format!("no node in {all}"))
    }

    /// `docker stop` as it is without flags: the exit code, which is 137 where the engine had to kill.
    pub fn stop(&self) -> Result<i32, String> {
        ask(["stop", &self.name])?;
        let code = self.look("{{.State.ExitCode}}")?;
        code.parse().map_err(|_| code)
    }

    /// Starts it again, with the same volumes.
    pub fn start_again(&self) -> Check {
        ask(["start", &self.name]).map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = ask(["rm", "-f", "-v", &self.name]);
    }
}

/// One line of a file like /proc/PID/status.
pub fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim()
}

/// What Flowise answers at a published port.
pub fn ping(port: u16) -> Result<String, String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(
            b"GET /api/v1/ping HTTP/1.1\r\nHost: flowise\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().map_err(|e| format!("port {port}: {e}"))
}

/// Whether Flowise answers there.
pub fn answers(port: u16) -> Check {
    let answer = ping(port)?;
    ensure(answer.ends_with("pong"), || {
        format!("port {port}: {answer}")
    })
}
