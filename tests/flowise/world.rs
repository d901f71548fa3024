//! The network that the tests take for the world: where they are root, a namespace of their own whose loopback has a
//! few invented addresses. Nothing that Flowise, its attackers or flowjail send leaves it.

use crate::common::needs::{self, Need, is_root};
use crate::kit::who::on_path;
use nix::sched::{CloneFlags, unshare};
use std::process::Command;
use std::sync::OnceLock;

/// The LLM. These addresses are set aside for documents (RFC 5737): no profile has to call them private.
pub const MOCK: &str = "203.0.113.20";
/// Where Flowise is published beside loopback.
pub const PUBLISHED: &str = "203.0.113.21";
/// What stands in for tiktoken.pages.dev.
pub const TIKTOKEN: &str = "203.0.113.22";
/// A visitor.
pub const VISITOR: &str = "203.0.113.30";
/// Where an attacker listens.
pub const ATTACKER: &str = "203.0.113.40";

static ENTERED: OnceLock<Result<(), String>> = OnceLock::new();

/// Enters it, the first time. Before there are threads: each has a network of its own.
pub fn enter() {
    ENTERED.get_or_init(|| {
        if !is_root() {
            return Err("the tests run as an ordinary user".into());
        }
        let ip = on_path("ip").ok_or("`ip` on the PATH")?;
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| format!("unshare: {errno}"))?;
        let run = |words: &[&str]| -> Result<(), String> {
            let status = Command::new(&ip).args(words).status();
            match status {
                Ok(status) if status.success() => Ok(()),
                other => Err(format!("ip {}: {other:?}", words.join(" "))),
            }
        };
        run(&["link", "set", "lo", "up"])?;
        for address in [MOCK, PUBLISHED, TIKTOKEN, VISITOR, ATTACKER] {
            run(&["address", "add", &format!("{address}/32"), "dev", "lo"])?;
        }
        Ok(())
    });
}

/// Whether the tests are in it.
pub fn is_own() -> bool {
    matches!(ENTERED.get(), Some(Ok(())))
}

/// The same as a need.
pub fn need() -> Need {
    let why = match ENTERED.get() {
        Some(Err(why)) => why,
        _ => "nobody entered it",
    };
    needs::condition("a network of its own", is_own(), why)
}
