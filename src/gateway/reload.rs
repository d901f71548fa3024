//! New rules for a jail that runs. They are taken as a whole between two turns of the event loop: no connection and no
//! name is ever judged by some of the old ones and some of the new.
#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::live::Open;
use super::outward::Target;
use super::policy;
use super::resolver::Resolver;
use super::serve::Gateway;
use super::stub;
use super::word::Word;
use crate::events::Reload;
use crate::plan::{
    AddressLine, Difference, Egress, Facts, HostLine, NetworkPlan, differing, sealed,
};

/// The version of what is asked and answered.
pub const SCHEMA: u32 = 1;

/// What `flowjail reload` asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What the facts are sealed with.
    pub salt: String,
    /// Everything else that the new plan says, sealed: what differs takes a restart. Whoever took a jail's name before the
    /// jail did learns no secret of the environment.
    pub facts: Facts,
    /// The new rules; none where the new plan has no network of its own.
    pub egress: Option<Egress>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The jail's name.
    pub jail: String,
    /// Why nothing was changed.
    pub refused: Option<String>,
    /// Lines that are in force now and were not before.
    pub added: Vec<String>,
    /// Lines that are not any more.
    pub removed: Vec<String>,
    /// Other keys of `[net]` that are in force now.
    pub changed: Vec<String>,
    /// Profile keys that a restart would put in force.
    pub restart: Vec<String>,
    /// Connections that were ended.
    pub ended: u32,
}

/// Why a listener's port stays closed.
const PORT: &str = "a port that the running jail may not connect to (Landlock)";

/// Takes the rules of a request, once those of the one before are in force.
pub async fn reload(gateway: &Rc<Gateway>, request: Request, uid: u32) -> Answer {
    let _turn = gateway.reloading.lock().await;
    let running = gateway.facts.get();
    let mut answer = Answer {
        schema: SCHEMA,
        jail: gateway.name.clone(),
        restart: running.map_or_else(Vec::new, |running| {
            differing(&sealed(running, &request.salt), &request.facts)
        }),
        ..Answer::default()
    };
    if let Some(mut egress) = request.egress {
        if let Some(ports) = &gateway.ports {
            let lost = egress.keep_ports(ports);
            let words = lost.into_iter().map(|line| format!("[net] {line}: {PORT}"));
            answer.restart.extend(words);
        }
        let Difference {
            added,
            removed,
            changed,
        } = egress.since(&Egress::of(&gateway.plan()));
        (answer.added, answer.removed, answer.changed) = (added, removed, changed);
        let (ended, words) = take(gateway, egress);
        answer.ended = ended;
        for word in words {
            gateway.tell_surely(&word).await;
        }
        listen_for_new_ports(gateway).await;
    }
    // What is told before it is all that is in force.
    for word in rules(&gateway.plan()) {
        gateway.tell_surely(&word).await;
    }
    gateway
        .tell_surely(&Word::Reload(event(&answer, uid)))
        .await;
    answer
}

/// Puts the rules in force, at once: how many connections have ended by it, and what the supervisor is told.
fn take(gateway: &Rc<Gateway>, egress: Egress) -> (u32, Vec<Word>) {
    let old = gateway.plan();
    let new = Rc::new(egress.instead_in(&old));
    if Egress::of(&old).asks() != Egress::of(&new).asks() || old.host_names != new.host_names {
        gateway.set_resolver(Resolver::new(&new));
    }
    gateway.live.set_limits(&new.limits);
    gateway.rate.set(new.limits.queries);
    gateway.set_plan(Rc::clone(&new));
    let mut words = names(gateway, &old, &new);
    let closed = gateway.standing.renew(|target| now(&new, target));
    let addresses = closed
        .iter()
        .filter(|(_, target)| matches!(**target, Target::Address(_)));
    words.extend(addresses.map(|(at, _)| Word::Lost(*at)));
    let open = gateway.live.all();
    let withdrawn = open.iter().filter(|open| !still(&old, &new, open));
    let ended = withdrawn.map(|open| open.withdraw()).count();
    (ended as u32, words)
}

