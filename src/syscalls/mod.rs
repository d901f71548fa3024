//! System calls by name and number, the widths of their arguments, and conditions on them.
//!
//! A name has one of three answers from [`known`]: no such call, a call that this architecture has
//! (with its number), or one that only another architecture has. A profile may list
//! either of the last two: `open` is a fine line on aarch64 too, no rule comes of it there.
#![forbid(unsafe_code)]

mod constants;
mod names;
mod rule;
mod table;
mod token;
mod when;
mod widths;

#[cfg(test)]
mod tests;

pub use names::{Known, Syscall, all, closest, known, lookup, name_of};
pub use rule::{Compare, Condition, Rule, Width};
pub use when::{WhenError, parse_when};
