//! The servers: node's, PostgreSQL, Redis. Each ends with the thread that started it, or with the value.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::common::needs::{self, Need};
use crate::common::start::wait;
use crate::kit::{scratch::Scratch, wait_for};
use crate::stage::text;

/// An account of every system: PostgreSQL wants one that has a name.
const NOBODY: &str = "65534";
const DATABASE: &str = "10.20.30.40:5432";
const CACHE: &str = "10.20.30.40:6379";
const PATIENCE: Duration = Duration::from_secs(20);

/// All that were started, by name.
pub struct Servers(Mutex<Vec<(&'static str, Child)>>);

/// PostgreSQL's server: Debian has it outside the PATH, by version.
pub fn postgres() -> Need {
    let missing = binaries()
        .is_none()
        .then(|| "no /usr/lib/postgresql/*/bin/postgres".to_owned());
    Need {
        what: "PostgreSQL",
        missing,
    }
}

/// The Redis server.
pub fn redis() -> Need {
    needs::program("redis-server")
}

/// Where its programs are.
pub fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    found.retain(|bin| bin.join("postgres").is_file());
    found.sort();
    found.pop()
}

/// Starts what is installed, and waits until it listens.
pub fn start(scratch: &Scratch, node: &Path) -> Result<Servers, String> {
    let servers = Servers(Mutex::default());
    servers.add(
        "PostgreSQL",
        binaries().map(|bin| start_postgres(scratch, &bin)),
    )?;
    let cache = redis().missing.is_none().then(|| start_redis(scratch));
    servers.add("Redis", cache)?;
    servers.add("node", Some(start_node(scratch, node)))?;
    if binaries().is_some() {
        answers("PostgreSQL", DATABASE)?;
    }
    if redis().missing.is_none() {
        answers("Redis", CACHE)?;
    }
    Ok(servers)
}

impl Servers {
    fn add(&self, name: &'static str, child: Option<Result<Child, String>>) -> Result<(), String> {
        if let Some(child) = child.transpose()? {
            self.0.lock().expect("lock").push((name, child));
        }
        Ok(())
    }

    /// An error when one of them has ended.
    pub fn check(&self) -> Result<(), String> {
        let mut all = self.0.lock().expect("lock");
        let mut ended = all.iter_mut().filter_map(|(name, child)| {
            let status = child.try_wait().ok()??;
            Some(format!("{name} has ended: {status}"))
        });
        ended.next().map_or(Ok(()), Err)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, kill};
        let Ok(mut all) = self.0.lock() else { return };
        for (_, child) in all.iter_mut() {
            // A fast end for PostgreSQL, whose own children go with it; the others end by it too.
            let _ = kill(
                nix::unistd::Pid::from_raw(child.id().cast_signed()),
                Signal::SIGINT,
            );
        }
        for (_, child) in all.iter_mut() {
            let _ = wait(child, Duration::from_secs(5));
        }
    }
}

/// A command that an account without privilege runs, and that ends with this thread.
fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .args(["--pdeathsig", "INT", "--"])
        .arg(program)
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

fn spawn(scratch: &Scratch, name: &str, mut command: Command) -> Result<Child, String> {
    let told = |error| format!("{name}: {error}");
    let log = File::create(scratch.at(&format!("{name}.log"))).map_err(told)?;
    command.stderr(log).spawn().map_err(told)
}

fn owned_by_nobody(scratch: &Scratch, name: &str) -> Result<PathBuf, String> {
    let id: u32 = NOBODY.parse().expect("a number");
    let path = scratch.at(name);
    let make = || -> std::io::Result<()> {
        fs::create_dir(&path)?;
        std::os::unix::fs::chown(&path, Some(id), Some(id))
    };
    make().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn start_postgres(scratch: &Scratch, bin: &Path) -> Result<Child, String> {
    let data = owned_by_nobody(scratch, "postgres")?;
    let mut init = as_nobody(&bin.join("initdb"));
    init.arg("-D")
        .arg(&data)
        .args(["-U", "test", "-A", "trust", "-E", "UTF8"]);
    init.args(["--no-locale", "--no-sync"])
        .stdout(Stdio::null());
    let status = spawn(scratch, "initdb", init)?.wait();
    if !status.is_ok_and(|status| status.success()) {
        let log = fs::read_to_string(scratch.at("initdb.log")).unwrap_or_default();
        return Err(format!("initdb: {log}"));
    }
    let mut access = fs::OpenOptions::new()
        .append(true)
        .open(data.join("pg_hba.conf"))
        .map_err(|error| format!("pg_hba.conf: {error}"))?;
    writeln!(access, "host all all 0.0.0.0/0 trust").map_err(|error| error.to_string())?;
    let mut server = as_nobody(&bin.join("postgres"));
    server
        .arg("-D")
        .arg(&data)
        .args(["-h", "10.20.30.40", "-k", "", "-F"]);
    spawn(scratch, "postgres", server)
}

fn start_redis(scratch: &Scratch) -> Result<Child, String> {
    let data = owned_by_nobody(scratch, "redis")?;
    let mut server = as_nobody(Path::new("redis-server"));
    server.args([
        "--bind",
        "10.20.30.40",
        "--protected-mode",
        "no",
        "--save",
        "",
    ]);
    server.args(["--dir", text(&data)]).stdout(Stdio::null());
    spawn(scratch, "redis", server)
}

/// The servers in JavaScript: they end with their stdin too.
fn start_node(scratch: &Scratch, node: &Path) -> Result<Child, String> {
    let mut server = Command::new(node);
    server.arg(scratch.at("scripts/servers.mjs"));
    server.args([scratch.at("server.pem"), scratch.at("server.key")]);
    server.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = spawn(scratch, "servers", server)?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    if line.trim() == "ready" {
        return Ok(child);
    }
    let _ = child.kill();
    let _ = child.wait();
    let log = fs::read_to_string(scratch.at("servers.log")).unwrap_or_default();
    Err(format!("servers.mjs: {log}"))
}

fn answers(name: &str, address: &str) -> Result<(), String> {
    let address: SocketAddr = address.parse().expect("an address");
    wait_for(PATIENCE, || TcpStream::connect(address).ok())
        .map(|_| ())
        .ok_or_else(|| format!("{name} does not listen at {address}"))
}
