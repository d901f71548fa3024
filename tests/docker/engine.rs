//! One Docker Engine for the whole test binary: dockerd in a network namespace that the tests share with it, and in
//! mount, pid and cgroup namespaces of its own. It dies with the test, and takes every container with it.

use crate::common::needs::{self, Need, is_root};
use crate::common::start::{self, Ended};
use crate::kit::scratch::Scratch;
use crate::kit::who::on_path;
use crate::kit::{self};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// The link-local address of the clouds, and the name server behind Docker's own: on the tests' side of the bridge.
pub const METADATA: &str = "169.254.169.254";
/// An address of the world, which no container has.
pub const WORLD: &str = "203.0.113.40";

static DIR: OnceLock<Result<PathBuf, String>> = OnceLock::new();
static ENGINE: Mutex<Option<Engine>> = Mutex::new(None);

/// What has to be taken away again.
struct Engine {
    child: Child,
    cgroup: PathBuf,
    _scratch: Scratch,
}

/// Starts it, the first time. Before there are threads: each has a network of its own.
pub fn start() {
    DIR.get_or_init(|| {
        let engine = Engine::start()?;
        let dir = engine._scratch.at("engine");
        *ENGINE.lock().expect("lock") = Some(engine);
        Ok(dir)
    });
}

/// Ends it with all containers, and takes its files and cgroups away.
pub fn stop() {
    drop(ENGINE.lock().expect("lock").take());
}

/// The same as a need.
pub fn need() -> Need {
    let why = match DIR.get() {
        Some(Ok(_)) => None,
        Some(Err(why)) => Some(why.as_str()),
        None => Some("nobody started it"),
    };
    needs::condition("a Docker Engine", why.is_none(), why.unwrap_or_default())
}

/// `docker ARGS...` at that engine.
pub fn docker<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let dir = DIR.get().and_then(|d| d.as_ref().ok()).expect("an engine");
    let mut command = Command::new("docker");
    command
        .env(
            "DOCKER_HOST",
            format!("unix://{}/docker.sock", dir.display()),
        )
        .env("DOCKER_CONFIG", dir)
        .env("HOME", dir)
        .args(args);
    command
}

/// Runs one docker command that has to succeed: its stdout.
pub fn ask<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Result<String, String> {
    let ended = finish(docker(args), Duration::from_secs(90))?;
    match ended.status {
        Some(status) if status.success() => Ok(ended.stdout.trim().to_owned()),
        _ => Err(format!("docker: {ended:?}")),
    }
}

/// Runs a command to its end, or kills it.
pub fn finish(command: Command, limit: Duration) -> Result<Ended, String> {
    start::finish(command, "", limit).map_err(|error| error.to_string())
}

impl Engine {
    fn start() -> Result<Self, String> {
        if !is_root() {
            return Err("the tests run as an ordinary user".into());
        }
        for program in ["dockerd", "docker", "iptables", "ip", "unshare", "setpriv"] {
            on_path(program).ok_or_else(|| format!("`{program}` is not on the PATH"))?;
        }
        enter_network()?;
        let scratch = Scratch::new();
        fs::create_dir(scratch.at("engine")).map_err(|e| e.to_string())?;
        remove_left_cgroups();
        let cgroup = cgroup2()?.join(format!("flowjail-test-{}", std::process::id()));
        fs::create_dir(&cgroup).map_err(|e| format!("{}: {e}", cgroup.display()))?;
        let log = scratch.at("engine.log");
        let child = launch(&scratch.at("engine"), &cgroup, &log)?;
        let mut engine = Self {
            child,
            cgroup,
            _scratch: scratch,
        };
        engine.wait_until_up(&log)?;
        Ok(engine)
    }

    fn wait_until_up(&mut self, log: &Path) -> Result<(), String> {
        let socket = self._scratch.at("engine/docker.sock");
        let up = kit::wait_for(Duration::from_secs(60), || {
            std::thread::sleep(Duration::from_millis(50));
            let ended = self.child.try_wait().ok()?;
            let mut ping = Command::new("docker");
            ping.args(["version"])
                .env("DOCKER_HOST", format!("unix://{}", socket.display()))
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            (ended.is_some() || ping.status().is_ok_and(|s| s.success())).then_some(ended)
        });
        match up {
            Some(None) => Ok(()),
            _ => Err(format!(
                "dockerd did not come up: {}",
                fs::read_to_string(log).unwrap_or_default()
            )),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The launcher takes the pid namespace with it, and that all mounts of the engine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        kit::wait_for(Duration::from_secs(20), || {
            remove_cgroups(&self.cgroup).ok()
        });
    }
}

/// The script that becomes dockerd's parent, and dies with this thread.
fn launch(dir: &Path, cgroup: &Path, log: &Path) -> Result<Child, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docker/engine.sh");
    let said = File::create(log).map_err(|e| e.to_string())?;
    let mut command = bound(script);
    command
        .args([dir, cgroup])
        .stdin(Stdio::null())
        .stdout(said.try_clone().map_err(|e| e.to_string())?)
        .stderr(said);
    command.spawn().map_err(|e| e.to_string())
}

/// A program that dies with the thread that starts it.
pub fn bound(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// A network without any way out: published ports of the engine are on its loopback.
fn enter_network() -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| format!("unshare: {errno}"))?;
    let ip = |words: &[&str]| match Command::new("ip").args(words).status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("ip {}: {other:?}", words.join(" "))),
    };
    ip(&["link", "set", "lo", "up"])?;
    for address in [METADATA, WORLD] {
        ip(&["address", "add", &format!("{address}/32"), "dev", "lo"])?;
    }
    Ok(())
}

/// Where the machine has its cgroup v2 hierarchy.
fn cgroup2() -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(|e| e.to_string())?;
    let found = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let path = words.next()?;
        (words.next()? == "cgroup2").then(|| path.into())
    });
    found.ok_or_else(|| "no cgroup v2 hierarchy is mounted".into())
}

/// What a run left that was killed: its number is in the name.
fn remove_left_cgroups() {
    let entries = cgroup2().ok().and_then(|root| fs::read_dir(root).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let of = name
            .to_str()
            .and_then(|name| name.strip_prefix("flowjail-test-"));
        if of.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = remove_cgroups(&entry.path());
        }
    }
}

fn remove_cgroups(root: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_cgroups(&path)?;
        }
    }
    fs::remove_dir(root)
}
