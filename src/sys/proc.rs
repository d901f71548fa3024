//! /proc by a descriptor that was opened while the file system was still in reach.

use std::ffi::OsStr;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// The descriptor.
pub struct Proc(OwnedFd);

impl Proc {
    /// Opens /proc.
    pub fn open() -> Result<Proc, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open("/proc", flags, Mode::empty()).map(Proc)
    }

    /// A file below it, to read.
    pub fn file(&self, path: &str) -> Result<File, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        openat(&self.0, path, flags, Mode::empty()).map(File::from)
    }

    /// The memory of a process whose call waits, to read (proc_pid_mem(5)).
    pub fn memory(&self, pid: u32) -> Result<File, Errno> {
        self.file(&format!("{pid}/mem"))
    }

    /// Bytes of its memory at `at`, as many as there are up to the length of `into`.
    pub fn read(&self, pid: u32, at: u64, into: &mut [u8]) -> Result<usize, Errno> {
        let whole = into.len();
        // One call where the file takes three (process_vm_readv(2)); refused in some places, and short at a page that
        // is not there.
        let from = [RemoteIoVec {
            base: at as usize,
            len: whole,
        }];
        let at_once = process_vm_readv(of(pid), &mut [IoSliceMut::new(into)], &from);
        if at_once == Ok(whole) {
            return Ok(whole);
        }
        // EIO: nothing is there.
        let read = self.memory(pid)?.read_at(into, at).map_err(errno_of);
        read.map_err(|errno| match errno {
            Errno::EIO => Errno::EFAULT,
            other => other,
        })
    }

    /// The memory of a thread's process, to write. It stays that process's, whatever becomes of the number.
    pub fn memory_to_write(&self, thread: u32) -> Result<Memory, Errno> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let path = format!("{thread}/mem");
        openat(&self.0, path.as_str(), flags, Mode::empty()).map(|memory| Memory(memory.into()))
    }

    /// The inode of the socket that is a descriptor of a thread's; `None` where it is another kind of file. EBADF: it is
    /// none.
    pub fn socket(&self, thread: u32, descriptor: u32) -> Result<Option<u64>, Errno> {
        let path = format!("{thread}/fd/{descriptor}");
        let target = match readlinkat(&self.0, path.as_str()) {
            Err(Errno::ENOENT) => return Err(Errno::EBADF),
            target => target?,
        };
        let text = target
            .to_str()
            .and_then(|text| text.strip_prefix("socket:["));
        let number = text.and_then(|text| text.strip_suffix(']'));
        Ok(number.and_then(|number| number.parse().ok()))
    }

    /// The file that is a descriptor of a thread's, to be looked at and changed (O_PATH). ENOENT: none is.
    pub fn held(&self, thread: u32, descriptor: u32) -> Result<OwnedFd, Errno> {
        let path = format!("{thread}/fd/{descriptor}");
        openat(&self.0, path.as_str(), PLACE, Mode::empty())
    }

    /// The file that a path means to a thread, from where it is or from a directory that it has open.
    pub fn named(
        &self,
        thread: u32,
        base: Option<u32>,
        path: &OsStr,
        follow: bool,
    ) -> Result<OwnedFd, Errno> {
        let base = match base {
            None => format!("{thread}/cwd"),
            Some(descriptor) => format!("{thread}/fd/{descriptor}"),
        };
        let base = openat(&self.0, base.as_str(), PLACE, Mode::empty())?;
        let last = match follow {
            true => OFlag::empty(),
            false => OFlag::O_NOFOLLOW,
        };
        openat(&base, path, PLACE | last, Mode::empty())
    }

    /// Where a file that this process holds lies.
    pub fn place_of(&self, file: &OwnedFd) -> Result<PathBuf, Errno> {
        let path = format!("self/fd/{}", file.as_raw_fd());
        readlinkat(&self.0, path.as_str()).map(PathBuf::from)
    }

    /// Sets its mode, also where it is held without a right to read or write it.
    pub fn set_mode(&self, file: &OwnedFd, mode: u32) -> Result<(), Errno> {
        let path = format!("self/fd/{}", file.as_raw_fd());
        let mode = Mode::from_bits_truncate(mode);
        // The kernel goes from the link to the file itself, and no further.
        fchmodat(&self.0, path.as_str(), mode, FchmodatFlags::FollowSymlink)
    }

    /// The sockets that a process has open, by inode.
    pub fn sockets(&self, pid: u32) -> Result<Vec<u64>, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let directory =
            nix::dir::Dir::openat(&self.0, format!("{pid}/fd").as_str(), flags, Mode::empty())?;
        let number = |entry: nix::dir::Entry| entry.file_name().to_str().ok()?.parse().ok();
        let numbers: Vec<u32> = directory.into_iter().flatten().filter_map(number).collect();
        Ok(numbers
            .into_iter()
            .filter_map(|number| self.socket(pid, number).ok()?)
            .collect())
    }

    /// The process that a thread belongs to.
    pub fn process_of(&self, thread: u32) -> Option<u32> {
        let status = self.text(&format!("{thread}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
        line.trim().parse().ok()
    }

    /// The children of a single-threaded process (proc_pid_tid_children(5)); none where the kernel does not list them.
    pub fn children(&self, pid: i32) -> Vec<i32> {
        let text = self.text(&format!("{pid}/task/{pid}/children"));
        let text = text.unwrap_or_default();
        text.split_whitespace().flat_map(str::parse).collect()
    }

    fn text(&self, path: &str) -> Option<String> {
        std::io::read_to_string(self.file(path).ok()?).ok()
    }
}

/// See [`Proc::memory_to_write`].
pub struct Memory(File);

impl Memory {
    /// Writes bytes at `at`. EFAULT: nothing can be written there.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        match self.0.write_all_at(bytes, at).map_err(errno_of) {
            Err(Errno::EIO) => Err(Errno::EFAULT),
            written => written,
        }
    }
}
const PLACE: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

fn of(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EFAULT))
}
