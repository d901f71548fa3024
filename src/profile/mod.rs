//! Profiles: text to values.
#![forbid(unsafe_code)]

mod types;

pub use types::{
    Answer, ByteSize, Environment, Files, HostPort, JailKind, Layer, Level, Net, Part, Profile,
    Promise, ReadPath, Resources, Sourced, Template, UserChoice, WritePath,
};
