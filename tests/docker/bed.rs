//! The bed that all tests lie in: the engine, the image, the world. Set up before there are threads.

use super::world::World;
use super::{engine, image};
use crate::common::needs::Need;
use crate::kit::scratch::Scratch;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What the tests share.
pub struct Bed {
    /// Its servers.
    pub world: World,
    /// Files, at the same path for the engine.
    pub scratch: Scratch,
}

static BED: Mutex<Option<Result<Arc<Bed>, String>>> = Mutex::new(None);

/// Sets it up and says what it stands on.
pub fn set_up() {
    let begun = Instant::now();
    engine::start();
    let made = build().map(Arc::new);
    if made.is_ok() {
        println!(
            "{}; up after {:.1} s",
            described(),
            begun.elapsed().as_secs_f32()
        );
    }
    *BED.lock().expect("lock") = Some(made);
}

/// Takes it all away.
pub fn take_down() {
    BED.lock().expect("lock").take();
    engine::stop();
}

/// The bed, for a test whose needs are met.
pub fn bed() -> Result<Arc<Bed>, String> {
    BED.lock().expect("lock").clone().ok_or("no bed")?
}

/// What every test needs.
pub fn needs() -> Vec<Need> {
    let engine = engine::need();
    let up = engine.missing.is_none() && image::need().missing.is_none();
    // What is there and does not come up is a failure and no missing need: each test says it.
    if up {
        Vec::new()
    } else {
        vec![engine, image::need()]
    }
}

fn build() -> Result<Bed, String> {
    let missing = engine::need().missing.or_else(|| image::need().missing);
    if let Some(why) = missing {
        return Err(why);
    }
    let scratch = Scratch::new();
    image::make(&scratch)?;
    let world = World::start(&scratch)?;
    Ok(Bed { world, scratch })
}

impl Bed {
    /// A new directory that any uid may write, for a container's volume.
    pub fn open_dir(&self, name: &str) -> Result<PathBuf, String> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.scratch.at(name);
        std::fs::create_dir(&path)
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }
}

fn described() -> String {
    let engine = engine::ask([
        "version",
        "--format",
        "{{.Server.Version}} (client {{.Client.Version}})",
    ]);
    let driver = engine::ask([
        "info",
        "--format",
        "{{.Driver}}, cgroup v{{.CgroupVersion}}, {{.SecurityOptions}}",
    ]);
    let kernel =
        nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    let landlock = landlock_abi().map_or("none".into(), |abi| abi.to_string());
    format!(
        "Docker Engine {}, {}; kernel {}; Landlock ABI {landlock}",
        engine.unwrap_or_default(),
        driver.unwrap_or_default(),
        kernel.unwrap_or_default(),
    )
}

/// As `flowjail plan` on this machine sees it.
fn landlock_abi() -> Option<u32> {
    let mut plan = std::process::Command::new(env!("CARGO_BIN_EXE_flowjail"));
    plan.args(["plan", "--profile", "node", "--", "/bin/true"]);
    let ended = engine::finish(plan, std::time::Duration::from_secs(20)).ok()?;
    let (_, rest) = ended.stdout.split_once("host has ABI ")?;
    rest.split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}
