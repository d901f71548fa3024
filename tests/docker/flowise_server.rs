//! One Flowise in a container, bare or behind flowjail, published on the tests' loopback.

use super::DATA;
use super::scripts::pong;
pub use super::scripts::{free_port, node_run, node_script};
use crate::container::Container;
use crate::engine::ask;
use crate::image::FLOWJAIL;
use crate::kit;
use crate::world::NETWORK;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine with an empty data directory.
const READY: Duration = Duration::from_secs(150);
/// A secret of the container's environment that no profile passes on.
pub const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "DECOY-SECRET-4343");

/// How one Flowise is started.
pub struct Start<'a> {
    /// The tree that holds node_modules/flowise: the same path inside, read-only.
    pub tree: &'a Path,
    /// The volume that holds `.flowise`.
    pub home: PathBuf,
    /// Where it has no business; the same paths inside.
    pub outside: Vec<PathBuf>,
    /// A directory for the events.
    pub events: PathBuf,
    /// Behind flowjail or not.
    pub jailed: bool,
    /// As `--user` has it.
    pub user: &'a str,
}

/// A Flowise that answers.
pub struct Server {
    /// Its container.
    pub container: Container,
    /// Its address on the tests' side.
    pub base: String,
    /// The events, where it is jailed.
    pub events: PathBuf,
}

impl Server {
    /// Starts it and waits for its first pong.
    pub fn start(start: &Start) -> Result<Self, String> {
        let begun = Instant::now();
        let flags = flags(start);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let command = command(start);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let container = Container::start(&flags, &command)?;
        let at = ask(["port", container.name(), "3000/tcp"])
            .map_err(|why| format!("{why} {}", container.logs()))?;
        let port = at
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .ok_or(at)?;
        let answered = kit::wait_for(READY, || {
            std::thread::sleep(Duration::from_millis(100));
            if pong(port) {
                return Some(true);
            }
            (!container.runs()).then_some(false)
        });
        if answered != Some(true) {
            return Err(format!(
                "no pong after {:?}: {}",
                begun.elapsed(),
                container.logs()
            ));
        }
        let how = if start.jailed {
            "behind flowjail"
        } else {
            "bare"
        };
        println!(
            "{} in a container, {how}: answers after {:.1} s",
            name(start),
            begun.elapsed().as_secs_f32()
        );
        Ok(Self {
            container,
            base: format!("http://127.0.0.1:{port}"),
            events: start.events.join("jail.jsonl"),
        })
    }
}

fn name<'a>(start: &'a Start) -> std::borrow::Cow<'a, str> {
    start.tree.file_name().unwrap_or_default().to_string_lossy()
}

fn flags(start: &Start) -> Vec<String> {
    let volume = |path: &Path, more: &str| format!("{0}:{0}{more}", path.display());
    let mut flags: Vec<String> = ["--user", start.user].map(str::to_owned).to_vec();
    let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
    flag("--network", NETWORK.into());
    flag("-p", "127.0.0.1::3000".into());
    flag("-v", volume(start.tree, ":ro"));
    flag("-v", format!("{}:/data", start.home.display()));
    flag("-v", format!("{}:/events", start.events.display()));
    start
        .outside
        .iter()
        .for_each(|path| flag("-v", volume(path, "")));
    flag("-e", format!("{}={}", SECRET.0, SECRET.1));
    if !start.jailed {
        for set in ["HOME=/data", "SHELL=/bin/sh", "HOST=0.0.0.0", "PORT=3000"] {
            flag("-e", set.into());
        }
        flag("-e", format!("LOG_PATH={DATA}/logs"));
    }
    flags
}

fn command(start: &Start) -> Vec<String> {
    let run = start
        .tree
        .join("node_modules/flowise/bin/run")
        .display()
        .to_string();
    let mut words: Vec<String> = Vec::new();
    if start.jailed {
        let data = format!("data={DATA}");
        let jail = [
            FLOWJAIL,
            "run",
            "--profile",
            "flowise",
            "--set",
            &data,
            "--publish",
            "0.0.0.0:3000",
        ];
        words.extend(jail.map(str::to_owned));
        let more = [
            "--allow-private",
            "llm.test:8080",
            "--events",
            "/events/jail.jsonl",
            "--",
        ];
        words.extend(more.map(str::to_owned));
    }
    words.extend(["node".to_owned(), run, "start".to_owned()]);
    words
}
