//! A call that waits: its arguments, and what they point to. Nothing that was read of it counts unless it still waited
//! after that: threads end, and their numbers go to others.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::{Answer, done};
use crate::supervisor::sockaddr::{self, Address};
use crate::sys::notify::{self, Notice};
use crate::sys::proc::Proc;

/// What every answer needs.
pub struct Call<'a> {
    /// The call that waits.
    pub notice: &'a Notice,
    /// Its name.
    pub name: &'a str,
    /// Where it waits.
    pub listener: &'a OwnedFd,
    /// The processes' memory and descriptors.
    pub proc: &'a Proc,
}

impl Call<'_> {
    /// The arguments as the kernel reads an int.
    pub fn numbers(&self) -> [i32; 6] {
        self.notice.args.map(|arg| arg as u32 as i32)
    }

    /// EINTR, which nobody gets: the caller has ended.
    pub fn still_waits(&self) -> Result<(), Errno> {
        match notify::still_waits(self.listener, self.notice.id) {
            true => Ok(()),
            false => Err(Errno::EINTR),
        }
    }

    /// The kernel's number for the socket that the first argument is. EBADF, ENOTSOCK: as the kernel says.
    pub fn socket(&self) -> Result<u64, Errno> {
        let [descriptor, ..] = self.numbers();
        let descriptor = u32::try_from(descriptor).map_err(|_| Errno::EBADF)?;
        let found = self.proc.socket(self.notice.thread, descriptor)?;
        self.still_waits()?;
        found.ok_or(Errno::ENOTSOCK)
    }

    /// The address in the second argument, as long as the third says.
    pub fn address(&self) -> Result<Address, Errno> {
        self.address_at(self.notice.args[1], self.notice.args[2])
    }

    /// An address in the caller's memory. EINVAL: of an impossible length.
    pub fn address_at(&self, at: u64, length: u64) -> Result<Address, Errno> {
        let length = length as u32 as usize;
        // sizeof(struct sockaddr_storage)
        if length > 128 {
            return Err(Errno::EINVAL);
        }
        let mut room = [0; sockaddr::LONGEST];
        let wanted = length.min(sockaddr::LONGEST);
        self.read(at, &mut room[..wanted])?;
        match sockaddr::read(&room[..wanted]) {
            Address::Short => Err(Errno::EINVAL),
            address => Ok(address),
        }
    }

    /// Bytes of the caller's memory. EFAULT: they are not all there.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Errno> {
        let read = self.proc.read(self.notice.thread, at, into);
        self.still_waits()?;
        match read {
            Ok(length) if length == into.len() => Ok(()),
            Ok(_) => Err(Errno::EFAULT),
            Err(errno) => Err(errno),
        }
    }

    /// Writes into it, as it waits.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        // A descriptor of this memory: of whoever has the number by then it is not.
        let memory = self.proc.memory_to_write(self.notice.thread)?;
        self.still_waits()?;
        memory.write(at, bytes)
    }

    /// What getsockname(2) and getpeername(2) leave behind: the address, as much of it as there is room for, and its
    /// length.
    pub fn write_name(&self, name: SocketAddr, v6: bool) -> Result<Answer, Errno> {
        let [_, place, room, ..] = self.notice.args;
        let mut length = [0; 4];
        self.read(room, &mut length)?;
        let most = usize::try_from(i32::from_ne_bytes(length)).map_err(|_| Errno::EINVAL)?;
        let bytes = sockaddr::write(name, v6);
        self.write(place, &bytes[..bytes.len().min(most)])?;
        self.write(room, &(bytes.len() as u32).to_ne_bytes())?;
        done()
    }
}
