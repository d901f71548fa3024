//! Bytes that nobody meant, for every reader of the gateway: made from a seed, so that a failure can be run again.
//!
//! `FLOWJAIL_FUZZ_SEED` and `FLOWJAIL_FUZZ_INPUTS` (for each reader) change what is run.
#![forbid(unsafe_code)]
// the seed has to be told
#![allow(clippy::print_stderr)]

mod numbers;
mod properties;
mod seeds;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use numbers::Numbers;

type Seed = fn(&mut Numbers) -> Vec<u8>;
type Property = fn(&[u8], &mut Numbers) -> &'static str;

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Runs one property over its inputs, and tells how often each answer came. Each answer that is named must come.
fn fuzz(what: &str, inputs: u64, seed: Seed, property: Property, answers: &[&str]) {
    let from = variable("FLOWJAIL_FUZZ_SEED").unwrap_or(1);
    let inputs = variable("FLOWJAIL_FUZZ_INPUTS").unwrap_or(inputs);
    eprintln!("{what}: FLOWJAIL_FUZZ_SEED={from} FLOWJAIL_FUZZ_INPUTS={inputs}");
    let mut numbers = Numbers::new(from);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for round in 0..inputs {
        let mut bytes = seed(&mut numbers);
        seeds::mutate(&mut bytes, &mut numbers);
        let answer = catch_unwind(AssertUnwindSafe(|| property(&bytes, &mut numbers)));
        match answer {
            Ok(answer) => *counts.entry(answer).or_default() += 1,
            Err(cause) => {
                eprintln!("{what}: input {round}: {}", bytes.escape_ascii());
                resume_unwind(cause);
            }
        }
    }
    eprintln!("{what}: {counts:?}");
    let missing = |answer: &&&str| inputs > 1000 && !counts.contains_key(**answer);
    let missing: Vec<_> = answers.iter().filter(missing).collect();
    assert!(missing.is_empty(), "{what}: never {missing:?}");
}

#[test]
fn a_hello_names_one_host_however_it_is_cut() {
    let answers = ["named", "refused", "incomplete"];
    fuzz(
        "hello",
        1_000_000,
        seeds::hello,
        properties::hello,
        &answers,
    );
}

#[test]
fn only_requests_for_the_host_pass_however_they_are_cut() {
    let answers = ["passed", "refused", "waiting"];
    fuzz("http", 500_000, seeds::http, properties::http, &answers);
}

#[test]
fn every_question_gets_a_reply_that_others_understand() {
    let answers = ["query", "refused", "nothing"];
    fuzz("dns", 500_000, seeds::dns, properties::dns, &answers);
}

#[test]
fn only_what_answers_the_question_is_taken() {
    let answers = ["answer", "empty", "failed", "not ours"];
    fuzz(
        "upstream",
        500_000,
        seeds::upstream,
        properties::upstream,
        &answers,
    );
}

#[test]
fn a_front_names_one_visitor_however_it_is_cut() {
    let answers = ["visitor", "refused", "incomplete"];
    fuzz(
        "front",
        1_000_000,
        seeds::front,
        properties::front,
        &answers,
    );
}

#[test]
fn what_is_never_dialled_is_refused() {
    let answers = ["refused", "public"];
    fuzz(
        "address",
        1_000_000,
        seeds::address,
        properties::address,
        &answers,
    );
}
