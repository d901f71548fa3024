//! The stage of one act: its files, the process outside that it is aimed at, its profile, and its starts.
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::act::Layer;
use crate::common::needs::is_root;
use crate::common::place::{Owner, Place};
use crate::common::start::{self, Starter};

/// Set to anything: verdicts instead of tests, in guests that are emulated.
pub const ASKED: &str = "FLOWJAIL_TEST_VERDICTS";

/// Long enough for a busy machine; an act that takes it hangs, and that is a failure.
pub const LIMIT: Duration = Duration::from_secs(10);
/// What of the caller's must not be seen inside.
pub const SECRET: &str = "FLOWJAIL_TEST_SECRET";

/// Which switchable layers are on.
#[derive(Clone, Debug)]
pub enum On {
    All,
    Only(Vec<Layer>),
    AllBut(Vec<Layer>),
    /// The bare jail, which has those that need no namespace.
    Bare,
}

/// A place outside, the jail's data, and a process of the same uid outside.
pub struct Stage {
    place: Place,
    outsider: Outsider,
}

impl Stage {
    /// Sets everything up; each act gets its own.
    pub fn new(probe: &Path) -> std::io::Result<Self> {
        let place = Place::new()?;
        place.dir("bin", 0o755, Owner::Tests)?;
        place.program("bin/flowjail", &binary())?;
        let probe = place.program_copy("bin/probe", probe)?;
        place.dir("outside", 0o755, Owner::Tests)?;
        place.file("outside/decoy", "decoy\n", 0o644, Owner::Tests)?;
        place.dir("outside/open", 0o777, Owner::Tests)?;
        place.dir("readonly", 0o777, Owner::User)?;
        place.program_copy("readonly/program", &probe)?;
        place.dir("data", 0o700, Owner::User)?;
        place.dir("data/folder", 0o700, Owner::User)?;
        if is_root() {
            with_privilege(&place, &probe)?;
        }
        let user = Starter::User(place.user());
        let outsider = Outsider::start(user, &probe, &place.join("outside/open"))?;
        Ok(Self { place, outsider })
    }

    /// Before each run: what an earlier one may have changed.
    fn reset(&self) -> std::io::Result<()> {
        for name in ["outside/open/file", "readonly/file", "data/file"] {
            self.place.file(name, "text\n", 0o666, Owner::User)?;
        }
        Ok(())
    }

    /// The ordinary user of the stage.
    pub fn user(&self) -> Starter {
        Starter::User(self.place.user())
    }

