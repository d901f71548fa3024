//! Descriptors that the caller left open, and where events go.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat};

use super::handed_over;
use super::journal;
use super::run::Stopped;
use super::terminal::fail;
use crate::events::Output;
use crate::gateway::{Doors, doors};
use crate::host::{self, PathFact};
use crate::launch::Failure;
use crate::plan::Plan;
use crate::profile::Layer;
use crate::service::Manager;
use crate::sys::{process, socket};

/// Refuses what no jail may get as descriptor 0, 1 or 2, opens what `--events` names and what the gateway listens on,
/// and closes the rest.
pub fn settle(
    events: Option<&str>,
    plan: &Plan,
    manager: Option<&Manager>,
) -> Result<(Option<Output>, Option<Doors>), Stopped> {
    refuse_odd_descriptors()?;
    // Before anything else gets a number that is said to be handed over.
    let passed = handed_over::take()?;
    let events = match events {
        None => journal::of_stderr(&plan.name),
        Some(JOURNAL) => Some(journal::asked_for(&plan.name)?),
        Some(name) => Some(Output::Lines(open_events(name, plan)?)),
    };
    if plan.has(Layer::Fds) {
        let mut kept: Vec<RawFd> = passed
            .iter()
            .map(|passed| passed.socket.as_raw_fd())
            .collect();
        kept.extend(events.as_ref().map(|events| events.as_fd().as_raw_fd()));
        kept.extend(manager.map(|manager| manager.as_fd().as_raw_fd()));
        process::close_inherited(&kept).map_err(|errno| {
            let failure = Failure::outside("closing what the caller left open", errno);
            Stopped(fail(failure.exit, &failure, failure.hint()))
        })?;
    }
    let Some(network) = &plan.network else {
        return match passed.is_empty() {
            true => Ok((events, None)),
            false => {
                let message =
                    "sockets were handed over (LISTEN_FDS) to a jail without a network of its own";
                let hint = "write publish = [\"ADDR:PORT\"] under [net], as ListenStream= has it";
                Err(Stopped(fail(super::FAILED, message, Some(hint))))
            }
        };
    };
    let doors = doors::open(network, &plan.name, passed)
        .map_err(|error| Stopped(fail(super::FAILED, &error, error.hint.as_deref())))?;
    Ok((events, Some(doors)))
}

/// A directory as descriptor 0, 1 or 2 would be a way out of the jail's root; a file that is open for reading and
/// writing could be filled with code and mapped, past every noexec; a socket of the host's network would go on reaching it.
fn refuse_odd_descriptors() -> Result<(), Stopped> {
    for number in 0..=2 {
        let kind = process::kind_of(number).map_err(|errno| {
            let failure = Failure::outside("looking at the descriptors 0, 1 and 2", errno);
            Stopped(fail(failure.exit, &failure, None))
        })?;
        let why = if kind == libc::S_IFDIR {
            "a directory: the jail could leave its root by it"
        } else if kind == libc::S_IFREG && process::reads_and_writes(number) {
            "a file open for reading and writing: the jail could map as code what it writes to it"
        } else if kind == libc::S_IFSOCK && !socket::is_tied(number) {
            "a socket that is not tied to one other end on this host: the jail could reach others by it"
        } else {
            continue;
        };
        let hint = "give a file for reading or for writing, a pipe or a terminal";
        let message = format!("descriptor {number} is {why}");
        return Err(Stopped(fail(super::FAILED, message, Some(hint))));
    }
    Ok(())
}

/// What `--events` calls the journal; a file of that name is `./journal`.
const JOURNAL: &str = "journal";

fn open_events(name: &str, plan: &Plan) -> Result<File, Stopped> {
    events_file(name, plan).map_err(|why| {
        let message = format!("--events {name}: {why}");
        Stopped(fail(super::FAILED, message, None))
    })
}

/// A descriptor that the caller left open, or a file outside of what the jail writes; no symbolic link at its end.
fn events_file(name: &str, plan: &Plan) -> Result<File, String> {
    if let Some(number) = name.strip_prefix("fd:") {
        let number: i32 = number
            .parse()
            .map_err(|_| "not a descriptor's number".to_owned())?;
        if (0..=2).contains(&number) {
            return Err(
                "0, 1 and 2 are the jailed program's own: it could write there, too".into(),
            );
        }
        let file = process::duplicate(number).map_err(|errno| errno.desc().to_owned())?;
        return Ok(File::from(file));
    }
    let path = std::path::absolute(name).map_err(|error| error.to_string())?;
    let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else {
        return Err("not a file".into());
    };
    let place = host::look(parent);
    if nix::unistd::geteuid().is_root() && !place.link_owners.is_empty() {
        return Err("a symbolic link of another user leads there".into());
    }
    if plan.writes_below(&place.real) {
        return Err("lies in a directory that the jail writes".into());
    }
    let flags = OFlag::O_WRONLY
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_NONBLOCK
        | OFlag::O_NOCTTY
        | OFlag::O_CLOEXEC;
    // What was looked at is what is opened.
    let opened = open_directory(&place).and_then(|directory| {
        openat(
            &directory,
            file,
            flags | OFlag::O_NOFOLLOW,
            Mode::S_IRUSR | Mode::S_IWUSR,
        )
    });
    opened.map(File::from).map_err(|errno| match errno {
        Errno::ELOOP => "is a symbolic link".to_owned(),
        other => other.desc().to_owned(),
    })
}

/// The directory that was looked at.
///
/// # Errors
/// ESTALE: another is there now. (openat2(2), which follows no link at all, is hidden by systemd's RestrictSUIDSGID=.)
fn open_directory(place: &PathFact) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = open(&place.real, flags, Mode::empty())?;
    let found = fstat(&directory)?;
    match (found.st_dev, found.st_ino) == place.inode {
        true => Ok(directory),
        false => Err(Errno::ESTALE),
    }
}
