//! The gateway: a process of its own in the host's network, and the jail's only way out of its network and into it.
//!
//! ```text
//! jail: name? --> stub --> policy::decide --> 198.18.x.y, and a listener there
//! jail: connect 198.18.x.y --> outward: hello, http (who is meant) --> dial: resolver, policy::screen --> relay
//! bare jail: the supervisor connects --> coming (announced?) --> outward, as above
//! visitor --> inward: allow_from, front --> the program, with the visitor's address as its source --> relay
//! operator --> control --> reload: other rules, between two turns of the loop
//! ```
//!
//! In the bare jail, which shares the host's network, connections come by way of the supervisor, and visitors go to the
//! program itself.
//!
//! It parses hostile bytes, so that it is confined like the workload: no file, no capability, no program, a filter of
//! its own. Names are what is decided on; the addresses that the jail uses are never dialled. Its end is the jail's end.
#![forbid(unsafe_code)]

pub mod address;
pub mod coming;
pub mod control;
mod dial;
pub mod dns;
pub mod doors;
pub mod front;
pub mod handed;
pub mod hello;
pub mod http;
mod inward;
mod live;
pub mod name;
mod names;
pub mod odd;
mod outward;
pub mod pattern;
pub mod policy;
mod probe;
pub mod reason;
mod relay;
pub mod reload;
mod requests;
mod resolver;
mod serve;
mod sockets;
mod standing;
mod stream;
mod stub;
pub mod upstream;
pub mod wire;
pub mod word;

pub use doors::Doors;
pub use serve::serve;
