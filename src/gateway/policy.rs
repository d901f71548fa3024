//! What the jail may reach: pure decisions on the plan's lines.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::address;
use super::pattern;
use super::reason::Reason;
use crate::plan::{AddressLine, HostLine, NetworkPlan};
use crate::profile::metadata_name;

/// The lines that name a host, one per port: a line without `*` wins, else the first.
pub fn lines_of<'p>(plan: &'p NetworkPlan, host: &str) -> Vec<&'p HostLine> {
    let mut best: BTreeMap<u16, &HostLine> = BTreeMap::new();
    let matching = plan
        .hosts
        .iter()
        .filter(|line| pattern::matches(&line.pattern, host));
    for line in matching {
        let kept = best.entry(line.port).or_insert(line);
        if kept.pattern.contains('*') && !line.pattern.contains('*') {
            *kept = line;
        }
    }
    best.into_values().collect()
}

/// The host that an address of the host's /etc/hosts stands for, at one of its ports: the bare jail reads that file itself,
/// and asks for no name that is in it.
pub fn host_of_file(plan: &NetworkPlan, to: SocketAddr) -> Option<(&str, &HostLine)> {
    let own = |name: &str| name == "localhost" || name.ends_with(".localhost");
    let named = |(name, addresses): &(&String, &Vec<IpAddr>)| {
        plan.shared && addresses.contains(&to.ip()) && !own(name)
    };
    plan.host_names.iter().filter(named).find_map(|(name, _)| {
        let line = lines_of(plan, name)
            .into_iter()
            .find(|line| line.port == to.port())?;
        Some((name.as_str(), line))
    })
}

/// All addresses for which [`host_of_file`] finds a host.
pub fn all_of_file(plan: &NetworkPlan) -> BTreeSet<SocketAddr> {
    let mut all = BTreeSet::new();
    let names = plan.host_names.iter().filter(|_| plan.shared);
    for (name, addresses) in names {
        for line in lines_of(plan, name) {
            let to = addresses.iter().map(|ip| SocketAddr::new(*ip, line.port));
            all.extend(to.filter(|to| host_of_file(plan, *to).is_some()));
        }
    }
    all
}

/// What a query for a name's address gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<'p> {
    /// An address that stands for the name, with a listener for each of these lines.
    StandIn(Vec<&'p HostLine>),
    /// The jail's own loopback.
    Own,
    /// There is no such name.
    Unknown(Reason),
}

/// Decides on the name of a query; `None`: it is none that a host can have.
pub fn decide<'p>(plan: &'p NetworkPlan, host: Option<&str>) -> Answer<'p> {
    let Some(host) = host else {
        return Answer::Unknown(Reason::NoHostName);
    };
    if host == "localhost" || host.ends_with(".localhost") {
        return Answer::Own;
    }
    if metadata_name(host) {
        return Answer::Unknown(Reason::MetadataName);
    }
    match lines_of(plan, host) {
        lines if lines.is_empty() => Answer::Unknown(Reason::NotInProfile),
        lines => Answer::StandIn(lines),
    }
}

/// What allows a name that is not allowed: where the profile gives it an address that only a private host may
/// have, `--allow` would not do.
pub fn advice(plan: &NetworkPlan, host: &str, reason: &Reason) -> String {
    let known = plan.names.get(host).copied();
    let known = known.or_else(|| plan.host_names.get(host)?.first().copied());
    let private = known.and_then(|known| Some((known, address::refused(known)?)));
    if host.split('.').any(|label| label.starts_with('_')) || host.ends_with(".arpa") {
        // No profile line can name it.
        return String::new();
    }
    match (reason, private) {
        (Reason::NotInProfile, Some((known, range))) => {
            Reason::PrivateAddress(known, range).allow(host, 0)
        }
        _ => reason.allow(host, 0),
    }
}

/// The line by which SRV and TXT records of a name are answered: it says so, and names it, or the host that its service
/// labels (`_mongodb._tcp`) stand before.
pub fn line_of_records<'p>(plan: &'p NetworkPlan, name: &str) -> Option<&'p HostLine> {
    let mut host = name;
    for _ in 0..2 {
        host = match host.split_once('.') {
            Some((label, behind)) if label.starts_with('_') => behind,
            _ => host,
        };
    }
    let mut lines = plan.hosts.iter();
    lines.find(|line| line.records && pattern::matches(&line.pattern, host))
}

/// Whether an address may be dialled without a name: a line names it, and what no name may lead to by what a name
/// server says, no wide range leads to either.
pub fn screen_address(lines: &[AddressLine], to: SocketAddr) -> Result<(), Reason> {
    let address = to.ip();
    let mut named = lines.iter().filter(|line| line.names(to)).peekable();
    if named.peek().is_none() {
        return Err(Reason::NotInProfile);
    }
    match address::refused(address) {
        Some(range) if address::never(address) && !named.any(|line| line.network.is_single()) => {
            Err(Reason::NeverAddress(address, range))
        }
        _ => Ok(()),
    }
}

/// The addresses of a name that may be dialled. `pinned`: the profile itself gave the address.
///
/// # Errors
/// None may, and why the first of them may not.
pub fn screen(line: &HostLine, pinned: bool, found: &[IpAddr]) -> Result<Vec<IpAddr>, Reason> {
    let judge = |address: &IpAddr| match address::refused(*address) {
        None => Ok(*address),
        // Not even a private host becomes such an address, unless the profile itself gives it that.
        Some(range) if address::never(*address) && !(pinned && line.private) => {
            Err(Reason::NeverAddress(*address, range))
        }
        Some(range) if !line.private => Err(Reason::PrivateAddress(*address, range)),
        Some(_) => Ok(*address),
    };
    let judged: Vec<Result<IpAddr, Reason>> = found.iter().map(judge).collect();
    let fine: Vec<IpAddr> = judged.iter().flatten().copied().collect();
    match judged.into_iter().find_map(Result::err) {
        Some(reason) if fine.is_empty() => Err(reason),
        None if fine.is_empty() => Err(Reason::NoAddress),
        _ => Ok(fine),
    }
}

#[cfg(test)]
mod tests;
