//! Memory shared by the supervisor, init and the workload until it executes its program: how far
//! each has come, why it stopped, the workload's filter, and the number of the listener descriptor.
//!
//! Only flowjail's own code writes it: the workload's mapping ends with execve, before hostile code runs, and the
//! gateway's can only be read once it serves.

use std::num::NonZeroUsize;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};

use super::notify::Instruction;

/// The longest program that the kernel takes (BPF_MAXINSNS).
const LONGEST: usize = 4096;

/// The words of the page.
#[repr(C)]
pub struct Words {
    /// Rises with every change; what waiters sleep on.
    pub bell: AtomicU32,
    /// 1 once the id maps are written.
    pub mapped: AtomicU32,
    /// The step that init or the workload is at, from 1; 0 before the first.
    pub step: AtomicU32,
    /// The first step that failed in the upper half, its errno in the lower; 0 while none has.
    pub failure: AtomicU32,
    /// The listener's descriptor number; -1 until there is one.
    pub listener: AtomicI32,
    /// 1 once the workload is about to execute its program.
    pub executing: AtomicU32,
    /// 1 once init is confined; the workload waits for it.
    pub init_confined: AtomicU32,
    /// 1 once the gateway is confined, and serves.
    pub gateway_ready: AtomicU32,
    /// 1 once the supervisor is confined.
    pub supervisor_confined: AtomicU32,
    /// The workload's wait status as waitpid(2) gives it, left by init; -1 until the workload ended.
    pub status: AtomicI32,
    /// How long the workload's filter is; 0 until the supervisor has made it.
    pub filter_length: AtomicU32,
    /// The filter, an instruction a word; memory is spent on as many pages as it fills.
    filter: [AtomicU64; LONGEST],
}

/// The mapping. It is never unmapped: it lives as long as the processes that share it.
pub struct LaunchPage(NonNull<Words>);

impl LaunchPage {
    /// Maps a zeroed shared page (mmap(2), MAP_SHARED | MAP_ANONYMOUS).
    pub fn new() -> Result<LaunchPage, Errno> {
        let size = NonZeroUsize::new(size_of::<Words>()).ok_or(Errno::EINVAL)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a fresh anonymous mapping chosen by the kernel aliases nothing; it is page-aligned, zeroed,
        // large enough for Words, and never unmapped.
        let page = unsafe { mmap_anonymous(None, size, protection, MapFlags::MAP_SHARED)? };
        let page = LaunchPage(page.cast());
        page.listener.store(-1, Ordering::SeqCst);
        page.status.store(-1, Ordering::SeqCst);
        Ok(page)
    }

    /// From now on this process reads the page and no more (mprotect(2)): a store would end it.
    pub fn seal(&self) -> Result<(), Errno> {
        // SAFETY: the whole mapping, which stays mapped. Taking the right to write away invalidates no reference: the
        // page is made of atomics, and a store that the kernel refuses ends the process.
        unsafe { mprotect(self.0.cast(), size_of::<Words>(), ProtFlags::PROT_READ) }
    }

    /// Notes a step's failure and wakes everyone who waits; the first failure stays.
    pub fn fail(&self, step: usize, errno: Errno) {
        let word = (step as u32) << 16 | errno as u32 & 0xffff;
        self.announce(|page| {
            // Lost only to another failure.
            let _ = page
                .failure
                .compare_exchange(0, word, Ordering::SeqCst, Ordering::SeqCst);
        });
    }

    /// The first failure: its step, and its errno.
    pub fn failed(&self) -> Option<(usize, Errno)> {
        match self.failure.load(Ordering::SeqCst) {
            0 => None,
            word => Some((
                (word >> 16) as usize,
                Errno::from_raw((word & 0xffff) as i32),
            )),
        }
    }

    /// Leaves the workload's filter for it. E2BIG: the kernel would not take so long a one.
    pub fn leave_filter(&self, program: &[Instruction]) -> Result<(), Errno> {
        let room = self.filter.get(..program.len()).ok_or(Errno::E2BIG)?;
        for (word, instruction) in room.iter().zip(program) {
            word.store(instruction.packed(), Ordering::SeqCst);
        }
        let length = program.len() as u32;
        self.announce(|page| page.filter_length.store(length, Ordering::SeqCst));
        Ok(())
    }

    /// The filter that was left; empty while none was.
    pub fn filter(&self) -> Vec<Instruction> {
        let length = self.filter_length.load(Ordering::SeqCst) as usize;
        self.filter
            .iter()
            .take(length)
            .map(|word| Instruction::unpacked(word.load(Ordering::SeqCst)))
            .collect()
    }

    /// Stores a word and wakes everyone who waits.
    pub fn announce(&self, change: impl FnOnce(&Words)) {
        change(self);
        self.bell.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the futex word is a valid aligned u32 of the shared mapping; FUTEX_WAKE reads nothing else.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.bell.as_ptr(),
                libc::FUTEX_WAKE,
                i32::MAX,
                0,
                0,
                0,
            )
        };
    }

    /// Sleeps until `done` holds or `patience` is over; says which. A waiter looks again at least every 10 ms.
    pub fn wait(&self, patience: Duration, done: impl Fn(&Words) -> bool) -> bool {
        let started = std::time::Instant::now();
        loop {
            let seen = self.bell.load(Ordering::SeqCst);
            if done(self) {
                return true;
            }
            if started.elapsed() >= patience {
                return false;
            }
            let nap = libc::timespec {
                tv_sec: 0,
                tv_nsec: 10_000_000,
            };
            // SAFETY: the word and the timespec live across the call; FUTEX_WAIT compares and sleeps only.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.bell.as_ptr(),
                    libc::FUTEX_WAIT,
                    seen,
                    &nap,
                    0,
                    0,
                )
            };
        }
    }
}

impl Deref for LaunchPage {
    type Target = Words;
    fn deref(&self) -> &Words {
        // SAFETY: the mapping is never unmapped and holds only atomics, which any process may change.
        unsafe { self.0.as_ref() }
    }
}
