//! One Flowise that runs: bare, or in a jail.

use super::scripts::pong;
pub use super::scripts::{free_port, node_run, node_script};
use super::stand_in::TIKTOKEN_HOST;
use super::world;
use crate::kit::jail::{self, Ended, Jail};
use crate::kit::procs::{self, Proc};
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::kit::{self};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine with an empty data directory.
const READY: Duration = Duration::from_secs(150);
/// Flowise takes up to 30 s to stop, and the jail grants it 35.
const STOPPED: Duration = Duration::from_secs(45);

/// Where Flowise and its interpreter lie, and who the jailed Flowise may talk to.
#[derive(Clone)]
pub struct Site {
    /// The tree that holds node_modules/flowise.
    pub install: PathBuf,
    /// The interpreter.
    pub node: PathBuf,
    /// The mock LLM's port.
    pub mock_port: u16,
    /// The CA's certificate, where something stands in for the world's HTTPS.
    pub ca: Option<PathBuf>,
}

/// A Flowise that answers.
pub struct Server {
    jail: Jail,
    /// node itself, as the host numbers it.
    pub node: Proc,
    /// Its address.
    pub base: String,
    /// From spawn to the first pong.
    pub ready: Duration,
    /// The events, where it is jailed.
    pub events: PathBuf,
}

/// How one Flowise is started.
pub struct Start<'a> {
    /// What to call its files.
    pub name: &'a str,
    /// Started by whom.
    pub who: Who,
    /// In a jail, and with which network, or not.
    pub jail: Option<Net>,
    /// The directory called `.flowise`.
    pub data: &'a Path,
}

/// What a jail may reach of the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Net {
    /// The LLM at a public address, as far as the tests have a world of their own: `--allow`.
    Public,
    /// The LLM on the machine's loopback: `--allow-private`.
    Private,
    /// The same from a bare jail, as in a container.
    Bare,
    /// mock.test and tiktoken.pages.dev have lost their lines; the LLM is also called model.test, which has one.
    Unlisted,
}

impl Net {
    /// Where the LLM is.
    pub fn address(self) -> &'static str {
        match self {
            Self::Public | Self::Unlisted if world::is_own() => world::MOCK,
            _ => "127.0.0.1",
        }
    }
}

/// A secret of the starter's that no profile passes on.
pub const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "DECOY-SECRET-4343");

impl Server {
    /// Starts Flowise and waits for its first pong.
    pub fn start(site: &Site, scratch: &Scratch, start: &Start) -> Result<Self, String> {
        let port = free_port();
        let events = scratch
            .dir_of(start.who, "events")
            .join(format!("{}.jsonl", start.name));
        let mut command = match start.jail {
            Some(net) => jailed(site, scratch, start, net, port, &events),
            None => bare(site, start, port),
        };
        command.env(SECRET.0, SECRET.1);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let begun = Instant::now();
        let mut jail = Jail::start(scratch, start.name, command);
        wait_for_pong(&mut jail, port).map_err(|e| format!("{}: {e}", start.name))?;
        let ready = begun.elapsed();
        let node = if start.jail.is_some() {
            jail.program()?
        } else {
            procs::get(jail.pid()).ok_or("bare node is gone")?
        };
        Ok(Self {
            jail,
            node,
            base: format!("http://127.0.0.1:{port}"),
            ready,
            events,
        })
    }

    /// The supervisor (bare: node) and everything below it.
    pub fn tree(&self) -> Vec<Proc> {
        self.jail.tree()
    }

    /// What flowjail said up to now.
    pub fn stderr(&self) -> String {
        self.jail.stderr()
    }

    /// SIGTERM, as `docker stop` and systemd send it, and the end.
    pub fn stop(mut self) -> Result<(Ended, Vec<Proc>), String> {
        let tree = self.tree();
        self.jail.signal(Signal::SIGTERM);
        let ended = self.jail.end(STOPPED)?;
        Ok((ended, procs::survivors(&tree, Duration::from_secs(2))))
    }
}

