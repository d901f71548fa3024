//! Seccomp filters: a policy of rules becomes a program, and every program is run before it is used; those of
//! flowjail's own processes, which are the same on every start, by a test.
//!
//! ```text
//! Policy --compile--> Program --with_own_pid--> instructions for the kernel
//!    |                   |
//!    +---- decide -------+---- interpret: both say the same, or compile fails
//! ```
//!
//! Layout: architecture and x32 check, a balanced tree over numbers whose leaves are verdicts or
//! chains, one chain per conditional call. A chain's tests are seccompiler's; it has one match and one
//! mismatch action per program and none for notifications, so both are marks that become ours.
//! This module loads nothing into the kernel.
#![forbid(unsafe_code)]

mod assembler;
mod chain;
mod compile;
mod disassemble;
mod error;
mod insn;
mod interpret;
mod policy;
mod verify;

#[cfg(test)]
mod tests;

pub use compile::{Program, compile, compile_constant};
pub use disassemble::disassemble;
pub use error::Error;
pub use insn::{Action, Insn};
pub use interpret::{Malformed, interpret};
pub use policy::{AUDIT_ARCH, Call, Otherwise, Policy};
pub use verify::probes;
