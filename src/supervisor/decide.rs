//! The supervisor's decisions: pure, on register values and its own state.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::syscalls::Rule;

/// What a waiting call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The workload's own first execve.
    FirstExec,
    /// The start of another program: refused.
    RefuseExec,
    /// A child process: it may be made, so that what it wants to execute is refused by name.
    WatchChild,
    /// A socket call of the bare jail that its profile allows: the supervisor carries it out, or looks at it first.
    Mediate,
    /// A connect in the jail's own network: it goes on, and where it goes is recorded.
    RecordConnect,
    /// Any other call: refused.
    RefuseCall,
}

/// What was decided before.
#[derive(Debug)]
pub struct State {
    /// Whether the next execve is the workload's own.
    awaiting_first_exec: bool,
    /// Whether the jail has a network of its own, which holds connects whatever they say.
    own_network: bool,
    /// The bare jail's socket calls, as the profile allows them.
    sockets: Vec<Rule>,
    children: Bucket,
}

/// Child processes that may be made at once, and how fast more become possible: enough to name what an
/// attacker wants to start, far too few for a fork bomb.
const CHILDREN: u32 = 16;
const REFILL: Duration = Duration::from_secs(1);

impl State {
    /// A launch whose first execve is mediated, or is not, in a network of its own, or not.
    pub fn new(mediated_exec: bool, own_network: bool, sockets: Vec<Rule>, now: Instant) -> State {
        State {
            awaiting_first_exec: mediated_exec,
            own_network,
            sockets,
            children: Bucket {
                left: CHILDREN,
                filled: now,
            },
        }
    }

    /// Decides on one call by its name and its arguments in registers.
    pub fn decide(&mut self, syscall: &str, args: &[u64; 6], now: Instant) -> Verdict {
        let allowed = |rule: &Rule| rule.syscall == syscall && rule.holds(args, 0);
        match syscall {
            "execve" if self.awaiting_first_exec => {
                self.awaiting_first_exec = false;
                Verdict::FirstExec
            }
            "execve" | "execveat" => Verdict::RefuseExec,
            "connect" if self.own_network => Verdict::RecordConnect,
            _ if self.sockets.iter().any(allowed) => Verdict::Mediate,
            "clone" if is_fork(args[0]) && self.children.take(now) => Verdict::WatchChild,
            "fork" | "vfork" if self.children.take(now) => Verdict::WatchChild,
            _ => Verdict::RefuseCall,
        }
    }
}

const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Whether clone(2) flags make a plain process as fork(2), vfork(2) and posix_spawn(3) do.
fn is_fork(flags: u64) -> bool {
    let plain = (libc::CLONE_VM
        | libc::CLONE_VFORK
        | libc::CLONE_CHILD_SETTID
        | libc::CLONE_CHILD_CLEARTID) as u64;
    flags & NAMESPACES == 0 && flags & !(plain | 0xff) == 0
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.filled).as_secs() / REFILL.as_secs();
        if earned > 0 {
            self.left = self
                .left
                .saturating_add(u32::try_from(earned).unwrap_or(CHILDREN))
                .min(CHILDREN);
            self.filled = now;
        }
        let any = self.left > 0;
        self.left -= u32::from(any);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::{CHILDREN, State, Verdict};
    use std::time::{Duration, Instant};

    const FORK: u64 =
        (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID | libc::SIGCHLD) as u64;

    fn args(first: u64) -> [u64; 6] {
        [first, 0, 0, 0, 0, 0]
    }

    #[test]
    fn one_execve_passes_and_no_other() {
        let now = Instant::now();
        let mut state = State::new(true, false, Vec::new(), now);
        assert_eq!(state.decide("execveat", &args(0), now), Verdict::RefuseExec);
        assert_eq!(state.decide("execve", &args(0), now), Verdict::FirstExec);
        assert_eq!(state.decide("execve", &args(0), now), Verdict::RefuseExec);
    }

    #[test]
    fn a_connect_goes_on_in_a_network_of_its_own_alone() {
        let now = Instant::now();
        let decide = |own| State::new(true, own, Vec::new(), now).decide("connect", &args(3), now);
        assert_eq!(decide(true), Verdict::RecordConnect);
        assert_eq!(decide(false), Verdict::RefuseCall);
    }

    #[test]
    fn a_few_children_are_watched_and_a_bomb_is_refused() {
        let now = Instant::now();
        let mut state = State::new(true, false, Vec::new(), now);
        let passed = (0..1000)
            .filter(|_| state.decide("clone", &args(FORK), now) == Verdict::WatchChild)
            .count();
        assert_eq!(passed, CHILDREN as usize);
        let later = now + Duration::from_secs(2);
        assert_eq!(
            state.decide("clone", &args(FORK), later),
            Verdict::WatchChild
        );
        assert_eq!(state.decide("vfork", &args(0), later), Verdict::WatchChild);
        assert_eq!(state.decide("vfork", &args(0), later), Verdict::RefuseCall);
    }

    #[test]
    fn namespaces_and_odd_flags_are_no_plain_fork() {
        let now = Instant::now();
        let mut state = State::new(true, false, Vec::new(), now);
        for flag in [
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWNET,
            libc::CLONE_PARENT,
            libc::CLONE_PTRACE,
            libc::CLONE_FILES,
        ] {
            assert_eq!(
                state.decide("clone", &args(FORK | flag as u64), now),
                Verdict::RefuseCall,
                "{flag:#x}"
            );
        }
        assert_eq!(
            state.decide("clone", &args(FORK | 1 << 40), now),
            Verdict::RefuseCall
        );
        assert_eq!(state.decide("ptrace", &args(0), now), Verdict::RefuseCall);
    }
}
