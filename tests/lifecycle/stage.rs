//! What every lifecycle test stands on: the jailed program, a profile for it, and a jail that runs.

use crate::kit::jail::{self, Ended, Jail};
use crate::kit::scratch::{self, Scratch};
use crate::kit::wait_for;
use crate::kit::who::Who;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// No launch of these small programs takes that long on a machine that works.
pub const SOON: Duration = Duration::from_secs(20);

/// A static program compiled from a C file of tests/lifecycle, once per run.
pub fn compiled(name: &'static str) -> Result<PathBuf, String> {
    scratch::shared(|dir| {
        let program = dir.at(name);
        if !program.exists() {
            compile(name, &program)?;
        }
        Ok(program)
    })
}

fn compile(name: &str, program: &Path) -> Result<(), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/lifecycle/{name}.c"));
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler
        .args(["-static", "-O1", "-Wall", "-Wextra", "-o"])
        .arg(program)
        .arg(source);
    let output = compiler.output().map_err(|e| format!("cc: {e}"))?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(said())
    }
}

/// A scratch directory with a profile in which the actor may run, and one writable directory.
pub struct Stage {
    /// The files of this test.
    pub scratch: Scratch,
    /// Who starts flowjail.
    pub who: Who,
    profile: String,
    actor: String,
}

impl Stage {
    /// The shipped `base` with the actor to read and `work` to write.
    pub fn new(who: Who) -> Result<Self, String> {
        Self::with(who, "")
    }

    /// The same with more lines of profile.
    pub fn with(who: Who, more: &str) -> Result<Self, String> {
        Self::of("", who, more)
    }

    /// The same in a bare jail, where what root owns is not mapped to the program.
    pub fn bare(who: Who, more: &str) -> Result<Self, String> {
        let stage = Self::of("jail = \"bare\"\n", who, more)?;
        if who == Who::Root {
            let plain = Some(64_120);
            std::os::unix::fs::chown(stage.scratch.at("work"), plain, plain)
                .map_err(|error| error.to_string())?;
        }
        Ok(stage)
    }

    fn of(top: &str, who: Who, more: &str) -> Result<Self, String> {
        let scratch = Scratch::new();
        let program = compiled("actor")?;
        let work = scratch.dir_of(who, "work");
        let text = format!(
            "extends = [\"base\"]\n{top}[files]\nread = [{:?}]\nwrite = [{:?}]\n{more}\n",
            program.display(),
            work.display()
        );
        let profile = scratch.file("actor.toml", &text).display().to_string();
        Ok(Self {
            scratch,
            who,
            profile,
            actor: program.display().to_string(),
        })
    }

    /// The writable directory, of the same name inside and outside.
    pub fn work(&self, name: &str) -> PathBuf {
        self.scratch.at("work").join(name)
    }

    /// `flowjail run --profile ... FLAGS -- actor VERB...`, as words.
    pub fn words(&self, flags: &[&str], verb: &[&str]) -> Vec<String> {
        let mut words = vec!["run", "--profile", &self.profile];
        words.extend(flags);
        words.extend(["--", &self.actor]);
        words.extend(verb);
        words.into_iter().map(str::to_owned).collect()
    }

    /// The same as a command.
    pub fn command(&self, flags: &[&str], verb: &[&str]) -> Command {
        let words = self.words(flags, verb);
        jail::flowjail(
            self.who,
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    }

    /// The same behind another program: `PREFIX... flowjail run ...`.
    pub fn behind(&self, prefix: &[&str], flags: &[&str], verb: &[&str]) -> Command {
        let mut command = self.who.command(Path::new(prefix[0]));
        command
            .args(&prefix[1..])
            .arg(jail::binary())
            .args(self.words(flags, verb));
        command.stdin(Stdio::null());
        command
    }

    /// Runs the actor to its end; stdout is thrown away.
    pub fn run(&self, flags: &[&str], verb: &[&str]) -> Result<Ended, String> {
        self.finish("run", self.command(flags, verb))
            .map(|(ended, _)| ended)
    }

    /// Runs a command to its end: how it ended and its stdout.
    pub fn finish(&self, name: &str, command: Command) -> Result<(Ended, String), String> {
        let mut live = self.live(name, command);
        let ended = live.jail.end(SOON)?;
        Ok((ended, live.stdout_to_end()))
    }

    /// Starts a command whose stdout is watched.
    pub fn live(&self, name: &str, mut command: Command) -> Live {
        command.stdout(Stdio::piped());
        let mut jail = Jail::start(&self.scratch, name, command);
        let stdout = jail.child.stdout.take().expect("stdout");
        Live {
            jail,
            stdout: Watched::new(stdout),
        }
    }

    /// Starts the actor and waits until it says `ready`.
    pub fn ready(&self, flags: &[&str], verb: &[&str]) -> Result<Live, String> {
        let mut live = self.live("ready", self.command(flags, verb));
        live.expect("ready\n")?;
        Ok(live)
    }
}

/// A jail that runs.
pub struct Live {
    /// flowjail itself.
    pub jail: Jail,
    stdout: Watched,
}

impl Live {
    /// Waits until the program has printed the text.
    pub fn expect(&mut self, text: &str) -> Result<(), String> {
        let seen = self.stdout.wait_for(text);
        seen.map_err(|saw| {
            format!(
                "no {text:?} on stdout, but {saw:?}; stderr: {}",
                self.jail.stderr()
            )
        })
    }

    /// All of stdout, once every writer is gone.
    pub fn stdout_to_end(&mut self) -> String {
        self.stdout.until_end()
    }
}

/// An output that a thread of its own collects, so that nobody waits for a full pipe.
pub struct Watched {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Watched {
    /// Starts to collect.
    pub fn new(mut source: impl Read + Send + 'static) -> Self {
        let text: Arc<Mutex<Vec<u8>>> = Arc::default();
        let sink = text.clone();
        let reader = std::thread::spawn(move || {
            let mut block = [0; 65536];
            while let Ok(n @ 1..) = source.read(&mut block) {
                sink.lock().expect("lock").extend_from_slice(&block[..n]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    /// What came up to now.
    pub fn now(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("lock")).into_owned()
    }

    /// Forgets what came up to now.
    pub fn clear(&self) {
        self.text.lock().expect("lock").clear();
    }

    /// Waits for a text; an error is what came instead.
    pub fn wait_for(&self, text: &str) -> Result<(), String> {
        wait_for(SOON, || self.now().contains(text).then_some(())).ok_or_else(|| self.now())
    }

    /// Everything up to the end of the stream.
    pub fn until_end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.now()
    }
}
