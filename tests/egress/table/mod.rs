//! The acts, by what they try to get past.
mod addresses;
mod hellos;
mod inside;
mod names;
mod passing;
mod requests;
mod sockets;

use crate::act::Act;

/// All of them.
pub fn all() -> Vec<Act> {
    [
        addresses::acts(),
        names::acts(),
        hellos::acts(),
        inside::acts(),
        requests::acts(),
        sockets::acts(),
        passing::acts(),
    ]
    .concat()
}
