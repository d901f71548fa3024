//! flowjail: one profile file, every kernel boundary around one node process.
//!
//! ```text
//! profile file -> ProfileFile -> Profile -> (+ Host, + Request) -> Plan -> launch -> Running -> Outcome
//!                 parse          check      resolve                 layers in the child, supervisor beside it
//! ```
#[cfg(not(target_os = "linux"))]
compile_error!(
    "flowjail builds on Linux only: it is made of Linux namespaces, seccomp and Landlock"
);

pub mod cli;
pub mod events;
pub mod filter;
pub mod gateway;
pub mod host;
pub mod install;
pub mod launch;
pub mod layers;
pub mod plan;
pub mod profile;
pub mod service;
pub mod supervisor;
pub mod sys;
pub mod syscalls;
