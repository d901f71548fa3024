//! A policy becomes a program.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::assembler::{Assembler, Label};
use super::chain::{self, Missed, OWN_PID_MARK};
use super::error::Error;
use super::insn::{ARCH, Action, Insn, JEQ, JGE, LOAD, NR};
use super::policy::{AUDIT_ARCH, About, Otherwise, Policy, X32};
use super::verify;
use crate::syscalls::{Compare, Condition, Rule, Width, lookup};

/// The kernel's BPF_MAXINSNS.
const LONGEST: usize = 4096;

/// A checked filter program with the places that wait for the own process id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    insns: Vec<Insn>,
    own_pid: Vec<usize>,
}

impl Program {
    /// The program that [`compile`] made of a policy, from its [`instructions`](Program::instructions).
    pub fn of(insns: Vec<Insn>) -> Program {
        let marked = |insn: &Insn| insn.code == JEQ && insn.k == OWN_PID_MARK;
        let own_pid = (0..insns.len()).filter(|at| marked(&insns[*at])).collect();
        Program { insns, own_pid }
    }

    /// The instructions. Where rules say `SELF` they hold a mark that is no process id, so those
    /// rules match nothing.
    pub fn instructions(&self) -> &[Insn] {
        &self.insns
    }

    /// The instructions whose operand is the own process id.
    pub fn own_pid_slots(&self) -> &[usize] {
        &self.own_pid
    }

    /// The instructions for the process `pid`, as it sees itself.
    pub fn with_own_pid(&self, pid: u32) -> Vec<Insn> {
        let mut insns = self.insns.clone();
        for slot in &self.own_pid {
            insns[*slot].k = pid;
        }
        insns
    }
}

/// Makes the program of a policy, and runs it on every edge of every rule before it is returned.
pub fn compile(policy: &Policy) -> Result<Program, Error> {
    let program = make(policy)?;
    verify::verify(policy, &program)?;
    Ok(program)
}

/// Makes the program of a policy that is no profile's and the same on every start: a test runs it on every edge,
/// as does a build with debug assertions.
pub fn compile_constant(policy: &Policy) -> Result<Program, Error> {
    if cfg!(debug_assertions) {
        compile(policy)
    } else {
        make(policy)
    }
}

fn make(policy: &Policy) -> Result<Program, Error> {
    check(policy)?;
    let insns = assemble(policy)?;
    if insns.len() > LONGEST {
        return Err(Error::TooLong {
            found: insns.len(),
            limit: LONGEST,
        });
    }
    Ok(Program::of(insns))
}

fn check(policy: &Policy) -> Result<(), Error> {
    let otherwise = match policy.otherwise {
        Otherwise::Errno(errno) => Some(errno),
        Otherwise::Notify | Otherwise::Kill => None,
    };
    let mut errnos = policy
        .answer
        .iter()
        .map(|(_, errno)| *errno)
        .chain(otherwise);
    if let Some(errno) = errnos.find(|errno| !(1..=4095).contains(errno)) {
        return Err(Error::Errno { errno });
    }
    policy
        .answer
        .iter()
        .map(|(rule, _)| rule)
        .chain(&policy.allow)
        .try_for_each(check_rule)
}

fn check_rule(rule: &Rule) -> Result<(), Error> {
    let wrong = |why| {
        Err(Error::Rule {
            syscall: rule.syscall,
            origin: rule.origin.clone(),
            why,
        })
    };
    if lookup(rule.syscall).map(|syscall| syscall.number) != Some(rule.number) {
        return wrong("name and number are of different calls");
    }
    if let Some(why) = rule.when.iter().flatten().find_map(flaw) {
        return wrong(why);
    }
    if !rule.when.iter().all(|all| chain::is_small(all)) {
        return wrong("too many masked `!=` at once");
    }
    Ok(())
}

/// Why a condition cannot be held. seccompiler would drop such bits and quietly match more.
fn flaw(condition: &Condition) -> Option<&'static str> {
    let all = condition.width.bits();
    let kept = condition.mask & all;
    let mark = u64::from(OWN_PID_MARK);
    match condition {
        Condition { arg: 6.., .. } => Some("a call has six arguments"),
        _ if kept == 0 => Some("the mask keeps no bit"),
        Condition {
            compare: Compare::OwnPid,
            width,
            ..
        } => (*width != Width::Int || kept != all).then_some("SELF needs a whole int argument"),
        Condition { value, .. } if value & !kept != 0 => {
            Some("the value has bits that are not compared")
        }
        Condition { value, .. } if value & all & 0xffff_ffff == mark || value >> 32 == mark => {
            Some("this value is reserved")
        }
        _ => None,
    }
}

