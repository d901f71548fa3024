//! Loading seccomp filters, and the user notification of seccomp_unotify(2).

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

use super::check;

/// One instruction of a classic BPF program, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Distance of the jump when true.
    pub jt: u8,
    /// Distance of the jump when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

impl Instruction {
    /// The instruction as one word.
    pub fn packed(self) -> u64 {
        u64::from(self.code) << 48
            | u64::from(self.jt) << 40
            | u64::from(self.jf) << 32
            | u64::from(self.k)
    }

    /// The instruction that such a word stands for.
    pub fn unpacked(word: u64) -> Instruction {
        Instruction {
            code: (word >> 48) as u16,
            jt: (word >> 40) as u8,
            jf: (word >> 32) as u8,
            k: word as u32,
        }
    }
}

/// A call that waits for the supervisor's answer.
#[derive(Debug, Clone, Copy)]
pub struct Notice {
    /// The kernel's cookie for this call.
    pub id: u64,
    /// The calling thread, in the pid namespace of the listener's reader.
    pub thread: u32,
    /// The system call's number.
    pub number: i32,
    /// The AUDIT_ARCH_* value.
    pub arch: u32,
    /// The registers.
    pub args: [u64; 6],
}

/// What the waiting call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The kernel carries the call out (SECCOMP_USER_NOTIF_FLAG_CONTINUE).
    Continue,
    /// The call returns this errno.
    Errno(i32),
    /// The call returns 0.
    Done,
    /// The call returns this number.
    Value(i64),
}

/// A notice and room for what a newer kernel may append to it.
#[repr(C)]
struct Room {
    notice: libc::seccomp_notif,
    spare: [u64; 32],
}

fn load(program: &[Instruction], flags: libc::c_ulong) -> Result<libc::c_long, Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        filter: program.as_ptr() as *mut libc::sock_filter,
    };
    // SAFETY: Instruction has sock_filter's layout (repr(C), same fields); the slice outlives the call, and the
    // kernel only reads it.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &program,
        )
    })
}

/// Loads a filter for this thread and its children (seccomp(2)). Needs no_new_privs or CAP_SYS_ADMIN.
pub fn load_filter(program: &[Instruction]) -> Result<(), Errno> {
    load(program, 0).map(drop)
}

/// Loads a filter and returns its listener's descriptor number (Linux 5.0; WAIT_KILLABLE_RECV, Linux 5.19:
/// once the supervisor has received a notice only a fatal signal interrupts the call). EBUSY: another filter
/// of this process already has a listener.
pub fn load_filter_with_listener(program: &[Instruction]) -> Result<i32, Errno> {
    let flags =
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    load(program, flags).map(|fd| fd as i32)
}

/// SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, for which libc has no name.
const SYNC_WAKE_UP: libc::c_ulong = 1;

/// Lets caller and supervisor hand the processor to each other (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6):
/// neither has anything to do while the other works. EINVAL: an older kernel, which wakes them as any others.
pub fn wake_in_turn(listener: &impl AsFd) -> Result<(), Errno> {
    // SAFETY: the flags are passed by value.
    check(unsafe {
        libc::ioctl(
            listener.as_fd().as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _,
            SYNC_WAKE_UP,
        )
    })
    .map(drop)
}

/// Takes the next waiting call. ENOENT: the caller was killed meanwhile.
pub fn receive(listener: &impl AsFd) -> Result<Notice, Errno> {
    // SAFETY: seccomp_notif and the spare room are plain data; the kernel wants them zeroed.
    let mut room: Room = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the size of seccomp_notif that GET_NOTIF_SIZES reports, checked to fit at start.
    check(unsafe {
        libc::ioctl(
            listener.as_fd().as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV as _,
            &mut room,
        )
    })?;
    let notice = room.notice;
    Ok(Notice {
        id: notice.id,
        thread: notice.pid,
        number: notice.data.nr,
        arch: notice.data.arch,
        args: notice.data.args,
    })
}

