//! Landlock rules, as data.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::files::Files;
use super::{Mount, network, place};
use crate::host::Host;
use crate::profile::{Layer, Profile, Publish};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Files are read, directories listed.
    Read,
    /// Read, and executed.
    Execute,
    /// Read; files written, made, renamed and removed. No links, devices, sockets or FIFOs are made.
    Write,
    /// Symbolic links are made.
    Link,
    /// A device is read and written, without ioctl commands.
    Device,
}

/// The rules for a profile's files and ports.
pub fn resolve(
    profile: &Profile,
    host: &Host,
    files: &Files,
    mounts: &[Mount],
) -> Option<LandlockPlan> {
    let off = |layer| profile.layers_off.contains(&layer);
    let abi = host.landlock.ok().filter(|_| !off(Layer::Landlock))?;
    // A program reaches itself by its own port, as Flowise's flows do that call other flows.
    let port = |publish: &Publish| match network::is_own(profile, host) {
        true => network::led_to(profile, publish),
        false => publish.address.port(),
    };
    let own: Vec<u16> = profile
        .net
        .publish
        .iter()
        .map(|entry| port(&entry.value))
        .collect();
    if place::is_bare(profile) && network::is_own(profile, host) {
        // Ports are the supervisor's to take; the program's own calls never get so far.
        let rules = rules(files, mounts);
        return Some(LandlockPlan {
            abi,
            rules,
            bind: Vec::new(),
            connect: Vec::new(),
        });
    }
    let hosts = profile.net.allow.iter().chain(&profile.net.private);
    Some(LandlockPlan {
        abi,
        rules: rules(files, mounts),
        connect: ports(
            hosts
                .map(|entry| entry.value.host.port)
                .chain(profile.net.addresses.iter().map(|entry| entry.value.port))
                .chain(own.iter().copied())
                .chain([DNS]),
        ),
        bind: ports(own.into_iter()),
    })
}

/// The granted paths; with an own root also what only that has.
fn rules(files: &Files, mounts: &[Mount]) -> Vec<LandlockRule> {
    let granted = files.grants.iter().map(|grant| {
        let access = match grant {
            grant if grant.writable => Access::Write,
            grant if grant.device => Access::Device,
            _ => Access::Read,
        };
        (grant.at.as_path(), access)
    });
    let linking = files.grants.iter().filter(|grant| grant.links);
    let links = linking.map(|grant| (grant.at.as_path(), Access::Link));
    let executable = files.executable.iter();
    let programs = executable.map(|path| (path.as_path(), Access::Execute));
    let own = mounts.iter().filter_map(|mount| match mount {
        Mount::Tmp { at, .. } => Some((at.as_path(), Access::Write)),
        Mount::Text { at, .. } => Some((at.as_path(), Access::Read)),
        _ => None,
    });
    let always = [(Path::new("/proc"), Access::Read)];
    let all = granted
        .chain(links)
        .chain(programs)
        .chain(own)
        .chain(always);
    let mut rules: Vec<LandlockRule> = all
        .map(|(path, access)| LandlockRule {
            path: path.to_owned(),
            access,
        })
        .collect();
    rules.sort_by(|one, other| (&one.path, one.access).cmp(&(&other.path, other.access)));
    rules.dedup();
    rules
}

fn ports(ports: impl Iterator<Item = u16>) -> Vec<u16> {
    let sorted: BTreeSet<u16> = ports.collect();
    sorted.into_iter().collect()
}

/// Names are asked over TCP where an answer does not fit a datagram.
pub const DNS: u16 = 53;
