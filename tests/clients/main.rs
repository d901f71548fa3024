//! Client programs in a jail, beside the same ones without: every case of every suite is run bare, in a jail started
//! as root, and in one started as an ordinary user. What differs has to be in `differences.rs`, with its reason.
//!
//! The servers that they speak to run in a network and mount namespace that this binary makes for itself.
#![forbid(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod curl;
mod differences;
mod ingress;
#[path = "../kit/mod.rs"]
mod kit;
mod programs;
mod scripts;
mod servers;
mod stage;
mod suite;
#[path = "../flowise/trees.rs"]
mod trees;

use std::process::ExitCode;

use common::needs;
use kit::scratch;

fn main() -> ExitCode {
    if let Some(code) = stage::enter() {
        return code;
    }
    // From this thread: the servers are told to end when the one that started them does.
    let stage = stage::set();
    let code = needs::run(compare::trials(&stage));
    drop(stage);
    scratch::remove_shared();
    code
}
