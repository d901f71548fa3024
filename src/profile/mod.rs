//! Profiles: text to checked values. Pure but for `load`, which reads files.
//!
//! ```text
//! load -> chain (extends) -> value, json (text to a spanned tree) -> file (tree to typed lines)
//!      -> merge (later over earlier, remove, features, overlay) -> check -> Profile, or all Problems
//! ```
#![forbid(unsafe_code)]

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
mod overlay;
mod problem;
mod reader;
mod removal;
mod report;
mod rules;
mod sections;
mod template;
mod types;
mod value;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

pub use builtin::{names as builtin_names, text as builtin_text};
pub use leaf::{matches as env_matches, never_passed};
pub use load::{MAX_SIZE, load};
pub use overlay::Overlay;
pub use problem::{Place, Problem, Problems, Source, SourceKind};
pub use template::BUILT_IN_VARIABLES;
pub use types::{
    Answer, ByteSize, Environment, Files, HostPort, JailKind, Layer, Level, Net, Part, Profile,
    Promise, ReadPath, Resources, Sourced, Template, UserChoice, WritePath,
};
