//! Capabilities: all five sets emptied, the securebits locked.
#![forbid(unsafe_code)]

use caps::CapSet;
use nix::errno::Errno;

use crate::sys::process;

/// Empties the bounding set and locks the securebits (capabilities(7)), for this process and those it forks; the
/// other sets stay for the steps to come. Needs CAP_SETPCAP, which a namespace's creator has.
pub fn seal() -> Result<(), Errno> {
    for capability in 0.. {
        match process::drop_bounding(capability) {
            Ok(()) => {}
            Err(Errno::EINVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    process::set_securebits(process::SECUREBITS_LOCKED)
}

/// Empties the four sets that a process may always empty.
pub fn clear() -> Result<(), Errno> {
    for set in [
        CapSet::Ambient,
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
    ] {
        caps::clear(None, set).map_err(|_| Errno::last())?;
    }
    Ok(())
}
