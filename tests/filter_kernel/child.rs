//! A forked child that loads a filter and makes calls; it reports through shared memory, since it can
//! count on no call afterwards, not even on exit.

use flowjail::filter::{Call, Insn};

/// What the child is to do.
pub struct Prepared<'a> {
    /// The filter; none: the twin that shows what happens without.
    pub insns: &'a [Insn],
    /// The calls, in order.
    pub calls: &'a [Call],
    /// The errno of a filter below that answers every call.
    pub below: Option<i32>,
}

/// Room for this many instructions, and as many calls.
const ROOM: usize = 1 << 15;

#[repr(C)]
struct Shared {
    insn_count: usize,
    call_count: usize,
    below: i32,
    done: usize,
    insns: [libc::sock_filter; ROOM],
    calls: [[i64; 7]; ROOM],
    errnos: [i32; ROOM],
}

/// A child that waits to be told what to do.
pub struct Waiting {
    pid: libc::pid_t,
    go: libc::c_int,
    shared: *mut Shared,
}

/// Forks a child that does nothing yet; its pid is needed to fill the filter's slots.
pub fn fork() -> Waiting {
    let mut pipe = [0; 2];
    // SAFETY: a fresh shared mapping of the right size, zeroed by the kernel: all of Shared's fields
    // are integers. The pipe's array outlives the call.
    let shared = unsafe {
        assert_eq!(libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC), 0);
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(
            std::ptr::null_mut(),
            size_of::<Shared>(),
            protection,
            flags,
            -1,
            0,
        )
    };
    assert_ne!(shared, libc::MAP_FAILED);
    let shared = shared.cast::<Shared>();
    // SAFETY: the child makes plain system calls only and allocates nothing.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: as above; `shared` is mapped in the child, too.
        unsafe {
            libc::read(pipe[0], (&raw mut pipe).cast(), 1);
            perform(shared)
        }
    }
    assert!(pid > 0);
    // SAFETY: our own descriptor, used by nobody here.
    unsafe { libc::close(pipe[0]) };
    Waiting {
        pid,
        go: pipe[1],
        shared,
    }
}

impl Waiting {
    /// The child's process id, as it sees it.
    pub fn pid(&self) -> u32 {
        self.pid as u32
    }

    /// The errno of each call, 0 where it succeeded.
    pub fn run(self, prepared: &Prepared<'_>) -> Vec<i32> {
        let (status, errnos) = self.finish(prepared);
        assert_eq!(
            errnos.len(),
            prepared.calls.len(),
            "the child died early: {status:x}"
        );
        // ud2, its only way to end.
        assert_eq!(status, libc::SIGILL);
        errnos
    }

    /// The signal that ended the child, and the errnos of the calls that it came to make.
    pub fn finish(self, prepared: &Prepared<'_>) -> (libc::c_int, Vec<i32>) {
        assert!(prepared.insns.len() <= ROOM && prepared.calls.len() <= ROOM);
        let mut status = 0;
        // SAFETY: the child reads `shared` only after the byte is written, and is dead when we read
        // it again; lengths were checked.
        unsafe {
            let shared = &mut *self.shared;
            for (to, from) in shared.insns.iter_mut().zip(prepared.insns) {
                *to = libc::sock_filter {
                    code: from.code,
                    jt: from.jt,
                    jf: from.jf,
                    k: from.k,
                };
            }
            for (to, from) in shared.calls.iter_mut().zip(prepared.calls) {
                *to = [
                    from.nr as u64,
                    from.args[0],
                    from.args[1],
                    from.args[2],
                    from.args[3],
                    from.args[4],
                    from.args[5],
                ]
                .map(|word| word as i64);
            }
            shared.insn_count = prepared.insns.len();
            shared.call_count = prepared.calls.len();
            shared.below = prepared.below.unwrap_or(0);
            assert_eq!(libc::write(self.go, [1u8].as_ptr().cast(), 1), 1);
            libc::close(self.go);
            assert_eq!(libc::waitpid(self.pid, &mut status, 0), self.pid);
            let errnos = (&(*self.shared).errnos)[..(*self.shared).done].to_vec();
            libc::munmap(self.shared.cast(), size_of::<Shared>());
            (libc::WTERMSIG(status), errnos)
        }
    }
}

/// The child's part.
///
/// SAFETY: `shared` is mapped and filled.
unsafe fn perform(shared: *mut Shared) -> ! {
    // SAFETY: plain system calls on memory that outlives the process; stores into our own mapping.
    unsafe {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        let mut own = program(&raw mut (*shared).insns, (*shared).insn_count);
        let mut loaded = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
        if (*shared).below != 0 {
            let mut stop = answer_all(&own, (*shared).below);
            let mut below = program(&raw mut stop, stop.len());
            loaded &= load(&mut below) == 0;
        }
        if (*shared).insn_count > 0 {
            loaded &= load(&mut own) == 0;
        }
        for at in 0..if loaded { (*shared).call_count } else { 0 } {
            let [nr, a, b, c, d, e, f] = (*shared).calls[at];
            let result = libc::syscall(nr, a, b, c, d, e, f);
            (*shared).errnos[at] = if result == -1 {
                *libc::__errno_location()
            } else {
                0
            };
            (*shared).done = at + 1;
        }
        end()
    }
}

fn program<const N: usize>(insns: *mut [libc::sock_filter; N], len: usize) -> libc::sock_fprog {
    libc::sock_fprog {
        len: len as u16,
        filter: insns.cast(),
    }
}

/// SAFETY: the program's instructions are readable.
unsafe fn load(program: &mut libc::sock_fprog) -> libc::c_long {
    // SAFETY: the kernel copies the program during the call.
    unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw mut *program,
        )
    }
}

/// Answers `errno` to every call but the one that loads `next`. Written by hand: it is no part of what
/// is tested.
fn answer_all(next: &libc::sock_fprog, errno: i32) -> [libc::sock_filter; 6] {
    let insn = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let next = (&raw const *next) as usize as u32;
    [
        insn(0x20, 0, 0, 0),
        insn(0x15, 0, 2, libc::SYS_seccomp as u32),
        insn(0x20, 0, 0, 32),
        insn(0x15, 1, 0, next),
        insn(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        insn(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Ends the process by SIGILL, which needs no system call.
fn end() -> ! {
    // SAFETY: does not return.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("ud2", options(noreturn));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("udf #0", options(noreturn));
    }
}

/// Forks, loads `insns` if there are any, runs `act`, and tells how that ended: the signal, or
/// otherwise the value.
pub fn ended(insns: &[Insn], act: unsafe fn() -> i64) -> Result<i64, libc::c_int> {
    let mut filter: Vec<libc::sock_filter> = insns
        .iter()
        .map(|i| libc::sock_filter {
            code: i.code,
            jt: i.jt,
            jf: i.jf,
            k: i.k,
        })
        .collect();
    let mut own = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let mut status = 0;
    // SAFETY: the child makes plain system calls only; what it reads was made before the fork.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::setrlimit(
                libc::RLIMIT_CORE,
                &libc::rlimit {
                    rlim_cur: 0,
                    rlim_max: 0,
                },
            );
            let mut loaded = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
            loaded &= own.len == 0 || load(&mut own) == 0;
            let value = if loaded { act() } else { 255 };
            libc::_exit(value.clamp(0, 255) as i32);
        }
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
    }
    match libc::WIFSIGNALED(status) {
        true => Err(libc::WTERMSIG(status)),
        false => Ok(libc::WEXITSTATUS(status).into()),
    }
}
