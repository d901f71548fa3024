//! Containers: run to their end, or kept and looked at.

use super::engine::{ask, docker, finish};
use super::image::BASE;
use crate::common::start::Ended;
use crate::kit::{self};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// No command of these tests takes that long on a machine that works.
pub const SOON: Duration = Duration::from_secs(60);

/// `docker run --rm FLAGS IMAGE WORDS`, to its end.
pub fn run(flags: &[&str], words: &[&str]) -> Result<Ended, String> {
    let (name, mut args) = (name(), vec!["run", "--rm"]);
    args.extend(["--name", &name, "--entrypoint", words[0]]);
    args.extend(flags);
    args.push(BASE);
    args.extend(&words[1..]);
    let ended = finish(docker(args), SOON)?;
    if ended.status.is_none() {
        let _ = ask(["rm", "-f", &name]);
        return Err(format!(
            "{words:?} was still there after {SOON:?}: {ended:?}"
        ));
    }
    Ok(ended)
}

/// The exit code, where there is one.
pub fn code(ended: &Ended) -> i32 {
    ended.status.and_then(|status| status.code()).unwrap_or(-1)
}

/// A container that runs; removed with the value.
pub struct Container {
    name: String,
}

impl Container {
    /// `docker run -d FLAGS IMAGE WORDS`.
    pub fn start(flags: &[&str], words: &[&str]) -> Result<Self, String> {
        let flags = [&["--entrypoint", words[0]], flags].concat();
        Self::of_image(BASE, &flags, &words[1..])
    }

    /// The same with an image that has an entry point of its own.
    pub fn of_image(image: &str, flags: &[&str], words: &[&str]) -> Result<Self, String> {
        let container = Self { name: name() };
        let start = ["run", "-d", "--name", &container.name];
        ask([&start, flags, &[image], words].concat())?;
        Ok(container)
    }

    /// What docker calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `docker exec`, to its end.
    pub fn exec(&self, words: &[&str]) -> Result<Ended, String> {
        self.exec_within(words, SOON)
    }

    /// The same, where it may take longer.
    pub fn exec_within(&self, words: &[&str], limit: Duration) -> Result<Ended, String> {
        let args = ["exec", &self.name]
            .into_iter()
            .chain(words.iter().copied());
        finish(docker(args), limit)
    }

    /// Waits until its output has the text so many times.
    pub fn says(&self, text: &str, times: usize) -> Result<(), String> {
        let seen = kit::wait_for(SOON, || {
            let said = self.logs();
            if said.matches(text).count() >= times {
                return Some(true);
            }
            std::thread::sleep(Duration::from_millis(50));
            (!self.runs()).then_some(false)
        });
        match seen {
            Some(true) => Ok(()),
            _ => Err(format!("no {text:?} ({times} times) but: {}", self.logs())),
        }
    }

    /// Both outputs up to now.
    pub fn logs(&self) -> String {
        match finish(docker(["logs", &self.name]), SOON) {
            Ok(ended) => ended.stdout + &ended.stderr,
            Err(why) => why,
        }
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        self.look("{{.State.Running}}")
            .is_ok_and(|said| said == "true")
    }

    /// `docker inspect --format`.
    pub fn look(&self, format: &str) -> Result<String, String> {
        ask(["inspect", "--format", format, &self.name])
    }

    /// `docker stop` with a generous limit: the exit code, 137 where docker had to kill.
    pub fn stop(&self) -> Result<i32, String> {
        ask(["stop", "-t", "45", &self.name])?;
        let code = self.look("{{.State.ExitCode}}")?;
        code.parse().map_err(|_| code)
    }

    /// Its address in that network.
    pub fn address(&self, network: &str) -> Result<String, String> {
        self.look(&format!(
            "{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}"
        ))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = ask(["rm", "-f", "-v", &self.name]);
    }
}

fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