/// Answers a waiting call with a descriptor: the caller gets a copy of `given` under a new number, which its call returns
/// (SECCOMP_IOCTL_NOTIF_ADDFD with SECCOMP_ADDFD_FLAG_SEND, Linux 5.14). Without it the call goes on waiting: EMFILE: the
/// caller may have no more. ENOENT: it is gone.
pub fn answer_with(
    listener: &impl AsFd,
    id: u64,
    given: &impl AsFd,
    close_on_exec: bool,
) -> Result<(), Errno> {
    add(
        listener,
        id,
        given,
        (libc::SECCOMP_ADDFD_FLAG_SEND as u32, 0),
        close_on_exec,
    )
}

/// Puts a copy of `given` in the place of a descriptor of a waiting caller (SECCOMP_ADDFD_FLAG_SETFD, Linux 5.9), which
/// goes on waiting.
pub fn replace(
    listener: &impl AsFd,
    id: u64,
    given: &impl AsFd,
    number: u32,
    close_on_exec: bool,
) -> Result<(), Errno> {
    add(
        listener,
        id,
        given,
        (libc::SECCOMP_ADDFD_FLAG_SETFD as u32, number),
        close_on_exec,
    )
}

fn add(
    listener: &impl AsFd,
    id: u64,
    given: &impl AsFd,
    (flags, number): (u32, u32),
    close_on_exec: bool,
) -> Result<(), Errno> {
    let request = libc::seccomp_notif_addfd {
        id,
        flags,
        srcfd: given.as_fd().as_raw_fd().cast_unsigned(),
        newfd: number,
        newfd_flags: if close_on_exec {
            libc::O_CLOEXEC as u32
        } else {
            0
        },
    };
    // SAFETY: the request lives across the call.
    check(unsafe {
        libc::ioctl(
            listener.as_fd().as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ADDFD as _,
            &raw const request,
        )
    })
    .map(drop)
}

/// Answers a waiting call. ENOENT: the caller is gone.
pub fn answer(listener: &impl AsFd, id: u64, reply: Reply) -> Result<(), Errno> {
    let (val, error, flags) = match reply {
        Reply::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        Reply::Errno(number) => (0, -number, 0),
        Reply::Done => (0, 0, 0),
        Reply::Value(value) => (value, 0, 0),
    };
    let mut response = libc::seccomp_notif_resp {
        id,
        val,
        error,
        flags,
    };
    // SAFETY: response lives across the call.
    check(unsafe {
        libc::ioctl(
            listener.as_fd().as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND as _,
            &mut response,
        )
    })?;
    Ok(())
}

/// Whether the call still waits, so that what was read of its process was read of the right one.
pub fn still_waits(listener: &impl AsFd, id: u64) -> bool {
    let mut id = id;
    // SAFETY: id lives across the call.
    let answer = unsafe {
        libc::ioctl(
            listener.as_fd().as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _,
            &mut id,
        )
    };
    answer == 0
}

/// Whether this kernel has user notification with structures of sizes that fit (SECCOMP_GET_NOTIF_SIZES,
/// Linux 5.0).
pub fn available() -> Result<(), Errno> {
    let mut sizes = libc::seccomp_notif_sizes {
        seccomp_notif: 0,
        seccomp_notif_resp: 0,
        seccomp_data: 0,
    };
    // SAFETY: sizes lives across the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_NOTIF_SIZES,
            0,
            &mut sizes,
        )
    })?;
    let notice = usize::from(sizes.seccomp_notif);
    let known = (size_of::<libc::seccomp_notif>()..=size_of::<Room>()).contains(&notice)
        && usize::from(sizes.seccomp_notif_resp) == size_of::<libc::seccomp_notif_resp>();
    if known { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Whether a listener and WAIT_KILLABLE_RECV can be had: the kernel looks at the flags before it reads the
/// program, so EFAULT for a NULL program means yes, EINVAL no.
pub fn flags_known() -> Result<(), Errno> {
    let flags =
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: a NULL program is answered by EFAULT before anything is loaded.
    let answer = check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            std::ptr::null::<libc::sock_fprog>(),
        )
    });
    match answer {
        Err(Errno::EFAULT) => Ok(()),
        Err(errno) => Err(errno),
        Ok(_) => Err(Errno::EINVAL),
    }
}
