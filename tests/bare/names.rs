//! Resolvers of three kinds behind a resolv.conf whose name servers nobody can reach.

use crate::common::start;
use crate::kit::scratch::Scratch;
use crate::kit::who::{self, USER_ID, Who};
use crate::kit::{Check, ensure};
use crate::program;
use crate::run::{How, profile};
use crate::world::World;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Who looks names up.
#[derive(Clone, Copy, Debug)]
pub enum Resolver {
    /// The system's C library.
    Glibc,
    /// musl, static.
    Musl,
    /// node's own.
    CAres,
}

const LONG: Duration = Duration::from_secs(60);
/// The world's name server answers for the twin; for a jail nobody does.
const REACHED: &str = "nameserver 203.0.113.53\n";
const UNREACHED: [&str; 3] = [
    "nameserver 192.0.2.53\n",
    "nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch inner.test\noptions ndots:5 edns0 trust-ad\n",
    "nameserver 2001:db8:ffff::53\nnameserver 192.0.2.53\n",
];
/// As the gateway resolves by itself, whatever the file says.
const NET: &str = "resolver = [\"203.0.113.53\"]";

/// musl's own way to open a file on x86_64.
const OPEN: &str = "[syscalls]\nallow = [{ name = \"open\", arch = \"x86_64\" }]";

/// Prints what `resolve` prints.
const SCRIPT: &str = "const dns = require('dns'); (async () => { for (const name of process.argv.slice(1)) \
    await dns.promises.resolve4(name).then((a) => console.log(name, a[0]), \
    (e) => console.log(name, e.code === 'ENOTFOUND' ? 'unknown' : e.code)); })();";

impl Resolver {
    fn words(self) -> Result<Vec<String>, String> {
        Ok(match self {
            Self::Glibc => vec![program::resolve_glibc()?.display().to_string()],
            Self::Musl => vec![program::resolve_musl()?.display().to_string()],
            Self::CAres => {
                let node = who::on_path("node").ok_or("no node")?;
                let node = node.canonicalize().map_err(|error| error.to_string())?;
                vec![
                    node.display().to_string(),
                    "-e".into(),
                    SCRIPT.into(),
                    "--".into(),
                ]
            }
        })
    }
}

/// An allowed name has an address that stands for it, another has none; without a jail both have their own.
pub fn names_are_known_or_not(world: &World, how: How, resolver: Resolver) -> Check {
    let files: &[&str] = match how {
        How::Free => &[REACHED],
        How::Jailed(_) => &UNREACHED,
    };
    files
        .iter()
        .try_for_each(|file| by_file(world, how, resolver, file))
}

fn by_file(world: &World, how: How, resolver: Resolver, file: &str) -> Check {
    let scratch = Scratch::new();
    let conf = scratch.file("resolv.conf", file);
    let profile = profile(&scratch, "", NET, OPEN);
    let names = ["third.world.test", "other.world.test", "no.world.test"].map(str::to_owned);
    let mut words = resolver.words()?;
    words.extend(names);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let allow = ["--allow", "third.world.test:7000"];
    let (inner, _) = crate::run::command(&scratch, how, &profile, &allow, &words);
    let before = world.arrivals()?.len();
    let ended = start::finish(behind(&conf, how, &inner), "", LONG).map_err(|e| e.to_string())?;
    let arrivals = world.arrivals()?.split_off(before);
    let mut lines = ended.stdout.lines();
    let mut next = || lines.next().unwrap_or_default().to_owned();
    let [allowed, other, nobody] = [next(), next(), next()];
    let [first, second] = match how {
        How::Free => [
            "third.world.test 198.51.100.7",
            "other.world.test 203.0.113.11",
        ],
        How::Jailed(_) => ["third.world.test 198.18.", "other.world.test unknown"],
    };
    let fine = allowed.starts_with(first) && other == second && nobody == "no.world.test unknown";
    ensure(fine, || format!("{file:?}: {ended:?}"))?;
    let asked = arrivals.iter().any(|line| line["server"] == "dns");
    ensure(asked == (how == How::Free), || {
        format!("asked outside: {arrivals:?}")
    })
}

/// The command with that file for /etc/resolv.conf, in a mount namespace of its own.
fn behind(conf: &Path, how: How, inner: &Command) -> Command {
    const SCRIPT: &str = "mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"";
    let mut command = Who::Root.command(Path::new("/usr/bin/unshare"));
    command.args([
        "-m",
        "--propagation",
        "private",
        "/bin/sh",
        "-c",
        SCRIPT,
        "sh",
    ]);
    command.arg(conf);
    if how != How::Jailed(Who::Root) {
        let id = USER_ID.to_string();
        command.args([
            "setpriv",
            "--reuid",
            &id,
            "--regid",
            &id,
            "--clear-groups",
            "--",
        ]);
    }
    command.arg(inner.get_program()).args(inner.get_args());
    command
}
