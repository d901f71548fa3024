//! Acts of a workload, each in the same container twice: without flowjail, where it has to succeed, and behind it, where
//! it has to be refused. An act that the bare twin cannot do would prove nothing.

use super::bed::{Bed, bed};
use super::config::{USER, unique};
use super::container::Container;
use super::engine::{METADATA, WORLD};
use super::image::{CLIENT_PROFILE, FLOWJAIL};
use super::world::{LLM, NETWORK, OTHER};
use crate::kit::{Check, ensure};

/// One act of tests/docker/acts.mjs.
pub struct Act {
    /// Its sentence.
    pub name: &'static str,
    words: fn(&Bed) -> Vec<String>,
    proof: Proof,
}

/// What tells a refusal from a success.
enum Proof {
    /// The answer: `ok`, or one of these errnos.
    Answer(&'static [&'static str]),
    /// What arrives beyond the networks, whatever the program was told: this, with the words' `MODE` in it.
    Arrival(&'static str),
}

const FILES: &[&str] = &["EACCES", "EPERM", "ENOENT", "EROFS"];
const NET: &[&str] = &[
    "EACCES",
    "EPERM",
    "ECONNREFUSED",
    "ENETUNREACH",
    "EHOSTUNREACH",
];
const NAMES: &[&str] = &["ENOTFOUND", "EAI_AGAIN"];
const NO_ANSWER: &[&str] = &[
    "EACCES",
    "EPERM",
    "ECONNREFUSED",
    "ENETUNREACH",
    "ETIMEDOUT",
    "rcode 3",
    "rcode 5",
];

fn act(
    name: &'static str,
    words: fn(&Bed) -> Vec<String>,
    refused: &'static [&'static str],
) -> Act {
    Act {
        name,
        words,
        proof: Proof::Answer(refused),
    }
}

fn leak(name: &'static str, words: fn(&Bed) -> Vec<String>, arrives: &'static str) -> Act {
    Act {
        name,
        words,
        proof: Proof::Arrival(arrives),
    }
}

fn w<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// The acts that are to be refused.
pub fn refused() -> Vec<Act> {
    vec![
        act("starts a shell", |_| w(["exec"]), FILES),
        act(
            "writes outside of its data",
            |_| w(["write", "/marks/mark"]),
            FILES,
        ),
        act(
            "reads a secret that its uid can read",
            |_| w(["read", "/srv/secret/credentials"]),
            FILES,
        ),
        act(
            "reads its own profile in /etc",
            |_| w(["read", "/etc/flowjail.toml"]),
            FILES,
        ),
        act(
            "reads the environment of the first process",
            |_| w(["read", "/proc/1/environ"]),
            FILES,
        ),
        act("opens its own memory as a file", |_| w(["memory"]), FILES),
        act(
            "connects to the address of another server",
            |bed| w(["connect", &bed.world.other, "8080"]),
            NET,
        ),
        act(
            "connects to the address behind an allowed name",
            |bed| w(["connect", &bed.world.llm, "8080"]),
            NET,
        ),
        act(
            "connects to a name that is not allowed",
            |_| w(["connect", OTHER, "8080"]),
            NAMES,
        ),
        act(
            "looks up a name that is not allowed",
            |_| w(["lookup", OTHER]),
            NAMES,
        ),
        act(
            "asks Docker's name server past libc",
            |_| w(["ask", "127.0.0.11", OTHER]),
            NO_ANSWER,
        ),
        act(
            "connects to a sidecar on its own loopback",
            |_| w(["connect", "127.0.0.1", "9100"]),
            NET,
        ),
        leak(
            "connects to the metadata of the cloud",
            |_| w(["connect", METADATA, "80", "/MODE"]),
            "metadata /MODE",
        ),
        leak(
            "connects to the world",
            |_| w(["connect", WORLD, "7000", "/MODE"]),
            "tcp GET /MODE",
        ),
        leak(
            "sends a datagram to the world",
            |_| w(["udp", WORLD, "7000", "LEAK-MODE"]),
            "udp LEAK-MODE",
        ),
        leak(
            "leaks by a name",
            |_| w(["lookup", "leak-by-libc-MODE.example"]),
            "name leak-by-libc-MODE.example",
        ),
        leak(
            "leaks by a name past libc",
            |_| w(["ask", "127.0.0.11", "leak-MODE.example"]),
            "name leak-MODE.example",
        ),
        leak(
            "leaks to a name server beyond",
            |_| w(["ask", METADATA, "beyond-MODE.example"]),
            "name beyond-MODE.example",
        ),
    ]
}