/// What a number gets: chains in their order, then a verdict.
struct Verdict {
    chains: Vec<(Vec<Vec<Condition>>, Action)>,
    last: Action,
}

fn verdict(about: &About<'_>) -> Verdict {
    let mut chains = Vec::new();
    for (rule, errno) in &about.answer {
        let action = Action::Errno(*errno);
        if always(rule) {
            return Verdict {
                chains,
                last: action,
            };
        }
        chains.push((rule.when.clone(), action));
    }
    if about.allow.iter().any(|rule| always(rule)) {
        return Verdict {
            chains,
            last: Action::Allow,
        };
    }
    let any: Vec<_> = about
        .allow
        .iter()
        .flat_map(|rule| rule.when.clone())
        .collect();
    if !any.is_empty() {
        chains.push((any, Action::Allow));
    }
    Verdict {
        chains,
        last: about.otherwise.into(),
    }
}

fn always(rule: &Rule) -> bool {
    rule.when.is_empty() || rule.when.iter().any(Vec::is_empty)
}

/// Where the tree ends for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Return(u32),
    Chain(Label),
}

fn assemble(policy: &Policy) -> Result<Vec<Insn>, Error> {
    let mut assembler = Assembler::default();
    let mut leaves = BTreeMap::new();
    for (number, about) in policy.by_number().iter().rev() {
        let leaf = write_chains(&mut assembler, *number, verdict(about))?;
        leaves.insert(*number, leaf);
    }
    let otherwise = Leaf::Return(Action::from(policy.otherwise).encode());
    let tree = write_tree(&mut assembler, &intervals(&leaves, otherwise));
    write_prologue(&mut assembler, tree);
    Ok(assembler.finish())
}

fn write_chains(assembler: &mut Assembler, number: u32, verdict: Verdict) -> Result<Leaf, Error> {
    let mut leaf = Leaf::Return(verdict.last.encode());
    for (any, action) in verdict.chains.iter().rev() {
        let missed = match leaf {
            Leaf::Return(value) => Missed::Return(value),
            Leaf::Chain(label) => Missed::Next(label),
        };
        leaf = Leaf::Chain(chain::write(
            assembler,
            number,
            any,
            action.encode(),
            missed,
        )?);
    }
    Ok(leaf)
}

/// The line of numbers from 0 on, cut where the verdict changes.
fn intervals(leaves: &BTreeMap<u32, Leaf>, otherwise: Leaf) -> Vec<(u32, Leaf)> {
    let mut cuts = BTreeMap::from([(0, otherwise)]);
    for (number, leaf) in leaves {
        cuts.insert(*number, *leaf);
        cuts.insert(*number + 1, otherwise);
    }
    let mut cuts: Vec<(u32, Leaf)> = cuts.into_iter().collect();
    cuts.dedup_by_key(|cut| cut.1);
    cuts
}

fn write_tree(assembler: &mut Assembler, cuts: &[(u32, Leaf)]) -> Label {
    if let [(_, leaf)] = cuts {
        return match leaf {
            Leaf::Return(value) => assembler.returns(*value),
            Leaf::Chain(label) => *label,
        };
    }
    let (low, high) = cuts.split_at(cuts.len() / 2);
    let above = write_tree(assembler, high);
    let below = write_tree(assembler, low);
    assembler.test(JGE, high[0].0, above, below)
}

/// Another architecture and x32 are killed before anything is read as one of our numbers.
fn write_prologue(assembler: &mut Assembler, tree: Label) {
    let kill = assembler.returns(Action::Kill.encode());
    let numbers = if cfg!(target_arch = "x86_64") {
        assembler.test(JGE, X32, kill, tree)
    } else {
        tree
    };
    let number = assembler.then(Insn::new(LOAD, NR), numbers);
    let same = assembler.test(JEQ, AUDIT_ARCH, number, kill);
    assembler.then(Insn::new(LOAD, ARCH), same);
}
