//! System calls by name and number, their argument widths, and named groups of them.
#![forbid(unsafe_code)]

mod rule;

pub use rule::{Compare, Condition, Rule, Width};
