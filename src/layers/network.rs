//! The jail's own network: a loopback on which every address is local.
#![forbid(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send,
    socket,
};

use crate::sys::errno_of;

/// Leaves the caller's network namespace for a new one (unshare(2) CLONE_NEWNET), for good. What this process forks
/// from now on is in it, too. ENOSPC: user.max_net_namespaces is used up.
pub fn leave() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNET)
}

/// Brings the loopback up and makes every address of both families local to it: a connect(2) to an address on which
/// nobody listens is refused at once, and no packet has anywhere to go.
///
/// Ports below 1024 become ordinary ones in this namespace (`ip_unprivileged_port_start`, Linux 4.11), so that the
/// gateway can stand in for hosts on 443 and 80 without a capability.
pub fn prepare() -> Result<(), Errno> {
    let netlink = Netlink::open()?;
    netlink.ask(&link_up())?;
    netlink.ask(&own_address())?;
    netlink.ask(&everything_is_local(libc::AF_INET as u8))?;
    match netlink.ask(&everything_is_local(libc::AF_INET6 as u8)) {
        // A kernel without IPv6, or with it switched off, has no other way out either.
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EACCES | Errno::EINVAL) => {}
        Err(errno) => return Err(errno),
    }
    std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
        .map_err(|error| errno_of(&error))
}

/// rtnetlink(7), one request at a time.
struct Netlink(OwnedFd);

/// The first interface of every network namespace.
const LOOPBACK: u32 = 1;
const REQUEST: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_REPLACE) as u16;

impl Netlink {
    fn open() -> Result<Netlink, Errno> {
        let made = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        connect(made.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Netlink(made))
    }

    /// Sends a request and returns the kernel's answer to it.
    fn ask(&self, request: &[u8]) -> Result<(), Errno> {
        send(self.0.as_raw_fd(), request, MsgFlags::empty())?;
        let mut answer = [0u8; 4096];
        let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        // struct nlmsghdr, 16 bytes, and the negative errno of struct nlmsgerr.
        let code = answer.get(16..20).filter(|_| length >= 20);
        let code = code.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        match code.map(i32::from_ne_bytes) {
            Some(0) => Ok(()),
            Some(negative) => Err(Errno::from_raw(negative.wrapping_neg())),
            None => Err(Errno::EBADMSG),
        }
    }
}

/// `struct nlmsghdr` before a body.
fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = 16 + body.len() as u32;
    let mut whole = Vec::with_capacity(length as usize);
    whole.extend(length.to_ne_bytes());
    whole.extend(kind.to_ne_bytes());
    whole.extend(flags.to_ne_bytes());
    whole.extend([0; 8]);
    whole.extend(body);
    whole
}

/// `struct ifinfomsg`: IFF_UP for the loopback.
fn link_up() -> Vec<u8> {
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    let index = LOOPBACK.to_ne_bytes();
    let body = [[0; 4], index, up, up].concat();
    message(libc::RTM_NEWLINK, REQUEST, &body)
}

/// The jail's own address beside the loopback's: a resolver that is to return only families in use (AI_ADDRCONFIG,
/// getaddrinfo(3)) does not count the loopback's. No name gets it: it is the last but one of 198.18.0.0/15.
const OWN: [u8; 4] = [198, 19, 255, 254];

/// `struct ifaddrmsg` and its attributes: `ip address add 198.19.255.254/32 dev lo`.
fn own_address() -> Vec<u8> {
    let mut body = vec![libc::AF_INET as u8, 32, 0, libc::RT_SCOPE_HOST];
    body.extend(LOOPBACK.to_ne_bytes());
    for attribute in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
        body.extend(8u16.to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(OWN);
    }
    message(libc::RTM_NEWADDR, REQUEST | CREATE, &body)
}

/// `struct rtmsg` and its attributes: `ip route add local default dev lo`.
fn everything_is_local(family: u8) -> Vec<u8> {
    let mut body = vec![
        family,
        0, // any destination
        0,
        0,
        libc::RT_TABLE_LOCAL,
        libc::RTPROT_BOOT,
        libc::RT_SCOPE_HOST,
        libc::RTN_LOCAL,
    ];
    body.extend([0; 4]);
    body.extend(8u16.to_ne_bytes());
    body.extend(libc::RTA_OIF.to_ne_bytes());
    body.extend(LOOPBACK.to_ne_bytes());
    message(libc::RTM_NEWROUTE, REQUEST | CREATE, &body)
}
