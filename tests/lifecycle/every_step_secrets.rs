//! The same for secrets: what reads one, and what makes a file of one. An unread secret never starts the program without.

use super::network::every_one;
use super::{Call, step};
use crate::kit::Check;
use crate::kit::scratch::Scratch;
use crate::kit::who::Who;
use crate::stage::Stage;

/// Reading at a place is nobody else's call. Opening for writing makes the file, and mkdir what it lies in.
const CALLS: [Call; 3] = [step("preadv"), step("openat:2=1/3"), step(super::MKDIR)];

const STEPS: [&str; 2] = ["read the secret", "write the secret"];

/// Every refused call ends the launch with 125 and the name of its step, and the program never runs.
pub fn every_step_of_secrets_fails_closed(who: Who) -> Check {
    let vault = Scratch::new();
    let place = vault.dir_of(who, "secrets");
    let file = place.join("db");
    std::fs::write(&file, "value").map_err(|error| error.to_string())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
    std::fs::set_permissions(&file, mode).map_err(|error| error.to_string())?;
    if let Some(uid) = who.other_uid() {
        std::os::unix::fs::chown(&file, Some(uid), Some(uid)).map_err(|error| error.to_string())?;
    }
    let more = format!(
        "[secrets]\nDB = {{ file = {file:?} }}\nkey = {{ file = {file:?}, as = \"/tmp/keys/db\" }}\n"
    );
    let stage = Stage::with(who, &more)?;
    let what = format!("launch with secrets {}", who.word());
    every_one(&stage, &CALLS, &STEPS, 1, &what)
}
