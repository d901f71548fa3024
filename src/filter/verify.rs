//! The self-check: a program against the policy that it was made from.
#![forbid(unsafe_code)]

use super::compile::Program;
use super::error::Error;
use super::insn::{Action, Insn};
use super::interpret::interpret;
use super::policy::{AUDIT_ARCH, Call, Policy, X32};
use crate::syscalls::{Compare, Condition, Rule};

/// Beyond the last number of any known kernel; a rule's number is in our table, so below.
const NUMBERS: u32 = 512;

/// A process id for the check; the highest that the kernel gives out.
const OWN_PID: u32 = (1 << 22) - 1;

/// Fails on the first call that the program and the policy judge differently.
pub(super) fn verify(policy: &Policy, program: &Program) -> Result<(), Error> {
    let insns = program.with_own_pid(OWN_PID);
    let (by_number, none) = (policy.by_number(), policy.about_none());
    for number in (0..NUMBERS).chain([X32 - 1, X32, X32 + 1, u32::MAX]) {
        let about = by_number.get(&number).unwrap_or(&none);
        let rules = about
            .answer
            .iter()
            .map(|(rule, _)| rule)
            .chain(about.allow.iter().copied());
        let edges = rules.flat_map(|rule| probes(rule, OWN_PID));
        for call in std::iter::once(Call::new(number, [0; 6])).chain(edges) {
            same(&insns, &call, about.decide(&call, OWN_PID))?;
        }
    }
    // i386, the other of our two, and nonsense.
    for arch in [0x4000_0003, 0xc000_003e, 0xc000_00b7, 0, !AUDIT_ARCH] {
        for number in [0, 1, 59, 221] {
            let call = Call {
                arch,
                ..Call::new(number, [0; 6])
            };
            same(&insns, &call, policy.decide(&call, OWN_PID))?;
        }
    }
    Ok(())
}

fn same(insns: &[Insn], call: &Call, expected: Action) -> Result<(), Error> {
    let found = interpret(insns, call).ok();
    if found == Some(expected) {
        return Ok(());
    }
    Err(Error::SelfCheck {
        call: *call,
        expected,
        found,
    })
}

/// Calls at the edges of a rule: for each conjunction one that satisfies it, then for each condition
/// of it some that are one bit or one number off, in the half that the kernel drops too.
pub fn probes(rule: &Rule, own_pid: u32) -> Vec<Call> {
    let mut calls = vec![Call::new(rule.number, [u64::MAX; 6])];
    for all in &rule.when {
        for rest in [0, u64::MAX] {
            let base = satisfying(all, rest, own_pid);
            calls.push(Call::new(rule.number, base));
            for condition in all {
                calls.extend(off_by_one(condition, base).map(|args| Call::new(rule.number, args)));
            }
        }
    }
    calls
}

/// Arguments that satisfy a conjunction, with `rest` in every bit that no condition is about.
fn satisfying(all: &[Condition], rest: u64, own_pid: u32) -> [u64; 6] {
    let mut args = [rest; 6];
    for condition in all {
        let kept = condition.mask & condition.width.bits();
        let value = match condition.compare {
            Compare::Equal => condition.value,
            Compare::NotEqual => condition.value ^ lowest(kept),
            Compare::OwnPid => u64::from(own_pid),
        };
        let arg = &mut args[usize::from(condition.arg)];
        *arg = (*arg & !kept) | (value & kept);
    }
    args
}

fn off_by_one(condition: &Condition, base: [u64; 6]) -> impl Iterator<Item = [u64; 6]> + use<> {
    let arg = usize::from(condition.arg);
    let kept = condition.mask & condition.width.bits();
    let good = base[arg];
    let highest = 1 << (63 - kept.leading_zeros());
    let flips = [
        lowest(kept),
        highest,
        lowest(!kept),
        1 << 31,
        1 << 32,
        1 << 63,
        u64::MAX,
    ];
    let flipped = flips.into_iter().map(move |bits| good ^ bits);
    let near = [
        good.wrapping_add(1),
        good.wrapping_sub(1),
        condition.value,
        0,
        u64::MAX,
    ];
    flipped.chain(near).map(move |value| {
        let mut args = base;
        args[arg] = value;
        args
    })
}

fn lowest(bits: u64) -> u64 {
    bits & bits.wrapping_neg()
}
