//! What the supervisor goes by where it judges connects itself: the plan's rules, and those of the last reload in their
//! place. The gateway judges again, and its word is the last.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::gateway::policy::host_of_file;
use crate::plan::{AddressLine, NetworkPlan};

/// The rules.
pub struct Rules {
    plan: NetworkPlan,
    renewed: Option<Renewed>,
    coming: Renewed,
}

/// What a reload changes, as the gateway tells it.
#[derive(Default)]
struct Renewed {
    addresses: Vec<AddressLine>,
    of_file: BTreeSet<SocketAddr>,
}

impl Rules {
    /// Those of a plan.
    pub fn new(plan: &NetworkPlan) -> Rules {
        Rules {
            plan: plan.clone(),
            renewed: None,
            coming: Renewed::default(),
        }
    }

    /// Addresses for the next [`renew`](Rules::renew).
    pub fn expect(&mut self, addresses: Vec<AddressLine>, of_file: Vec<SocketAddr>) {
        self.coming.addresses.extend(addresses);
        self.coming.of_file.extend(of_file);
    }

    /// What was expected is in force, and nothing else.
    pub fn renew(&mut self) {
        self.renewed = Some(std::mem::take(&mut self.coming));
    }

    /// Addresses that may be reached without a name.
    pub fn addresses(&self) -> &[AddressLine] {
        let renewed = self.renewed.as_ref();
        renewed.map_or(&self.plan.addresses, |rules| &rules.addresses)
    }

    /// Whether an address stands for a host in the host's /etc/hosts.
    pub fn is_of_file(&self, to: SocketAddr) -> bool {
        match &self.renewed {
            Some(rules) => rules.of_file.contains(&to),
            None => host_of_file(&self.plan, to).is_some(),
        }
    }

    /// Where the stub answers.
    pub fn stubs(&self) -> &[SocketAddr] {
        &self.plan.stubs
    }
}
