//! The service manager: who it is, and what it is told by the protocol of sd_notify(3).
#![forbid(unsafe_code)]

mod manager;
mod readiness;

pub use manager::{Manager, ManagerError};
pub use readiness::{Service, Wish};
