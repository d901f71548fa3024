//! One instruction of classic BPF, and what its return values mean to seccomp.
#![forbid(unsafe_code)]

/// `A = *(u32 *)(seccomp_data + k)`.
pub(super) const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
/// `A &= k`.
pub(super) const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
/// Jump by `k`.
pub(super) const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
/// `A == k`.
pub(super) const JEQ: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
/// `A > k`.
pub(super) const JGT: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
/// `A >= k`.
pub(super) const JGE: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
/// `A & k != 0`.
pub(super) const JSET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
/// Return `k`.
pub(super) const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offset of `nr` in `struct seccomp_data`.
pub(super) const NR: u32 = 0;
/// Offset of `arch`.
pub(super) const ARCH: u32 = 4;
/// Offset of `args`; the low half of each comes first on both architectures.
pub(super) const ARGS: u32 = 16;

/// An instruction; the fields of the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// How many instructions to skip where the test holds.
    pub jt: u8,
    /// How many where it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

impl Insn {
    pub(super) fn new(code: u16, k: u32) -> Self {
        Self {
            code,
            jt: 0,
            jf: 0,
            k,
        }
    }
}

/// How many instructions may be skipped after one with these fields, on each way on; none after a return.
pub(super) fn skips(code: u16, jt: u8, jf: u8, k: u32) -> impl Iterator<Item = usize> {
    let ways = match code {
        RETURN => [None, None],
        JUMP => [Some(k), None],
        LOAD | AND => [Some(0), None],
        _ => [Some(jt.into()), Some(jf.into())],
    };
    ways.into_iter().flatten().map(|skip| skip as usize)
}

/// What a filter says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `SECCOMP_RET_KILL_PROCESS`: SIGSYS to the whole process.
    Kill,
    /// `SECCOMP_RET_KILL_THREAD`.
    KillThread,
    /// `SECCOMP_RET_TRAP` with its data.
    Trap(u16),
    /// `SECCOMP_RET_ERRNO`.
    Errno(i32),
    /// `SECCOMP_RET_USER_NOTIF`: the supervisor answers.
    Notify,
    /// `SECCOMP_RET_TRACE` with its data.
    Trace(u16),
    /// `SECCOMP_RET_LOG`.
    Log,
    /// `SECCOMP_RET_ALLOW`.
    Allow,
}

impl Action {
    /// The return value that says this.
    pub(super) fn encode(self) -> u32 {
        match self {
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
            Self::KillThread => libc::SECCOMP_RET_KILL_THREAD,
            Self::Trap(data) => libc::SECCOMP_RET_TRAP | u32::from(data),
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA),
            Self::Notify => libc::SECCOMP_RET_USER_NOTIF,
            Self::Trace(data) => libc::SECCOMP_RET_TRACE | u32::from(data),
            Self::Log => libc::SECCOMP_RET_LOG,
            Self::Allow => libc::SECCOMP_RET_ALLOW,
        }
    }

    /// What the kernel makes of a return value; one that it does not know kills.
    pub(super) fn decode(value: u32) -> Self {
        let data = (value & libc::SECCOMP_RET_DATA) as u16;
        match value & libc::SECCOMP_RET_ACTION_FULL {
            libc::SECCOMP_RET_KILL_THREAD => Self::KillThread,
            libc::SECCOMP_RET_TRAP => Self::Trap(data),
            libc::SECCOMP_RET_ERRNO => Self::Errno(i32::from(data)),
            libc::SECCOMP_RET_USER_NOTIF => Self::Notify,
            libc::SECCOMP_RET_TRACE => Self::Trace(data),
            libc::SECCOMP_RET_LOG => Self::Log,
            libc::SECCOMP_RET_ALLOW => Self::Allow,
            _ => Self::Kill,
        }
    }
}
