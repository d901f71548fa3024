//! The layers, each applied by the process that it binds; what to apply stands in the plan.
#![forbid(unsafe_code)]

pub mod caps;
pub mod ids;
pub mod landlock;
pub mod limits;
pub mod mounts;
pub mod network;
pub mod process;
