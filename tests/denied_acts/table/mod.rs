//! The acts, by what they are after.
mod exec;
mod files;
mod kernel;
mod leaks;
mod privilege;
mod processes;
mod sockets;

use crate::act::Act;

/// All of them.
pub fn all() -> Vec<Act> {
    [
        files::acts(),
        exec::acts(),
        privilege::acts(),
        kernel::acts(),
        sockets::acts(),
        processes::acts(),
        leaks::acts(),
    ]
    .concat()
}
