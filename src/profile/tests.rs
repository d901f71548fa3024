//! The shipped profiles, and the mechanisms of inheritance.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::{Overlay, Profile, builtin_names, load};

fn shipped(name: &str) -> Profile {
    load(name, &Overlay::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_shipped_profile_loads_and_gives_a_reason_for_each_entry() {
    for name in builtin_names() {
        let profile = shipped(name);
        assert!(!profile.about.is_empty(), "{name}");
        let mut whys: Vec<(String, &str)> = Vec::new();
        whys.extend(
            profile
                .files
                .read
                .iter()
                .map(|item| (item.value.path.to_string(), item.why.as_str())),
        );
        whys.extend(
            profile
                .files
                .write
                .iter()
                .map(|item| (item.value.path.to_string(), item.why.as_str())),
        );
        whys.extend(
            profile
                .programs
                .iter()
                .map(|item| (item.value.to_string(), item.why.as_str())),
        );
        whys.extend(
            profile
                .net
                .publish
                .iter()
                .map(|item| (item.value.to_string(), item.why.as_str())),
        );
        whys.extend(
            profile
                .net
                .allow
                .iter()
                .map(|item| (item.value.to_string(), item.why.as_str())),
        );
        whys.extend(
            profile
                .env
                .pass
                .iter()
                .map(|item| (item.value.clone(), item.why.as_str())),
        );
        whys.extend(
            profile
                .allow
                .iter()
                .map(|rule| (rule.syscall.to_owned(), rule.why.as_str())),
        );
        whys.extend(
            profile
                .answer
                .iter()
                .map(|answer| (answer.rule.syscall.to_owned(), answer.rule.why.as_str())),
        );
        for (what, why) in whys {
            assert!(!why.is_empty(), "{name}: {what} has no why");
        }
    }
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the number is a result that people ask for"
)]
fn flowise_allows_at_most_a_hundred_system_calls() {
    for name in builtin_names() {
        let numbers: BTreeSet<u32> = shipped(name).allow.iter().map(|rule| rule.number).collect();
        println!("{name}: {} system calls allowed", numbers.len());
        assert!(
            name != "flowise" || numbers.len() <= 100,
            "flowise allows {}",
            numbers.len()
        );
    }
}