/// Names that nobody may ask for any more are forgotten; the others keep their addresses.
fn names(gateway: &Gateway, old: &NetworkPlan, new: &NetworkPlan) -> Vec<Word> {
    let ports = |plan: &NetworkPlan, host: &str| -> Vec<u16> {
        let lines = policy::lines_of(plan, host);
        lines.iter().map(|line| line.port).collect()
    };
    let mut names = gateway.names.borrow_mut();
    let known = names.list();
    names.renew(
        |host| !policy::lines_of(new, host).is_empty(),
        |name| policy::line_of_records(new, name).is_some(),
    );
    let told = known.into_iter().filter_map(|(host, address)| {
        let now = ports(new, &host);
        (now != ports(old, &host)).then_some(Word::Name(address, host, now))
    });
    told.collect()
}

/// The line of a host at a port.
pub fn line_of(plan: &NetworkPlan, host: &str, port: u16) -> Option<HostLine> {
    let lines = policy::lines_of(plan, host);
    lines.into_iter().find(|line| line.port == port).cloned()
}

/// What a listener's target is by other rules.
fn now(plan: &NetworkPlan, target: &Target) -> Option<Target> {
    match target {
        Target::Host(host, line) => {
            line_of(plan, host, line.port).map(|line| Target::Host(host.clone(), line))
        }
        Target::Address(to) => policy::screen_address(&plan.addresses, *to)
            .is_ok()
            .then_some(Target::Address(*to)),
    }
}

/// Whether an open connection would be let through by the new rules as it was by the old ones: the same host in the same
/// protocol, and at an address that it may still have.
fn still(old: &NetworkPlan, new: &NetworkPlan, open: &Open) -> bool {
    let dialled: Option<IpAddr> = open.address.borrow().parse().ok();
    match (&*open.target, now(new, &open.target)) {
        (_, None) => false,
        (Target::Host(host, was), Some(Target::Host(_, is))) => {
            let pinned = new.names.get(host);
            let as_before = is.private || !was.private;
            let fine = |address| policy::screen(&is, pinned.is_some(), &[address]).is_ok();
            was.protocol == is.protocol
                && old.names.get(host) == pinned
                && (as_before || dialled.is_some_and(fine))
        }
        _ => true,
    }
}

/// Addresses in one record: far below what it holds.
const AT_ONCE: usize = 32;

/// What the supervisor goes by, in as many records as it takes.
fn rules(plan: &NetworkPlan) -> Vec<Word> {
    let plain = |line: &AddressLine| AddressLine {
        origin: String::new(),
        ..line.clone()
    };
    let lines: Vec<AddressLine> = plan.addresses.iter().map(plain).collect();
    let of_file: Vec<SocketAddr> = policy::all_of_file(plan).into_iter().collect();
    let lines = lines.chunks(AT_ONCE);
    let of_file = of_file.chunks(AT_ONCE);
    lines
        .map(|some| Word::Addresses(some.to_vec()))
        .chain(of_file.map(|some| Word::OfFile(some.to_vec())))
        .collect()
}

/// Names that have their address already are asked for no more: their new ports are listened on now.
async fn listen_for_new_ports(gateway: &Rc<Gateway>) {
    if gateway.plan().shared {
        return;
    }
    let known = gateway.names.borrow().list();
    for (host, address) in known {
        // What cannot be listened on is told of as ever.
        let _ = stub::stand_in_for_all(gateway, &host, address).await;
    }
}

/// For the record, as long as a line may be.
fn event(answer: &Answer, uid: u32) -> Reload {
    Reload::new(
        uid,
        &answer.added,
        &answer.removed,
        &[answer.changed.as_slice(), answer.restart.as_slice()],
        answer.ended,
    )
}
