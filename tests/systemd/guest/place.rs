//! Units, profiles and keys at the places that the examples name.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::left;
use super::program::systemctl;
use super::unit::{Manager, Unit};
use crate::kit::{Check, wait_for};

const EXAMPLES: &str = "/opt/test/examples";
const PROFILES: &str = "/etc/flowjail";
const ADA: (u32, &str) = (1001, "/home/ada/.config/flowjail");

/// Debian 12's node is older than those that Flowise runs on, and waits by an older call.
const OLD_NODE: &str = "\n[syscalls]\nallow = [{ name = \"epoll_wait\", why = \"node 18\" }]\n";

/// The key in this unit's credential.
pub fn key() -> &'static str {
    "the key of the guest"
}

/// Everything as an operator would put it, and the state of the guest before the first story.
pub fn prepare() -> Check {
    make(Path::new(PROFILES), 0)?;
    make(Path::new(ADA.1), ADA.0)?;
    chown("/home/ada/.config", Some(ADA.0), Some(ADA.0)).map_err(|error| error.to_string())?;
    for entry in fs::read_dir(EXAMPLES).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".toml") {
            profile(&name, &[])?;
            continue;
        }
        let of = if name.contains("user") {
            "user"
        } else {
            "system"
        };
        let to = format!("/etc/systemd/{of}/{name}");
        fs::copy(&path, to).map_err(|error| error.to_string())?;
    }
    write(&Path::new(PROFILES).join("flowise-key"), key(), 0o600, 0)?;
    write(&Path::new(ADA.1).join("flowise-key"), key(), 0o600, ADA.0)?;
    loopback()?;
    let bus = || Path::new("/run/user/1001/bus").exists().then_some(());
    wait_for(Duration::from_secs(120), bus).ok_or("ada's manager does not come up")?;
    reload()?;
    left::remember();
    Ok(())
}

/// A profile as it is shipped, with texts replaced by others; a text that is not in it is an error.
pub fn profile(name: &str, changes: &[(&str, &str)]) -> Check {
    let shipped = Path::new(EXAMPLES).join(name);
    let mut text = fs::read_to_string(shipped).map_err(|error| error.to_string())?;
    text += OLD_NODE;
    for (old, new) in changes {
        if !text.contains(old) {
            return Err(format!("{name} has no {old:?}"));
        }
        text = text.replacen(old, new, 1);
    }
    let (place, owner) = match name.contains("user") {
        true => (PathBuf::from(ADA.1), ADA.0),
        false => (PathBuf::from(PROFILES), 0),
    };
    write(&place.join(name), &text, 0o644, owner)
}

/// Lines for the `[Service]` of a unit, until [`without_drop_ins`].
pub fn drop_in(unit: Unit, lines: &str) -> Check {
    let place = directory(unit);
    make(&place, 0)?;
    write(
        &place.join("test.conf"),
        &format!("[Service]\n{lines}\n"),
        0o644,
        0,
    )?;
    reload()
}

/// The unit as it is shipped.
pub fn without_drop_ins(unit: Unit) -> Check {
    let place = directory(unit);
    if place.exists() {
        fs::remove_dir_all(place).map_err(|error| error.to_string())?;
        reload()?;
    }
    Ok(())
}

fn directory(unit: Unit) -> PathBuf {
    let of = match unit.manager {
        Manager::System => "system",
        Manager::Ada => "user",
    };
    PathBuf::from(format!("/etc/systemd/{of}/{}.d", unit.name))
}

fn reload() -> Check {
    systemctl(Manager::System, &["daemon-reload"])?;
    systemctl(Manager::Ada, &["daemon-reload"]).map(drop)
}

/// A guest without a network has its loopback down.
fn loopback() -> Check {
    let mut command = std::process::Command::new("ip");
    command.args(["link", "set", "lo", "up"]);
    super::output(command).map(drop)
}

fn make(place: &Path, owner: u32) -> Check {
    let made = fs::create_dir_all(place).and_then(|()| chown(place, Some(owner), Some(owner)));
    made.map_err(|error| format!("{}: {error}", place.display()))
}

fn write(path: &Path, text: &str, mode: u32, owner: u32) -> Check {
    let written = fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .and_then(|()| chown(path, Some(owner), Some(owner)));
    written.map_err(|error| format!("{}: {error}", path.display()))
}
