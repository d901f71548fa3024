//! Where the network is measured: a network of the benchmark's own, servers in it, and the ways to them.

use crate::common::needs::is_root;
use crate::kit::jail::{Jail, flowjail};
use crate::kit::scratch::Scratch;
use crate::kit::wait_for;
use crate::kit::who::{Who, on_path};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub type Result<T> = std::result::Result<T, String>;

/// Where the server listens: the same port in each network.
const SERVER: &str = "7000";
/// What nft redirects, and where to. The relay dials one port lower.
const REDIRECTED: &str = "7001";
const RELAY: &str = "7002";
const PROXY: &str = "7003";
/// Where a jail serves, and where it is published.
pub const PUBLISHED: &str = "7100";
/// The same for node, and its port outside of any jail.
pub const NODES: [&str; 2] = ["7200", "7201"];

/// How a client comes to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Straight.
    Bare,
    /// From a jail, by name, through the gateway, with every event written.
    Jailed,
    /// The same from a bare jail, as in a container.
    BareJail,
    /// nft's REDIRECT and a splicing relay of 100 lines: the least that a transparent proxy does.
    Redirect,
    /// CONNECT through tinyproxy.
    Proxy,
}

impl Way {
    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Jailed => "jailed",
            Self::BareJail => "bare jail",
            Self::Redirect => "nft+splice",
            Self::Proxy => "tinyproxy",
        }
    }
}

/// A process that ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Servers, and the programs that reach them.
pub struct Place {
    scratch: Scratch,
    traffic: PathBuf,
    /// A namespaced jail's, and a bare one's.
    profiles: [String; 2],
    /// Kept for their end.
    servers: Vec<Running>,
    /// The process in whose network nft redirects; why there is none otherwise.
    redirect: Result<u32>,
    proxy: Result<()>,
}

/// Runs the words once more in a network of their own; `None`: this process is there already.
pub fn go_apart(words: &[String]) -> Option<Result<()>> {
    const INSIDE: &str = "FLOWJAIL_BENCH_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let own = std::env::current_exe().map_err(|e| e.to_string());
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]);
    if !is_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command.args(["--net", "--mount", "--"]);
    Some(own.and_then(|own| ran(command.arg(own).args(words).env(INSIDE, "1"))))
}

fn ran(command: &mut Command) -> Result<()> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