    /// The path of something on the stage.
    pub fn join(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Fills the `{name}` of an act's arguments.
    pub fn fill(&self, argument: &str) -> String {
        let path = |name: &str| self.join(name).display().to_string();
        let outsider = &self.outsider;
        [
            ("{outside}", path("outside")),
            ("{open}", path("outside/open")),
            ("{data}", path("data")),
            ("{readonly}", path("readonly")),
            ("{bin}", path("bin")),
            ("{pid}", outsider.pid.clone()),
            ("{port}", outsider.port.clone()),
            ("{abstract}", outsider.abstract_name.clone()),
            ("{shm}", outsider.shm.clone()),
            ("{socket}", outsider.socket.clone()),
            ("{host-name}", host_name()),
            (
                "{device}",
                root_device().unwrap_or_default().display().to_string(),
            ),
            (
                "{ld.so}",
                dynamic_loader().unwrap_or_default().display().to_string(),
            ),
        ]
        .iter()
        .fold(argument.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
    }

    /// The probe's answer without a jail.
    pub fn bare(&self, starter: Starter, arguments: &[String]) -> std::io::Result<Answer> {
        self.reset()?;
        let mut command = start::command(starter, &self.join("bin/probe"));
        command.args(arguments);
        let ended = start::finish(leaky(command), "", limit())?;
        Ok(Answer::read(&ended, String::new()))
    }

    /// The probe's answer from inside a jail with these layers.
    pub fn jailed(
        &self,
        starter: Starter,
        on: &On,
        arguments: &[String],
    ) -> std::io::Result<Answer> {
        let (command, events) = self.jail(starter, on, arguments)?;
        let ended = start::finish(command, "", limit())?;
        let seen = fs::read_to_string(&events).unwrap_or_default();
        let _ = fs::remove_file(&events);
        Ok(Answer::read(&ended, seen))
    }

    /// The probe's answers to several acts in one jail, up to the one that ends it.
    pub fn jailed_many(
        &self,
        starter: Starter,
        on: &On,
        acts: &[Vec<String>],
    ) -> std::io::Result<Vec<Answer>> {
        if acts.is_empty() {
            return Ok(Vec::new());
        }
        let mut words = vec!["many".to_owned()];
        for act in acts {
            words.extend(act.iter().cloned());
            words.push("--".to_owned());
        }
        let (command, events) = self.jail(starter, on, &words)?;
        let ended = start::finish(command, "", limit())?;
        let _ = fs::remove_file(&events);
        let one = |(line, act): (&str, &Vec<String>)| {
            // What another program says is no answer of the act's.
            let own = line.split(' ').next() == act.first().map(String::as_str);
            own.then(|| Answer::of(line, None))
        };
        let lines = ended.stdout.lines().zip(acts);
        Ok(lines.map_while(one).collect())
    }

    /// The command that starts the probe in a jail, and where its events go.
    pub fn jail(
        &self,
        starter: Starter,
        on: &On,
        arguments: &[String],
    ) -> std::io::Result<(Command, PathBuf)> {
        self.reset()?;
        let events = self.join("outside/open/events.jsonl");
        let mut command = self.flowjail("run", starter, on)?;
        command.arg("--events").arg(&events);
        command
            .arg("--")
            .arg(self.join("bin/probe"))
            .args(arguments);
        Ok((command, events))
    }

    /// The plan of such a jail, as JSON.
    pub fn plan(&self, starter: Starter, on: &On) -> Result<serde_json::Value, String> {
        let mut command = self
            .flowjail("plan", starter, on)
            .map_err(|error| error.to_string())?;
        command.arg("--json").arg("--").arg(self.join("bin/probe"));
        let ended = start::finish(command, "", limit()).map_err(|error| error.to_string())?;
        serde_json::from_str(&ended.stdout).map_err(|error| format!("{error}: {ended:?}"))
    }

    fn flowjail(&self, verb: &str, starter: Starter, on: &On) -> std::io::Result<Command> {
        self.place
            .file("jail.toml", &self.profile(on), 0o644, Owner::Tests)?;
        let mut command = leaky(start::command(starter, &self.join("bin/flowjail")));
        command.arg(verb).arg("--profile");
        command.arg(self.join("jail.toml"));
        Ok(command)
    }

    /// What node is allowed, and nothing of the stage but three folders.
    fn profile(&self, on: &On) -> String {
        let off: Vec<_> = Layer::SWITCHED
            .into_iter()
            .filter(|layer| match on {
                On::All | On::Bare => false,
                On::Only(layers) => !layers.contains(layer),
                On::AllBut(layers) => layers.contains(layer),
            })
            .collect();
        let kind = match on {
            On::Bare => "jail = \"bare\"\n",
            _ => "",
        };
        let mut text = format!(
            "{kind}extends = [\"node\"]\n\
             [files]\nread = [{:?}, {:?}]\nwrite = [{:?}]\n\
             [net]\nenabled = true\n[resources]\npids = 96\n",
            self.join("bin"),
            self.join("readonly"),
            self.join("data"),
        );
        // A layer that is off holds nothing.
        let relaxed: &[&str] = match (on, off.is_empty()) {
            // A layer that this kernel does not have holds nothing, and the plan says so.
            _ if std::env::var_os(ASKED).is_some() => &PROMISES,
            (On::Bare, _) => &[],
            (_, true) => &["egress", "ingress"],
            (_, false) => &PROMISES,
        };
        text += "[promises]\n";
        for promise in relaxed {
            text += &format!("{promise} = \"prefer\"\n");
        }
        text += "[layers]\n";
        for layer in off {
            text += &format!("{} = \"off\"\n", layer.name());
        }
        text
    }
}

const PROMISES: [&str; 8] = [
    "exec",
    "files",
    "native-code",
    "egress",
    "ingress",
    "privilege",
    "limits",
    "processes",
];

/// What only root can put on the stage.
fn with_privilege(place: &Place, probe: &Path) -> std::io::Result<()> {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    use std::os::unix::fs::PermissionsExt;
    let setuid = place.program_copy("bin/setuid", probe)?;
    fs::set_permissions(setuid, fs::Permissions::from_mode(0o4755))?;
    let capable = place.program_copy("bin/capable", probe)?;
    let mut command = Command::new(probe);
    command.arg("set-file-capability").arg(capable);
    start::finish(command, "", LIMIT)?;
    let device = place.join("data/device");
    mknod(
        &device,
        SFlag::S_IFCHR,
        Mode::from_bits_truncate(0o666),
        makedev(1, 3),
    )?;
    fs::set_permissions(device, fs::Permissions::from_mode(0o666))
}

/// What the caller's environment holds and the jail's must not.
fn leaky(mut command: Command) -> Command {
    command.env(SECRET, "secret");
    command.env("NODE_OPTIONS", "--no-warnings");
    command.env("LD_LIBRARY_PATH", "/nonexistent");
    command
}

/// What the probe said, or how it ended instead.
#[derive(Debug)]
pub struct Answer {
    /// `ok`, an errno's or a signal's name, `withheld`, or a sentence that no act expects.
    pub text: String,
    /// The events of the run, as written.
    pub events: String,
}

impl Answer {
    /// What came of a run.
    pub fn read(ended: &start::Ended, events: String) -> Self {
        let mut answer = Self::of(&ended.stdout, ended.signal());
        if answer.text.is_empty() {
            answer.text = format!("no answer: {ended:?}");
        }
        Self { events, ..answer }
    }

    /// What a line of the probe's says, or the signal that ended it before; empty where that is nothing.
    fn of(line: &str, signal: Option<i32>) -> Self {
        let words: Vec<_> = line.split_whitespace().collect();
        let text = match (words.as_slice(), signal) {
            ([_, "ok"], _) => "ok".to_owned(),
            ([_, "withheld"], _) => "withheld".to_owned(),
            ([_, "errno", name], _) => (*name).to_owned(),
            ([], Some(number)) => match nix::sys::signal::Signal::try_from(number) {
                Ok(signal) => signal.as_str().to_owned(),
                Err(_) => format!("signal {number}"),
            },
            _ => String::new(),
        };
        let events = String::new();
        Self { text, events }
    }

    /// Whether an event tells of this call.
    pub fn tells_of(&self, call: &str) -> bool {
        self.events.contains(&format!("\"syscall\":\"{call}\""))
    }
}

/// A process of the jail's uid outside of it, with a listener of each kind.
struct Outsider {
    child: Child,
    stdin: Option<ChildStdin>,
    pid: String,
    port: String,
    abstract_name: String,
    shm: String,
    socket: String,
}

impl Outsider {
    fn start(starter: Starter, probe: &Path, dir: &Path) -> std::io::Result<Self> {
        let mut child = start::command(starter, probe)
            .arg("serve")
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        Ok(Self {
            pid: next(),
            port: next(),
            abstract_name: next(),
            shm: next(),
            socket: next(),
            stdin: child.stdin.take(),
            child,
        })
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        drop(self.stdin.take()); // the end of its input is its sign to leave
        let _ = start::wait(&mut self.child, Duration::from_secs(5));
    }
}

/// The same in a guest, which is emulated beside others.
fn limit() -> Duration {
    match std::env::var_os(ASKED) {
        Some(_) => LIMIT * 9,
        None => LIMIT,
    }
}

/// The binary under test: FLOWJAIL_TEST_BINARY, or cargo's.
fn binary() -> PathBuf {
    let other = std::env::var_os("FLOWJAIL_TEST_BINARY").map(PathBuf::from);
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_flowjail").into())
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

/// A device of this machine that is root's alone, and that the place where the tests run lets root open.
pub fn root_device() -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let of_root = |path: &PathBuf| {
        let closed = fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o77 == 0);
        closed && (!is_root() || fs::File::open(path).is_ok())
    };
    [
        "vda",
        "sda",
        "nvme0n1",
        "xvda",
        "loop0",
        "loop-control",
        "fuse",
        "hwrng",
    ]
    .map(|name| Path::new("/dev").join(name))
    .into_iter()
    .find(of_root)
}

/// The loader that would start any program that may be read.
pub fn dynamic_loader() -> Option<PathBuf> {
    [
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/ld-linux-aarch64.so.1",
        "/lib/ld-musl-x86_64.so.1",
        "/lib/ld-musl-aarch64.so.1",
    ]
    .map(PathBuf::from)
    .into_iter()
    .find(|path| path.exists())
}
