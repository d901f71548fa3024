//! Capabilities: all five sets emptied, the securebits locked.
#![forbid(unsafe_code)]

use caps::CapSet;
use nix::errno::Errno;

use crate::sys::process;

/// Empties the bounding, ambient, effective, permitted and inheritable sets and locks the securebits
/// (capabilities(7)). Needs CAP_SETPCAP, which a namespace's creator has.
pub fn drop_all() -> Result<(), Errno> {
    for capability in 0.. {
        match process::drop_bounding(capability) {
            Ok(()) => {}
            Err(Errno::EINVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    process::set_securebits(process::SECUREBITS_LOCKED)?;
    drop_own()
}

/// Empties the sets that a process without privilege may empty: all but the bounding set.
pub fn drop_own() -> Result<(), Errno> {
    for set in [CapSet::Ambient, CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set).map_err(|_| Errno::last())?;
    }
    Ok(())
}

/// Whether this process could drop its bounding set and lock its securebits.
pub fn can_drop_all() -> bool {
    caps::has_cap(None, CapSet::Effective, caps::Capability::CAP_SETPCAP).unwrap_or(false)
}
