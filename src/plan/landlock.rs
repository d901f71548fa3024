//! Landlock rules, as data.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::files::Files;
use crate::host::Host;
use crate::profile::{Layer, Profile};

/// The newest Landlock ABI whose rights flowjail handles.
pub const KNOWN_ABI: i32 = 10;

/// A Landlock domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LandlockPlan {
    /// The ABI that the host has; rights beyond it are not enforced, and neither are those beyond [`KNOWN_ABI`].
    pub abi: i32,
    /// Paths and what may be done beneath them.
    pub rules: Vec<LandlockRule>,
    /// TCP ports that may be bound (ABI 4).
    pub bind: Vec<u16>,
    /// TCP ports that may be connected to (ABI 4).
    pub connect: Vec<u16>,
}

/// Rights beneath one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LandlockRule {
    /// The path as the jail sees it.
    pub path: PathBuf,
    /// The rights.
    pub access: Access,
}

/// Sets of Landlock rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Files are read, directories listed.
    Read,
    /// Read, and executed.
    Execute,
    /// Read; files written, made, renamed and removed. No links, devices, sockets or FIFOs are made.
    Write,
    /// A device is read and written, without ioctl commands.
    Device,
}

/// The rules for a profile's files and ports.
pub fn resolve(profile: &Profile, host: &Host, files: &Files) -> Option<LandlockPlan> {
    let abi = host
        .landlock
        .ok()
        .filter(|_| !profile.layers_off.contains(&Layer::Landlock))?;
    let mut rules: Vec<LandlockRule> = Vec::new();
    let mut allow = |path: &Path, access: Access| {
        rules.push(LandlockRule {
            path: path.to_owned(),
            access,
        })
    };
    for grant in &files.grants {
        allow(
            &grant.at,
            if grant.writable {
                Access::Write
            } else if grant.device {
                Access::Device
            } else {
                Access::Read
            },
        );
    }
    files
        .executable
        .iter()
        .for_each(|path| allow(path, Access::Execute));
    allow(Path::new("/proc"), Access::Read);
    if !profile.layers_off.contains(&Layer::Mounts) {
        allow(Path::new("/tmp"), Access::Write);
        allow(Path::new("/etc/hosts"), Access::Read);
        allow(Path::new("/etc/passwd"), Access::Read);
    }
    let mut bind: Vec<u16> = profile
        .net
        .publish
        .iter()
        .map(|entry| entry.value.port())
        .collect();
    let hosts = profile.net.allow.iter().chain(&profile.net.private);
    let mut connect: Vec<u16> = hosts.map(|entry| entry.value.port).chain([DNS]).collect();
    for ports in [&mut bind, &mut connect] {
        ports.sort_unstable();
        ports.dedup();
    }
    rules.sort_by(|one, other| {
        (&one.path, one.access as u8).cmp(&(&other.path, other.access as u8))
    });
    rules.dedup();
    Some(LandlockPlan {
        abi,
        rules,
        bind,
        connect,
    })
}

/// Names are asked over TCP where an answer does not fit a datagram.
pub const DNS: u16 = 53;
