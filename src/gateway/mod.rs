//! Egress: what the jailed program may reach, by name.
//!
//! The files below read hostile bytes and decide. None does I/O, looks at a clock, or keeps more than the bytes that
//! it was given; none panics, whatever the bytes are.
#![forbid(unsafe_code)]

pub mod address;
pub mod dns;
pub mod front;
pub mod hello;
pub mod http;
pub mod name;
pub mod odd;
pub mod pattern;
pub mod upstream;
pub mod wire;
