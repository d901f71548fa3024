//! A channel between two of flowjail's own processes: records that stay whole, with descriptors beside them.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, sendmsg, socketpair,
};

/// The longest record; longer ones would be cut and are refused.
pub const MAX_RECORD: usize = 8192;
/// The most descriptors beside one record (SCM_MAX_FD is 253, unix(7)).
pub const MAX_DESCRIPTORS: usize = 64;

/// Two connected ends (socketpair(2), AF_UNIX, SOCK_SEQPACKET).
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
}

/// Sends one record with descriptors beside it (sendmsg(2), SCM_RIGHTS), and never waits. EAGAIN: the other end
/// has not read what is there. EPIPE: it is gone.
pub fn send(end: &impl AsFd, record: &[u8], beside: &[RawFd]) -> Result<(), Errno> {
    if record.is_empty() || record.len() > MAX_RECORD || beside.len() > MAX_DESCRIPTORS {
        return Err(Errno::EMSGSIZE);
    }
    let rights = [ControlMessage::ScmRights(beside)];
    let control: &[ControlMessage] = if beside.is_empty() { &[] } else { &rights };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let parts = [IoSlice::new(record)];
    sendmsg::<()>(end.as_fd().as_raw_fd(), &parts, control, flags, None).map(drop)
}

/// Takes one record and its descriptors (recvmsg(2)), and never waits; an empty record means that the other end is
/// gone. EAGAIN: nothing is there. EMSGSIZE: the record did not fit, which [`send`] prevents. A process that may open no
/// more descriptors gets fewer than were sent, or none: the kernel closes the others (MSG_CTRUNC).
pub fn receive(end: &impl AsFd) -> Result<(Vec<u8>, Vec<OwnedFd>), Errno> {
    let mut room = vec![0u8; MAX_RECORD];
    let mut control = [0u64; CONTROL];
    let mut part = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    // SAFETY: a header of zeros is one without any buffer.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: both buffers live until the call is over, and are as long as the header says.
    let taken = unsafe { libc::recvmsg(end.as_fd().as_raw_fd(), &raw mut header, flags) };
    let length = Errno::result(taken)? as usize;
    let beside = rights(&header);
    if header.msg_flags & libc::MSG_TRUNC != 0 {
        return Err(Errno::EMSGSIZE);
    }
    room.truncate(length);
    Ok((room, beside))
}

/// The first byte of the record that is next (recv(2), MSG_PEEK); `None`: none is there, or the other end is gone.
pub fn next_begins(end: &impl AsFd) -> Option<u8> {
    let mut first = [0];
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    match recv(end.as_fd().as_raw_fd(), &mut first, flags) {
        Ok(1..) => Some(first[0]),
        _ => None,
    }
}

/// Room for the header of one control message and its descriptors, in words of eight bytes.
const CONTROL: usize = (32 + MAX_DESCRIPTORS * size_of::<RawFd>()) / 8;

/// The descriptors in what recvmsg(2) has filled in.
#[allow(clippy::unnecessary_cast)] // musl's length has 32 bits
fn rights(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut all = Vec::new();
    // SAFETY: the header is as recvmsg(2) has left it, its control buffer is alive and aligned.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or a message that lies in the buffer as a whole.
    while let Some(one) = unsafe { message.as_ref() } {
        if (one.cmsg_level, one.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: no more than arithmetic.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (one.cmsg_len as usize).saturating_sub(before) / size_of::<RawFd>();
            // SAFETY: of the same message.
            let numbers = unsafe { libc::CMSG_DATA(message) }.cast::<RawFd>();
            for index in 0..count {
                // SAFETY: the kernel has just put these descriptors into this process's table for us alone.
                all.push(unsafe { OwnedFd::from_raw_fd(numbers.add(index).read_unaligned()) });
            }
        }
        // SAFETY: as above.
        message = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    all
}
