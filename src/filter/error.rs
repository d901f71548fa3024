//! Why a policy is no program.
#![forbid(unsafe_code)]

use super::insn::Action;
use super::policy::Call;
use crate::syscalls::name_of;

/// A policy that cannot be compiled. All but the last two are mistakes in its rules.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A rule that has no meaning, or one that no filter can hold.
    Rule {
        /// The call's name.
        syscall: &'static str,
        /// Where the rule stands.
        origin: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An errno outside 1 to 4095.
    Errno {
        /// The number.
        errno: i32,
    },
    /// More instructions than the kernel takes.
    TooLong {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// seccompiler refused, or its output is not what this module was written for.
    Seccompiler {
        /// The call that it was about.
        number: u32,
        /// What happened.
        why: String,
    },
    /// The finished program does not do what the policy says: a defect of this module.
    SelfCheck {
        /// The call that shows it.
        call: Call,
        /// The policy's verdict.
        expected: Action,
        /// The program's; `None` where it is malformed.
        found: Option<Action>,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rule {
                syscall,
                origin,
                why,
            } => write!(f, "rule for `{syscall}` ({origin}): {why}"),
            Self::Errno { errno } => write!(f, "{errno} is no errno that a filter can answer"),
            Self::TooLong { found, limit } => {
                write!(
                    f,
                    "the filter has {found} instructions, the kernel takes {limit}"
                )
            }
            Self::Seccompiler { number, why } => {
                write!(
                    f,
                    "the conditions of `{}`: {why}",
                    name_of(*number).unwrap_or("?")
                )
            }
            Self::SelfCheck {
                call,
                expected,
                found,
            } => {
                let name = name_of(call.nr).unwrap_or("?");
                write!(
                    f,
                    "self-check: {name} {:x?}: {found:?} instead of {expected:?}",
                    call.args
                )
            }
        }
    }
}

impl std::error::Error for Error {}
