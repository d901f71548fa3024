//! The tests of one conditional call, compiled by seccompiler and stitched into our program.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::assembler::{Assembler, Label};
use super::error::Error;
use super::insn::{AND, ARCH, Insn, JEQ, JGE, JGT, JSET, JUMP, LOAD, NR, RETURN, skips};
use super::policy::AUDIT_ARCH;
use crate::syscalls::{Compare, Condition, Width};

/// Stands where the own process id will be. No pid: the kernel's highest is 2^22.
pub(super) const OWN_PID_MARK: u32 = 0x5e1f_1d00;

/// Data words of the actions that seccompiler is given; no return of a finished chain has them.
const MATCHED: u32 = 0xf1a1;
const MISSED: u32 = 0xf1a2;

/// A conjunction over masks may become this many at most; see [`without_masked_ne`].
const MOST_ALTERNATIVES: usize = 256;

/// Where a chain goes on where none of its conjunctions holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Missed {
    /// To a verdict.
    Return(u32),
    /// To the next chain of the same call.
    Next(Label),
}

/// Writes the tests of call `number`: any of `any` holds: return `matched`, else on at `missed`.
pub(super) fn write(
    assembler: &mut Assembler,
    number: u32,
    any: &[Vec<Condition>],
    matched: u32,
    missed: Missed,
) -> Result<Label, Error> {
    let failed = |why: &str| Error::Seccompiler {
        number,
        why: why.into(),
    };
    let program = compile(number, any).map_err(|why| failed(&why))?;
    let body = body(&program, number).ok_or_else(|| failed("an unknown prologue"))?;
    place(assembler, body, matched, missed).ok_or_else(|| failed("an unknown instruction"))
}

/// seccompiler's program for one call.
fn compile(number: u32, any: &[Vec<Condition>]) -> Result<BpfProgram, String> {
    let mut rules = Vec::new();
    for all in any.iter().flat_map(|all| without_masked_ne(all)) {
        let conditions: Result<Vec<_>, _> = all.iter().map(condition).collect();
        let rule = conditions
            .and_then(SeccompRule::new)
            .map_err(|error| error.to_string())?;
        rules.push(rule);
    }
    let target = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    SeccompFilter::new(
        BTreeMap::from([(i64::from(number), rules)]),
        SeccompAction::Trace(MISSED),
        SeccompAction::Trace(MATCHED),
        target,
    )
    .and_then(BpfProgram::try_from)
    .map_err(|error| error.to_string())
}

fn condition(condition: &Condition) -> Result<SeccompCondition, seccompiler::BackendError> {
    let length = match condition.width {
        Width::Int => SeccompCmpArgLen::Dword,
        Width::Long => SeccompCmpArgLen::Qword,
    };
    let all = condition.width.bits();
    let (operator, value) = match condition.compare {
        Compare::OwnPid => (SeccompCmpOp::Eq, u64::from(OWN_PID_MARK)),
        Compare::NotEqual => (SeccompCmpOp::Ne, condition.value),
        Compare::Equal if condition.mask & all == all => (SeccompCmpOp::Eq, condition.value),
        Compare::Equal => (
            SeccompCmpOp::MaskedEq(condition.mask & all),
            condition.value,
        ),
    };
    SeccompCondition::new(condition.arg, length, operator, value)
}

/// seccompiler has no `arg & mask != value`: it holds where any bit of the mask differs, so it
/// becomes one alternative per bit.
fn without_masked_ne(all: &[Condition]) -> Vec<Vec<Condition>> {
    let mut alternatives = vec![Vec::new()];
    for condition in all {
        let choices = if masked_ne(condition) {
            differing_bits(condition)
        } else {
            vec![*condition]
        };
        alternatives = alternatives
            .iter()
            .flat_map(|so_far| {
                choices
                    .iter()
                    .map(move |choice| [so_far.as_slice(), &[*choice]].concat())
            })
            .collect();
    }
    alternatives
}

/// Whether a conjunction stays within [`MOST_ALTERNATIVES`].
pub(super) fn is_small(all: &[Condition]) -> bool {
    let choices = |c: &Condition| (c.mask & c.width.bits()).count_ones() as usize;
    let count = all
        .iter()
        .filter(|c| masked_ne(c))
        .map(choices)
        .fold(1, usize::saturating_mul);
    count <= MOST_ALTERNATIVES
}

fn masked_ne(condition: &Condition) -> bool {
    let all = condition.width.bits();
    condition.compare == Compare::NotEqual && condition.mask & all != all
}

fn differing_bits(condition: &Condition) -> Vec<Condition> {
    let kept = condition.mask & condition.width.bits();
    (0..64)
        .map(|bit| 1u64 << bit)
        .filter(|bit| kept & bit != 0)
        .map(|bit| Condition {
            mask: bit,
            compare: Compare::Equal,
            value: !condition.value & bit,
            ..*condition
        })
        .collect()
}

/// The program behind its own checks of architecture and number, which ours has made already.
fn body(program: &[sock_filter], number: u32) -> Option<&[sock_filter]> {
    let (head, body) = program.split_at_checked(5)?;
    let is = |at: usize, code: u16, k: u32| head[at].code == code && head[at].k == k;
    let known = is(0, LOAD, ARCH)
        && is(1, JEQ, AUDIT_ARCH)
        && (head[1].jt, head[1].jf) == (1, 0)
        && is(2, RETURN, libc::SECCOMP_RET_KILL_PROCESS)
        && is(3, LOAD, NR)
        && is(4, JEQ, number)
        && head[4].jt == 0;
    known.then_some(body)
}

/// Copies what is reachable of `body` from its end on, with our verdicts for its marks.
fn place(
    assembler: &mut Assembler,
    body: &[sock_filter],
    matched: u32,
    missed: Missed,
) -> Option<Label> {
    let reachable = reachable(body)?;
    let mut labels: Vec<Option<Label>> = vec![None; body.len()];
    for (at, insn) in body
        .iter()
        .enumerate()
        .rev()
        .filter(|(at, _)| reachable[*at])
    {
        let target = |skip: u32| labels.get(at + 1 + skip as usize).copied().flatten();
        labels[at] = Some(match insn.code {
            RETURN if insn.k == libc::SECCOMP_RET_TRACE | MATCHED => assembler.returns(matched),
            RETURN if insn.k == libc::SECCOMP_RET_TRACE | MISSED => match missed {
                Missed::Return(value) => assembler.returns(value),
                Missed::Next(label) => label,
            },
            JUMP => target(insn.k)?,
            LOAD | AND => assembler.then(Insn::new(insn.code, insn.k), target(0)?),
            JEQ | JGT | JGE | JSET => {
                let (yes, no) = (target(insn.jt.into())?, target(insn.jf.into())?);
                assembler.test(insn.code, insn.k, yes, no)
            }
            _ => return None,
        });
    }
    labels.first().copied().flatten()
}

/// Which instructions can be reached from the first; `None` where one runs past the end.
fn reachable(body: &[sock_filter]) -> Option<Vec<bool>> {
    let mut reachable = vec![false; body.len()];
    *reachable.first_mut()? = true;
    for (at, insn) in body.iter().enumerate() {
        if !reachable[at] {
            continue;
        }
        for skip in skips(insn.code, insn.jt, insn.jf, insn.k) {
            *reachable.get_mut(at + 1 + skip)? = true;
        }
    }
    Some(reachable)
}