/// flowjail before a command, where several run side by side in one container.
pub const CLIENT: [&str; 5] = [FLOWJAIL, "run", "--profile", CLIENT_PROFILE, "--"];
const BARE: &str = "bare";
const BEHIND: &str = "jailed";

/// A container as people start it, with a sidecar on its loopback.
pub struct Place {
    container: Container,
    _sidecar: Container,
}

impl Place {
    /// Starts both.
    pub fn new() -> Result<Self, String> {
        let bed = bed()?;
        let data = format!("{}:/data", unique(&bed)?);
        let flags = [USER.as_slice(), &["-v", &data, "--network", NETWORK]].concat();
        let container = Container::start(&flags, &["sleep", "600"])?;
        let network = format!("container:{}", container.name());
        let sidecar = Container::start(
            &["--user", "1002:1002", "--network", &network],
            &["node", "/tests/mock-llm.mjs", "9100", "127.0.0.1"],
        )?;
        sidecar.says("mock-llm on", 1)?;
        Ok(Self {
            container,
            _sidecar: sidecar,
        })
    }

    fn answer(&self, before: &[&str], words: &[String]) -> Result<String, String> {
        // Two tests may run side by side: what arrives tells which of them it came from.
        let mode = if before.is_empty() { BARE } else { BEHIND };
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("MODE", mode))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = self
            .container
            .exec(&[before, &["node", "/tests/acts.mjs"], &words].concat())?;
        let answer = ended.stdout.trim().to_owned();
        ensure(!answer.is_empty(), || {
            format!("{words:?} gave no answer: {ended:?}")
        })?;
        Ok(answer)
    }

    /// Without flowjail it works.
    pub fn works_bare(&self, act: &Act) -> Check {
        let answer = self.answer(&[], &(act.words)(&*bed()?))?;
        match act.proof {
            Proof::Answer(_) => ensure(answer.starts_with("ok"), || answer),
            Proof::Arrival(text) => {
                let arrived = bed()?.world.arrived(&text.replace("MODE", BARE));
                ensure(arrived, || format!("{text:?} did not arrive: {answer}"))
            }
        }
    }

    /// Behind flowjail it is refused.
    pub fn is_refused(&self, act: &Act) -> Check {
        let answer = self.answer(&CLIENT, &(act.words)(&*bed()?))?;
        match act.proof {
            Proof::Answer(refused) => {
                let right = refused.contains(&answer.as_str());
                ensure(right, || format!("{answer:?}, and none of {refused:?}"))
            }
            Proof::Arrival(text) => {
                let arrived = bed()?.world.arrived(&text.replace("MODE", BEHIND));
                ensure(!arrived, || {
                    format!("{text:?} arrived; the program was told {answer:?}")
                })
            }
        }
    }

    /// What the profile allows works, behind flowjail as without it.
    pub fn allowed_works(&self, before: &[&str]) -> Check {
        for words in [
            w(["connect", LLM, "8080"]),
            w(["write", "/data/file"]),
            w(["read", "/tests/acts.mjs"]),
        ] {
            let answer = self.answer(before, &words)?;
            ensure(answer.starts_with("ok"), || format!("{words:?}: {answer}"))?;
        }
        Ok(())
    }
}