/// Flowise as its own documents start it, with the data directory where the jail has it.
fn bare(site: &Site, start: &Start, port: u16) -> Command {
    let home = start.data.parent().expect("a parent of .flowise");
    let mut command = start.who.command(&site.node);
    command
        .arg(site.install.join("node_modules/flowise/bin/run"))
        .arg("start")
        .env("HOME", home)
        // Its command line asks for the account otherwise, and the tests' plain uid has none.
        .env("SHELL", "/bin/sh")
        .env("LOG_PATH", start.data.join("logs"))
        .env("HOST", "127.0.0.1")
        .env("PORT", port.to_string())
        .current_dir(home);
    command
}

/// The same below flowjail: the main job as a person would type it.
fn jailed(
    site: &Site,
    scratch: &Scratch,
    start: &Start,
    net: Net,
    port: u16,
    events: &Path,
) -> Command {
    let set = |name: &str, value: &Path| format!("{name}={}", value.display());
    let mut command = jail::flowjail(start.who, &["run", "--profile"]);
    command
        .arg(profile(site, scratch, start.name, net))
        .args(["--name", start.name])
        .args(["--set", &set("data", start.data)])
        .args(reach(site, net))
        .args(["--publish", &format!("127.0.0.1:{port}")]);
    if world::is_own() {
        command.args([
            "--add-host",
            &format!("{TIKTOKEN_HOST}={}", world::TIKTOKEN),
        ]);
        // The program of a bare jail has one listener.
        if net != Net::Bare {
            command.args(["--publish", &format!("{}:{port}", world::PUBLISHED)]);
        }
    }
    if let Some(ca) = &site.ca {
        command.env("NODE_EXTRA_CA_CERTS", ca);
    }
    command
        .arg("--events")
        .arg(events)
        .arg("--")
        .arg(&site.node)
        .arg(site.install.join("node_modules/flowise/bin/run"))
        .arg("start");
    command
}

/// The flags about the LLM.
fn reach(site: &Site, net: Net) -> Vec<String> {
    let port = site.mock_port;
    let address = net.address();
    let allow = match address {
        world::MOCK => "--allow",
        _ => "--allow-private",
    };
    let host = |name: &str| ["--add-host".to_owned(), format!("{name}={address}")];
    let line = |name: &str| [allow.to_owned(), format!("{name}:{port}")];
    match net {
        Net::Unlisted => [host("mock.test"), host("model.test"), line("model.test")].concat(),
        _ => [host("mock.test"), line("mock.test")].concat(),
    }
}

/// The profile: flowise as it is, or with the tests' CA and without tiktoken.
fn profile(site: &Site, scratch: &Scratch, name: &str, net: Net) -> PathBuf {
    let kind = match net {
        Net::Bare => "jail = \"bare\"\n",
        _ => "",
    };
    let plain = format!("extends = [\"flowise\"]\n{kind}");
    let Some(ca) = &site.ca else {
        return match net {
            Net::Bare => scratch.file(&format!("{name}.toml"), &plain),
            _ => "flowise".into(),
        };
    };
    let mut text = format!(
        "{plain}\n[files]\nread = [{{ path = \"{}\", why = \"the CA of the tests\" }}]\n",
        ca.display()
    );
    if net == Net::Unlisted {
        text += &format!("\n[remove]\nnet.allow = [\"{TIKTOKEN_HOST}\"]\n");
    }
    scratch.file(&format!("{name}.toml"), &text)
}

fn wait_for_pong(jail: &mut Jail, port: u16) -> Result<(), String> {
    let mut early = None;
    let answered = kit::wait_for(READY, || {
        if let Some(status) = jail.child.try_wait().expect("wait") {
            early = Some(status);
            return Some(());
        }
        pong(port).then_some(())
    });
    match (early, answered) {
        (Some(status), _) => Err(format!(
            "ended before it answered: {status}\n{}",
            jail.stderr()
        )),
        (None, None) => Err(format!("no answer in {READY:?}\n{}", jail.stderr())),
        (None, Some(())) => Ok(()),
    }
}
