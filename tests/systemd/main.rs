//! flowjail under a real systemd: the units of `examples/systemd` in a virtual machine that systemd boots.
//!
//! The same binary is both sides. On the host it boots the machine once and shows each scene of it as a test; in the
//! guest (`in-the-guest`) it plays the scenes in their order and writes what came of them to a serial port. A small node
//! server stands in for Flowise, since emulation is slow.
#![forbid(unsafe_code)]

#[path = "../bed/mod.rs"]
mod bed;
#[path = "../common/mod.rs"]
mod common;
mod covered;
mod guest;
#[path = "../kit/mod.rs"]
mod kit;
mod machine;
mod stories;

use std::process::ExitCode;

use common::needs::{self, Need};
use kit::Check;

/// A part of a story, which goes on where the last one ended.
type Scene = (&'static str, fn() -> Check);

/// What happens with one unit, from its start on.
struct Story {
    /// The unit or what it is about, before the names of its scenes.
    about: &'static str,
    /// In their order.
    scenes: &'static [Scene],
    /// Leaves the guest as it was, whatever came of them.
    end: fn() -> Check,
}

impl Story {
    fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.scenes
            .iter()
            .map(|(name, _)| format!("{}: {name}", self.about))
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("in-the-guest") {
        return guest::play(&stories::ALL);
    }
    let needed = needed();
    let names = stories::ALL.iter().flat_map(|story| story.names());
    let trials = names.map(|name| {
        let of = name.clone();
        needs::trial(name, &needed, move || {
            machine::outcome(&of).map_err(Into::into)
        })
    });
    let covered = needs::trial(
        "a partly covered /proc is refused, and the directives that do it are named",
        &[needs::root(), needs::program("setpriv")],
        || covered::is_refused().map_err(Into::into),
    );
    let code = needs::run(trials.chain([covered]).collect());
    kit::scratch::remove_shared();
    code
}

fn needed() -> Vec<Need> {
    let set = |name: &'static str| {
        needs::condition(name, std::env::var_os(name).is_some(), "tests/run sets it")
    };
    let found = |name: &'static str| {
        needs::condition(name, bed::find(name).is_some(), "not in PATH or /usr/sbin")
    };
    vec![
        needs::root(), // mmdebstrap makes an image with it
        set("FLOWJAIL_TEST_CACHE"),
        set("FLOWJAIL_TEST_STATIC"),
        found("mmdebstrap"),
        found("mke2fs"),
        found("xz"),
        found("busybox"),
    ]
}
