//! Profiles: text to checked values. Pure but for `load`, which reads files.
//!
//! ```text
//! load -> chain (extends) -> value, json (text to a spanned tree) -> file (tree to typed lines)
//!      -> merge (later over earlier, remove, features, overlay) -> check -> Profile, or all Problems
//! ```
#![forbid(unsafe_code)]

mod address;
mod builtin;
mod chain;
mod check;
mod expand;
mod file;
mod groups;
mod host;
mod hosts;
mod json;
mod leaf;
mod load;
mod merge;
mod net;
mod overlay;
mod problem;
mod reader;
mod removal;
mod report;
mod resources;
mod rules;
mod secrets;
mod sections;
mod service;
mod template;
mod types;
mod value;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod net_tests;
#[cfg(test)]
mod secrets_tests;
#[cfg(test)]
mod tests;

pub use address::address_reached;
pub use builtin::{names as builtin_names, text as builtin_text};
pub use groups::{HostGroupInfo, all_hosts as host_groups};
pub use host::{host_name, metadata_name};
pub use leaf::{
    CREDENTIALS, UNNAMED as UNNAMED_SOCKET, matches as env_matches, never_passed, of_a_manager,
};
pub use load::{MAX_SIZE, load};
pub use net::{
    AddressRule, HostRule, Net, NetLimits, Network, Protocol, Proxy, ProxyHost, Publish,
};
pub use overlay::Overlay;
pub use problem::{Place, Problem, Problems, Source, SourceKind};
pub use resources::{Io, Reserve, Resources};
pub use secrets::{Secret, SecretSource};
pub use service::{Probe, START_LIMIT, Service};
pub use template::BUILT_IN_VARIABLES;
pub use types::{
    Answer, ByteSize, Environment, Files, HostPort, JailKind, Layer, Level, Part, Profile, Promise,
    ReadPath, Sourced, Template, UserChoice, WritePath,
};
