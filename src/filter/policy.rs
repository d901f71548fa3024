//! What a filter is to say to each call, before it is a program.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::insn::Action;
use crate::syscalls::Rule;

/// The architecture that this binary is built for, as seccomp names it.
pub const AUDIT_ARCH: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else {
    0xc000_00b7
};

/// x86_64: numbers from here on are x32's, under the same architecture value.
pub(super) const X32: u32 = 0x4000_0000;

/// The verdicts of a filter.
///
/// An answer wins over an allow; of several answers the first that holds wins. Calls of another
/// architecture (i386 by `int 0x80`) and of x32 are killed, whatever stands here.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Policy {
    /// Calls that go through.
    pub allow: Vec<Rule>,
    /// Calls that are answered with an errno, 1 to 4095, and seen by nobody.
    pub answer: Vec<(Rule, i32)>,
    /// What every other call gets.
    pub otherwise: Otherwise,
}

/// What a call gets that no rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// The supervisor is notified and answers.
    Notify,
    /// This errno, 1 to 4095, unseen.
    Errno(i32),
    /// SIGSYS to the process.
    Kill,
}

impl From<Otherwise> for Action {
    fn from(otherwise: Otherwise) -> Self {
        match otherwise {
            Otherwise::Notify => Self::Notify,
            Otherwise::Errno(errno) => Self::Errno(errno),
            Otherwise::Kill => Self::Kill,
        }
    }
}

/// What a filter sees of a call: `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Architecture, as in [`AUDIT_ARCH`].
    pub arch: u32,
    /// Number.
    pub nr: u32,
    /// Instruction pointer.
    pub ip: u64,
    /// The six argument registers.
    pub args: [u64; 6],
}

impl Call {
    /// A call of this architecture.
    pub fn new(nr: u32, args: [u64; 6]) -> Self {
        Self {
            arch: AUDIT_ARCH,
            nr,
            ip: 0,
            args,
        }
    }
}

impl Policy {
    /// The verdict on one call, read straight from the rules; programs are checked against it.
    pub fn decide(&self, call: &Call, own_pid: u32) -> Action {
        self.about(call.nr).decide(call, own_pid)
    }

    /// The rules about every number that has some.
    pub(super) fn by_number(&self) -> BTreeMap<u32, About<'_>> {
        let mut all = BTreeMap::new();
        for answer in &self.answer {
            let about: &mut About = all
                .entry(answer.0.number)
                .or_insert_with(|| self.about_none());
            about.answer.push(answer);
        }
        for rule in &self.allow {
            let about = all.entry(rule.number).or_insert_with(|| self.about_none());
            about.allow.push(rule);
        }
        all
    }

    /// What stands about a number without rules.
    pub(super) fn about_none(&self) -> About<'_> {
        About {
            allow: Vec::new(),
            answer: Vec::new(),
            otherwise: self.otherwise,
        }
    }

    /// The rules about one number.
    fn about(&self, number: u32) -> About<'_> {
        About {
            allow: self
                .allow
                .iter()
                .filter(|rule| rule.number == number)
                .collect(),
            answer: self
                .answer
                .iter()
                .filter(|(rule, _)| rule.number == number)
                .collect(),
            otherwise: self.otherwise,
        }
    }
}

/// What a policy says about one number.
pub(super) struct About<'a> {
    /// In the policy's order.
    pub allow: Vec<&'a Rule>,
    /// In the policy's order.
    pub answer: Vec<&'a (Rule, i32)>,
    /// The policy's.
    pub otherwise: Otherwise,
}

impl About<'_> {
    /// The verdict on a call of this number.
    pub(super) fn decide(&self, call: &Call, own_pid: u32) -> Action {
        if call.arch != AUDIT_ARCH || (cfg!(target_arch = "x86_64") && call.nr >= X32) {
            return Action::Kill;
        }
        let holds = |rule: &Rule| rule.holds(&call.args, own_pid);
        if let Some((_, errno)) = self.answer.iter().find(|(rule, _)| holds(rule)) {
            return Action::Errno(*errno);
        }
        let allowed = self.allow.iter().any(|rule| holds(rule));
        if allowed {
            Action::Allow
        } else {
            self.otherwise.into()
        }
    }
}
