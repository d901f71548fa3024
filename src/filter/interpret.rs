//! Runs a program on a made-up call, as the kernel would.
#![forbid(unsafe_code)]

use super::insn::{AND, ARCH, ARGS, Action, Insn, JEQ, JGE, JGT, JSET, JUMP, LOAD, NR, RETURN};
use super::policy::Call;

/// A program that the kernel would not load, or that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Index of the instruction.
    pub at: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "instruction {}: {}", self.at, self.why)
    }
}

impl std::error::Error for Malformed {}

/// The verdict of `program` on `call`.
pub fn interpret(program: &[Insn], call: &Call) -> Result<Action, Malformed> {
    trace(program, call).map(|(action, _)| action)
}

/// The verdict, and how many instructions it took.
pub(super) fn trace(program: &[Insn], call: &Call) -> Result<(Action, usize), Malformed> {
    let mut accumulator = 0u32;
    let mut at = 0usize;
    let mut steps = 0;
    loop {
        let Some(insn) = program.get(at) else {
            return Err(Malformed {
                at,
                why: "runs past the end",
            });
        };
        steps += 1;
        let skip = match insn.code {
            RETURN => return Ok((Action::decode(insn.k), steps)),
            LOAD => {
                accumulator = load(call, insn.k).ok_or(Malformed {
                    at,
                    why: "loads from outside the call",
                })?;
                0
            }
            AND => {
                accumulator &= insn.k;
                0
            }
            JUMP => insn.k as usize,
            JEQ => either(insn, accumulator == insn.k),
            JGT => either(insn, accumulator > insn.k),
            JGE => either(insn, accumulator >= insn.k),
            JSET => either(insn, accumulator & insn.k != 0),
            _ => {
                return Err(Malformed {
                    at,
                    why: "unknown operation",
                });
            }
        };
        // Jumps go forward only, so this ends.
        at = at.saturating_add(1).saturating_add(skip);
    }
}

fn either(insn: &Insn, holds: bool) -> usize {
    usize::from(if holds { insn.jt } else { insn.jf })
}

fn load(call: &Call, offset: u32) -> Option<u32> {
    match offset {
        NR => Some(call.nr),
        ARCH => Some(call.arch),
        8 => Some(call.ip as u32),
        12 => Some((call.ip >> 32) as u32),
        _ if !offset.is_multiple_of(4) => None,
        _ => {
            let half = offset.checked_sub(ARGS)? / 4;
            let register = call.args.get(half as usize / 2)?;
            Some((register >> (32 * (half % 2))) as u32)
        }
    }
}
