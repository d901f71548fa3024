//! Modes, owners and times of files in the bare jail. Landlock has no right for them, and no read-only mount holds them
//! there: the supervisor changes them, in what the jail writes and nowhere else. It decides on the file that it holds,
//! wherever a name or a descriptor may lead by the time a call goes on.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::errno::Errno;

use super::{Answer, Call};
use crate::sys::change;
use crate::sys::notify::Reply;

/// Answers one call; `written`: the directories that the jail writes.
pub fn answer(call: &Call, written: &[PathBuf]) -> Result<Answer, Errno> {
    let file = file(call)?;
    let wanted = Wanted::read(call)?;
    call.still_waits()?;
    let place = call.proc.place_of(&file)?;
    if !written.iter().any(|directory| place.starts_with(directory)) {
        // As Landlock answers for what is written elsewhere, and without a record, too.
        return Err(Errno::EACCES);
    }
    match wanted {
        Wanted::Mode(mode) => call.proc.set_mode(&file, mode),
        Wanted::Owner(uid, gid) => change::set_owner(&file, uid, gid),
        Wanted::Times(times) => change::set_times(&file, times),
    }?;
    Ok(Answer::Reply(Reply::Done))
}

/// The file that the call means.
fn file(call: &Call) -> Result<OwnedFd, Errno> {
    let [first, ..] = call.numbers();
    let [at, path, ..] = call.notice.args;
    let flags = |index: usize| call.numbers()[index];
    match call.name {
        "fchmod" | "fchown" => held(call, first),
        "utimensat" if path == 0 => held(call, first),
        "chmod" | "chown" | "utime" | "utimes" => named(call, libc::AT_FDCWD, at, 0),
        "fchmodat" => named(call, first, path, 0),
        "fchownat" => named(call, first, path, flags(4)),
        "utimensat" => named(call, first, path, flags(3)),
        _ => Err(Errno::EPERM),
    }
}

fn held(call: &Call, descriptor: i32) -> Result<OwnedFd, Errno> {
    let descriptor = u32::try_from(descriptor).map_err(|_| Errno::EBADF)?;
    match call.proc.held(call.notice.thread, descriptor) {
        Err(Errno::ENOENT) => Err(Errno::EBADF),
        held => held,
    }
}

fn named(call: &Call, base: i32, at: u64, flags: i32) -> Result<OwnedFd, Errno> {
    let path = path(call, at)?;
    if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
        return held(call, base);
    }
    let base = match base {
        libc::AT_FDCWD => None,
        descriptor => Some(u32::try_from(descriptor).map_err(|_| Errno::EBADF)?),
    };
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    call.proc.named(call.notice.thread, base, &path, follow)
}

/// A NUL-terminated path, read page by page since the next page may not be there.
fn path(call: &Call, at: u64) -> Result<OsString, Errno> {
    let mut bytes = Vec::new();
    while bytes.len() < libc::PATH_MAX as usize {
        let here = at.checked_add(bytes.len() as u64).ok_or(Errno::EFAULT)?;
        let mut chunk = vec![0; 4096 - (here % 4096) as usize];
        let length = call.proc.read(call.notice.thread, here, &mut chunk)?;
        if length == 0 {
            return Err(Errno::EFAULT);
        }
        let chunk = &chunk[..length];
        let end = chunk.iter().position(|byte| *byte == 0);
        bytes.extend_from_slice(&chunk[..end.unwrap_or(length)]);
        if end.is_some() {
            return Ok(OsString::from_vec(bytes));
        }
    }
    Err(Errno::ENAMETOOLONG)
}

/// What the file shall say.
enum Wanted {
    Mode(u32),
    Owner(u32, u32),
    /// Seconds and nanoseconds of the access and of the change; `None`: now.
    Times(Option<[(i64, i64); 2]>),
}

impl Wanted {
    fn read(call: &Call) -> Result<Wanted, Errno> {
        let number = |index: usize| call.notice.args[index] as u32;
        Ok(match call.name {
            "chmod" | "fchmod" => Wanted::Mode(number(1)),
            "fchmodat" => Wanted::Mode(number(2)),
            "chown" | "fchown" => Wanted::Owner(number(1), number(2)),
            "fchownat" => Wanted::Owner(number(2), number(3)),
            // Each in units of its own.
            "utime" => Wanted::Times(seconds(call)?),
            "utimes" => Wanted::Times(pairs(call, 1, 1000)?),
            _ => Wanted::Times(pairs(call, 2, 1)?),
        })
    }
}

/// `struct utimbuf`.
fn seconds(call: &Call) -> Result<Option<[(i64, i64); 2]>, Errno> {
    let read = words::<2>(call, 1)?;
    Ok(read.map(|[access, change]| [(access, 0), (change, 0)]))
}

/// Two of `struct timespec`, or of `struct timeval` in thousands of nanoseconds.
fn pairs(call: &Call, argument: usize, unit: i64) -> Result<Option<[(i64, i64); 2]>, Errno> {
    let read = words::<4>(call, argument)?;
    let fine = |part: i64| part.checked_mul(unit).ok_or(Errno::EINVAL);
    match read {
        None => Ok(None),
        Some([access, fraction, change, other]) => {
            Ok(Some([(access, fine(fraction)?), (change, fine(other)?)]))
        }
    }
}

/// Words at an argument's address; `None` where that is NULL.
fn words<const N: usize>(call: &Call, argument: usize) -> Result<Option<[i64; N]>, Errno> {
    let at = call.notice.args[argument];
    if at == 0 {
        return Ok(None);
    }
    let mut bytes = vec![0; 8 * N];
    call.read(at, &mut bytes)?;
    let mut words = bytes.chunks_exact(8).map(|word| {
        let word = word.first_chunk().copied().unwrap_or_default();
        i64::from_ne_bytes(word)
    });
    Ok(Some(std::array::from_fn(|_| {
        words.next().unwrap_or_default()
    })))
}
