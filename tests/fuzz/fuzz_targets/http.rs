//! See tests/fuzz/README.md.
#![no_main]
// each target checks one of the properties
#![allow(dead_code)]

#[path = "../../fuzz_seeded/numbers.rs"]
mod numbers;
#[path = "../../fuzz_seeded/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut numbers = numbers::Numbers::new(bytes.len() as u64);
    properties::http(bytes, &mut numbers);
});
