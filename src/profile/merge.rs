//! Inheritance: a later fragment adds to lists, replaces scalars, and takes away what it removes.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::file::{Fragment, Item};
use super::net::HostRule;
use super::removal::List;
use super::report::{Report, did_you_mean};
use super::rules::unconditional;
use super::types::{Answer, ReadPath, WritePath};
use crate::syscalls::{Compare, Condition, Rule};

impl Fragment {
    /// Puts a later fragment over this one.
    pub fn absorb(&mut self, later: Fragment, report: &mut Report) {
        self.take_away(&later.remove, report);
        self.make_room_for_secrets(&later);
        replace(&mut self.jail, later.jail);
        extend(&mut self.features, later.features, String::clone);
        self.params.extend(later.params);
        // The command and the published addresses are one thing each, not collections: a later one replaces.
        replace(&mut self.command, later.command);
        replace(&mut self.publish, later.publish);
        replace(&mut self.user, later.user);
        self.absorb_files(later.read, later.write);
        replace(&mut self.tmp, later.tmp);
        replace(&mut self.cwd, later.cwd);
        extend(&mut self.programs, later.programs, |path| path.to_string());
        replace(&mut self.net_enabled, later.net_enabled);
        let named = |list: &[Item<HostRule>], item: &Item<HostRule>| {
            list.iter().any(|new| new.value.host == item.value.host)
        };
        self.private.retain(|item| !named(&later.allow, item));
        self.allow.retain(|item| !named(&later.private, item));
        extend(&mut self.allow, later.allow, |rule| rule.host.clone());
        extend(&mut self.private, later.private, |rule| rule.host.clone());
        extend(&mut self.addresses, later.addresses, |rule| {
            rule.to_string()
        });
        replace(&mut self.resolvers, later.resolvers);
        replace(&mut self.proxy, later.proxy);
        replace_each(&mut self.limits.counts, later.limits.counts);
        replace_each(&mut self.limits.times, later.limits.times);
        self.hosts.extend(later.hosts);
        self.resources.absorb(later.resources);
        self.service.absorb(later.service);
        self.set
            .retain(|name, _| !later.pass.iter().any(|item| item.value == *name));
        self.pass
            .retain(|item| !later.set.contains_key(&item.value));
        extend(&mut self.pass, later.pass, String::clone);
        self.set.extend(later.set);
        self.bare.extend(later.bare);
        self.secrets.extend(later.secrets);
        self.promises.extend(later.promises);
        self.layers.extend(later.layers);
        self.absorb_rules(later.syscalls, later.answers, report);
    }

    /// A variable has one value: the later line's, whether that is a secret or not.
    fn make_room_for_secrets(&mut self, later: &Fragment) {
        let passed = |name: &str| later.pass.iter().any(|item| item.value == name);
        let said = |name: &str| later.set.contains_key(name) || later.bare.contains_key(name);
        self.secrets
            .retain(|name, item| item.value.at.is_some() || !passed(name) && !said(name));
        let secret = |name: &String| {
            let new = later.secrets.get(name);
            new.is_some_and(|item| item.value.at.is_none())
        };
        self.set.retain(|name, _| !secret(name));
        self.bare.retain(|name, _| !secret(name));
        self.pass.retain(|item| !secret(&item.value));
    }

    fn absorb_files(&mut self, read: Vec<Item<ReadPath>>, write: Vec<Item<WritePath>>) {
        self.read.retain(|item| {
            !write
                .iter()
                .any(|new| new.value.at.is_none() && new.value.path == item.value.path)
        });
        self.write.retain(|item| {
            !read
                .iter()
                .any(|new| item.value.at.is_none() && new.value.path == item.value.path)
        });
        extend(&mut self.read, read, |read| read.path.clone());
        extend(&mut self.write, write, |write| write.path.clone());
    }

    fn absorb_rules(
        &mut self,
        syscalls: Vec<Item<Rule>>,
        answers: Vec<Item<Answer>>,
        report: &mut Report,
    ) {
        // A call that was answered outright would stay answered: the answer is looked at first.
        for item in &syscalls {
            let old = self.answers.iter().find(|old| {
                old.value.rule.when.is_empty() && old.value.rule.number == item.value.number
            });
            if let Some(old) = old {
                let name = item.value.syscall;
                let message = format!(
                    "`{name}` is answered with {} by {}",
                    old.value.errno_name, old.place.source.name
                );
                report.hinted(
                    &item.place,
                    message,
                    format!("take that away first: [remove] syscalls = [\"{name}\"]"),
                );
            }
        }
        for item in &answers {
            if let Some(old) = unconditional(&item.value.rule, &self.syscalls) {
                let number = old.value.number;
                self.syscalls.retain(|old| old.value.number != number);
            }
        }
        extend(&mut self.syscalls, syscalls, rule_key);
        extend(&mut self.answers, answers, |answer| rule_key(&answer.rule));
    }

    fn take_away(&mut self, removed: &[Item<(List, String)>], report: &mut Report) {
        // A group stands for several keys: it removes something as long as one of them was there.
        let mut useful = BTreeMap::new();
        for item in removed {
            let (list, key) = &item.value;
            let had = self.remove_one(*list, key);
            *useful.entry(item.place.span.start).or_insert(false) |= had;
        }
        for item in removed {
            if useful.get(&item.place.span.start) == Some(&false) {
                let (list, key) = &item.value;
                let near = self.keys(*list);
                let hint = did_you_mean(key, near.iter().map(String::as_str));
                report.add(&item.place, "removes nothing", hint);
                useful.remove(&item.place.span.start);
            }
        }
    }