impl Place {
    /// Compiles the programs and starts the servers.
    pub fn new() -> Result<Self> {
        ran(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        let scratch = Scratch::new();
        let traffic = compiled(&scratch, "traffic", include_str!("traffic.c"))?;
        let mut server = Command::new(&traffic);
        server.args(["serve", "127.0.0.1", SERVER]);
        let server = started(server)?;
        answers(SERVER)?;
        let profile = |kind: &str| {
            format!(
                "extends = [\"base\"]\njail = \"{kind}\"\n[files]\nread = [{:?}]\n[net]\nenabled = true\n[syscalls]\nallow = [\"@sockets\"]\n",
                traffic.display().to_string()
            )
        };
        let profiles = ["namespaced", "bare"].map(|kind| {
            let file = scratch.file(&format!("{kind}.toml"), &profile(kind));
            file.display().to_string()
        });
        let mut place = Self {
            scratch,
            traffic,
            profiles,
            servers: vec![server],
            redirect: Err(String::new()),
            proxy: Err(String::new()),
        };
        place.redirect = place.start_redirect();
        place.proxy = place.start_proxy();
        Ok(place)
    }

    /// The ways that can be had beside the bare one; the others are named.
    pub fn ways(&self) -> Vec<Way> {
        let mut ways = vec![Way::Jailed, Way::BareJail];
        let peers = [
            (Way::Redirect, self.redirect.as_ref().err()),
            (Way::Proxy, self.proxy.as_ref().err()),
        ];
        for (way, missing) in peers {
            match missing {
                None => ways.push(way),
                Some(why) => println!("{}: not measured, {why}", way.name()),
            }
        }
        ways
    }

    /// A network of its own, since connection tracking slows everything in it.
    fn start_redirect(&mut self) -> Result<u32> {
        on_path("nft").ok_or("nft is not installed")?;
        let relay = compiled(&self.scratch, "redirected", include_str!("redirected.c"))?;
        let rules = format!(
            "table ip bench {{\nchain out {{\ntype nat hook output priority -100\ntcp dport {REDIRECTED} redirect to :{RELAY}\n}}\n}}\n"
        );
        let rules = self.scratch.file("rules.nft", &rules);
        let script = format!(
            "ip link set lo up && nft -f {} && {} serve 127.0.0.1 {SERVER} & exec {} {RELAY}",
            rules.display(),
            self.traffic.display(),
            relay.display()
        );
        let mut command = Command::new("unshare");
        // The relay and the server end with it.
        command.args([
            "--net",
            "--pid",
            "--fork",
            "--kill-child=KILL",
            "--",
            "sh",
            "-c",
            &script,
        ]);
        let running = started(command)?;
        let holder = running.0.id();
        self.servers.push(running);
        let tried = wait_for(Duration::from_secs(5), || {
            let mut command = self.client(Way::Redirect, &["echo", "1", "1"], Some(holder));
            command
                .stderr(Stdio::null())
                .output()
                .ok()?
                .status
                .success()
                .then_some(())
        });
        tried
            .map(|()| holder)
            .ok_or("nft and the relay do not answer".into())
    }

    fn start_proxy(&mut self) -> Result<()> {
        let program = on_path("tinyproxy").ok_or("tinyproxy is not installed")?;
        let text = format!(
            "Port {PROXY}\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort {SERVER}\nMaxClients 200\nTimeout 600\nLogLevel Critical\n"
        );
        let configuration = self.scratch.file("tinyproxy.conf", &text);
        let mut command = Command::new(program);
        command.arg("-d").arg("-c").arg(configuration);
        self.servers.push(started(command)?);
        answers(PROXY)
    }

    /// The program, with the host and its port put behind the first word.
    fn client(&self, way: Way, words: &[&str], holder: Option<u32>) -> Command {
        let (name, port) = match way {
            Way::Jailed | Way::BareJail => ("echo.test", SERVER),
            Way::Redirect => ("127.0.0.1", REDIRECTED),
            Way::Bare | Way::Proxy => ("127.0.0.1", SERVER),
        };
        let mut command = match (way, holder) {
            (Way::Jailed | Way::BareJail, _) => self.jail(
                way,
                &[
                    "--allow-private",
                    "echo.test:7000",
                    "--add-host",
                    "echo.test=127.0.0.1",
                ],
            ),
            (Way::Redirect, Some(holder)) => {
                let mut command = Command::new("nsenter");
                command.args([&format!("--net=/proc/{holder}/ns/net"), "--"]);
                command
            }
            _ => Command::new("env"),
        };
        if way == Way::Proxy {
            command.arg(format!("VIA={PROXY}"));
        }
        command
            .arg(&self.traffic)
            .arg(words[0])
            .args([name, port])
            .args(&words[1..]);
        command
    }

    /// `flowjail run` with the flags, up to the words of the command.
    fn jail(&self, way: Way, flags: &[&str]) -> Command {
        let profile = &self.profiles[usize::from(way == Way::BareJail)];
        let mut command = flowjail(Who::Ordinary, &["run", "--profile", profile]);
        let events = self
            .scratch
            .dir_of(Who::Ordinary, "events")
            .join("net.jsonl");
        // What an earlier run wrote is not kept: the file would only grow.
        let _ = std::fs::remove_file(&events);
        command.arg("--events").arg(events).args(flags).arg("--");
        command
    }

    /// The numbers that the client prints.
    pub fn numbers(&self, way: Way, words: &[&str]) -> Result<Vec<f64>> {
        let holder = self.redirect.as_ref().ok().copied();
        numbers(&mut self.client(way, words, holder))
    }

    /// The client against a port of this network.
    pub fn numbers_at(&self, port: &str, words: &[&str]) -> Result<Vec<f64>> {
        let mut command = Command::new(&self.traffic);
        numbers(
            command
                .arg(words[0])
                .args(["127.0.0.1", port])
                .args(&words[1..]),
        )
    }

    /// A server in a jail, published at the port at which it listens.
    pub fn published(&self, way: Way) -> Result<Jail> {
        let mut command = self.jail(way, &["--publish", &format!("127.0.0.1:{PUBLISHED}")]);
        command
            .arg(&self.traffic)
            .args(["serve", "127.0.0.1", PUBLISHED]);
        let jail = Jail::start(&self.scratch, "published", command);
        let token = || self.numbers_at(PUBLISHED, &["token", "1"]).ok();
        match wait_for(Duration::from_secs(10), token) {
            Some(_) => Ok(jail),
            None => Err(format!(
                "the jailed server does not answer: {}",
                jail.stderr()
            )),
        }
    }

    /// A server of node's in a jail, and the same without one.
    pub fn nodes(&mut self, way: Way) -> Result<Jail> {
        let node = on_path("node").ok_or("node is not installed")?;
        let script = |port: &str| {
            format!(
                "require('http').createServer((q, r) => r.end('pong')).listen({port}, '127.0.0.1')"
            )
        };
        let [inside, outside] = NODES;
        let node_profile = match way {
            Way::BareJail => {
                let text = "extends = [\"node\"]\njail = \"bare\"\n";
                self.scratch.file("node.toml", text).display().to_string()
            }
            _ => "node".to_owned(),
        };
        let flags = [
            "run",
            "--profile",
            &node_profile,
            "--publish",
            &format!("127.0.0.1:{inside}"),
            "--",
        ];
        let mut command = flowjail(Who::Ordinary, &flags);
        command.arg(&node).args(["-e", &script(inside)]);
        let jail = Jail::start(&self.scratch, "node", command);
        let mut bare = Command::new(&node);
        bare.args(["-e", &script(outside)]);
        if answers_now(outside).is_none() {
            self.servers.push(started(bare)?);
        }
        answers(outside)?;
        let program = self.traffic.clone();
        let request = || {
            let mut command = Command::new(&program);
            numbers(command.args(["get", "127.0.0.1", inside])).ok()
        };
        match wait_for(Duration::from_secs(20), request) {
            Some(_) => Ok(jail),
            None => Err(format!("node does not answer: {}", jail.stderr())),
        }
    }

    /// The port of the server that is in no jail.
    pub fn bare_port(&self) -> &'static str {
        SERVER
    }
}

/// A server that also ends when this process is killed.
fn started(of: Command) -> Result<Running> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command.arg(of.get_program()).args(of.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    Ok(Running(child))
}

fn answers_now(port: &str) -> Option<TcpStream> {
    TcpStream::connect(format!("127.0.0.1:{port}")).ok()
}

fn answers(port: &str) -> Result<()> {
    let tried = || answers_now(port);
    let answered = wait_for(Duration::from_secs(5), tried);
    answered
        .map(drop)
        .ok_or(format!("nobody listens at {port}"))
}

fn compiled(scratch: &Scratch, name: &str, source: &str) -> Result<PathBuf> {
    let gcc = on_path("gcc").ok_or("gcc is not installed")?;
    let source = scratch.file(&format!("{name}.c"), source);
    let program = scratch.at(name);
    ran(Command::new(gcc)
        .args(["-O2", "-w", "-pthread", "-o"])
        .args([&program, &source]))?;
    Ok(program)
}

fn numbers(command: &mut Command) -> Result<Vec<f64>> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{command:?}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.lines().filter_map(|l| l.parse().ok()).collect();
    if output.status.success() && !numbers.is_empty() {
        return Ok(numbers);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}: {said}", output.status))
}