    fn remove_one(&mut self, list: List, key: &str) -> bool {
        match list {
            List::Features => drop_key(&mut self.features, key, String::clone),
            List::Read => drop_key(&mut self.read, key, |read| read.path.to_string()),
            List::Write => drop_key(&mut self.write, key, |write| write.path.to_string()),
            List::Programs => drop_key(&mut self.programs, key, |path| path.to_string()),
            List::Publish => self
                .publish
                .as_mut()
                .is_some_and(|list| drop_key(list, key, |publish| publish.address.to_string())),
            List::Allow => drop_key(&mut self.allow, key, |rule| rule.host.to_string()),
            List::Private => drop_key(&mut self.private, key, |rule| rule.host.to_string()),
            List::Addresses => drop_key(&mut self.addresses, key, |rule| rule.to_string()),
            List::Hosts => self.hosts.remove(key).is_some(),
            List::Resolver | List::Proxy => self.remove_upstream(list, key),
            List::Limits => self.limits.take(key),
            List::Pass => drop_key(&mut self.pass, key, String::clone),
            List::Set => self.set.remove(key).is_some(),
            List::Secrets => self.secrets.remove(key).is_some(),
            List::Resources => self.resources.take(key),
            List::Syscalls => {
                let allowed = drop_key(&mut self.syscalls, key, |rule| rule.syscall.to_owned());
                drop_key(&mut self.answers, key, |answer| {
                    answer.rule.syscall.to_owned()
                }) || allowed
            }
        }
    }

    /// A name server, or the proxy.
    fn remove_upstream(&mut self, list: List, key: &str) -> bool {
        if list == List::Proxy {
            let written = self.proxy.as_ref().and_then(Option::as_ref);
            let same = written.is_some_and(|proxy| proxy.to_string() == key);
            return same && self.proxy.take().is_some();
        }
        self.resolvers.as_mut().is_some_and(|list| {
            let before = list.len();
            list.retain(|address| address.to_string() != key);
            list.len() < before
        })
    }

    /// What could be removed from a list, for hints.
    fn keys(&self, list: List) -> Vec<String> {
        match list {
            List::Features => keys(&self.features, String::clone),
            List::Read => keys(&self.read, |read| read.path.to_string()),
            List::Write => keys(&self.write, |write| write.path.to_string()),
            List::Programs => keys(&self.programs, |path| path.to_string()),
            List::Publish => keys(self.publish.as_deref().unwrap_or_default(), |publish| {
                publish.address.to_string()
            }),
            List::Allow => keys(&self.allow, |rule| rule.host.to_string()),
            List::Private => keys(&self.private, |rule| rule.host.to_string()),
            List::Addresses => keys(&self.addresses, |rule| rule.to_string()),
            List::Hosts => self.hosts.keys().cloned().collect(),
            List::Resolver => self
                .resolvers
                .iter()
                .flatten()
                .map(|address| address.to_string())
                .collect(),
            List::Proxy => {
                let proxy = self.proxy.iter().flatten();
                proxy.map(|proxy| proxy.to_string()).collect()
            }
            List::Limits => Vec::new(),
            List::Pass => keys(&self.pass, String::clone),
            List::Set => self.set.keys().cloned().collect(),
            List::Secrets => self.secrets.keys().cloned().collect(),
            List::Resources => Vec::new(),
            List::Syscalls => keys(&self.syscalls, |rule| rule.syscall.to_owned()),
        }
    }
}

/// Argument, comparison, mask and value.
type ConditionKey = (u8, u8, u64, u64);

/// What makes two rules the same: the call and its conditions, whatever their reasons.
fn rule_key(rule: &Rule) -> (u32, Vec<Vec<ConditionKey>>) {
    let plain = |condition: &Condition| {
        let compare = match condition.compare {
            Compare::Equal => 0,
            Compare::NotEqual => 1,
            Compare::OwnPid => 2,
        };
        (condition.arg, compare, condition.mask, condition.value)
    };
    let when = rule.when.iter().map(|all| all.iter().map(plain).collect());
    (rule.number, when.collect())
}

fn keys<T>(items: &[Item<T>], of: impl Fn(&T) -> String) -> Vec<String> {
    items.iter().map(|item| of(&item.value)).collect()
}

fn replace<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

fn replace_each<T, const N: usize>(old: &mut [Option<T>; N], new: [Option<T>; N]) {
    old.iter_mut()
        .zip(new)
        .for_each(|(old, new)| replace(old, new));
}

/// Adds entries; one with the key of an old one takes its place.
fn extend<T, K: Ord>(list: &mut Vec<Item<T>>, new: Vec<Item<T>>, key: impl Fn(&T) -> K) {
    let mut at: BTreeMap<K, usize> = BTreeMap::new();
    for (index, item) in list.iter().enumerate() {
        at.insert(key(&item.value), index);
    }
    for item in new {
        match at.entry(key(&item.value)) {
            Entry::Occupied(entry) => list[*entry.get()] = item,
            Entry::Vacant(entry) => {
                entry.insert(list.len());
                list.push(item);
            }
        }
    }
}

fn drop_key<T>(list: &mut Vec<Item<T>>, key: &str, of: impl Fn(&T) -> String) -> bool {
    let before = list.len();
    list.retain(|item| of(&item.value) != key);
    list.len() < before
}
