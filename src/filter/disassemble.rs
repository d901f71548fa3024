//! A program as text.
#![forbid(unsafe_code)]

use super::chain::OWN_PID_MARK;
use super::insn::{
    AND, ARCH, ARGS, Action, Insn, JEQ, JGE, JGT, JSET, JUMP, LOAD, NR, RETURN, skips,
};
use super::policy::AUDIT_ARCH;
use crate::syscalls::name_of;

/// One line per instruction: its index, what it does, where it goes. The same program gives the same
/// text.
pub fn disassemble(program: &[Insn]) -> String {
    let loaded = loaded(program);
    let mut text = String::new();
    for (at, insn) in program.iter().enumerate() {
        text.push_str(&format!("{at:4}  {}\n", line(at, insn, loaded[at])));
    }
    text
}

/// What the accumulator holds before an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loaded {
    /// No way here was seen yet.
    Unreached,
    /// The word at this offset.
    Word(u32),
    /// Different words on different ways, or a masked one.
    Mixed,
}

fn loaded(program: &[Insn]) -> Vec<Loaded> {
    let mut loaded = vec![Loaded::Unreached; program.len()];
    for (at, insn) in program.iter().enumerate() {
        let after = match insn.code {
            LOAD => Loaded::Word(insn.k),
            AND => Loaded::Mixed,
            _ => loaded[at],
        };
        for skip in skips(insn.code, insn.jt, insn.jf, insn.k) {
            if let Some(next) = loaded.get_mut(at.saturating_add(1 + skip)) {
                *next = if *next == Loaded::Unreached || *next == after {
                    after
                } else {
                    Loaded::Mixed
                };
            }
        }
    }
    loaded
}

fn line(at: usize, insn: &Insn, loaded: Loaded) -> String {
    let test = |sign: &str| {
        let (yes, no) = (at + 1 + usize::from(insn.jt), at + 1 + usize::from(insn.jf));
        format!("if {sign} {} goto {yes} else {no}", operand(insn.k, loaded))
    };
    match insn.code {
        LOAD => format!("load {}", word(insn.k)),
        AND => format!("and 0x{:x}", insn.k),
        JUMP => format!("goto {}", at.saturating_add(1 + insn.k as usize)),
        JEQ => test("=="),
        JGT => test(">"),
        JGE => test(">="),
        JSET => test("has"),
        RETURN => format!("return {}", verdict(Action::decode(insn.k))),
        code => format!(
            "?? code 0x{code:x} jt {} jf {} k 0x{:x}",
            insn.jt, insn.jf, insn.k
        ),
    }
}

fn word(offset: u32) -> String {
    match offset {
        NR => "number".into(),
        ARCH => "architecture".into(),
        8 => "ip".into(),
        12 => "ip high".into(),
        _ if !offset.is_multiple_of(4) || !(ARGS..ARGS + 48).contains(&offset) => {
            format!("?? {offset}")
        }
        _ => {
            let half = if offset.is_multiple_of(8) {
                ""
            } else {
                " high"
            };
            format!("arg{}{half}", (offset - ARGS) / 8)
        }
    }
}

fn operand(k: u32, loaded: Loaded) -> String {
    match loaded {
        Loaded::Word(NR) => match name_of(k) {
            Some(name) => format!("{k} ({name})"),
            None => format!("0x{k:x}"),
        },
        Loaded::Word(ARCH) if k == AUDIT_ARCH => std::env::consts::ARCH.into(),
        _ if k == OWN_PID_MARK => "SELF".into(),
        _ => format!("0x{k:x}"),
    }
}

fn verdict(action: Action) -> String {
    match action {
        Action::Kill => "KILL_PROCESS".into(),
        Action::KillThread => "KILL_THREAD".into(),
        Action::Trap(data) => format!("TRAP {data}"),
        Action::Errno(errno) => format!("ERRNO {errno}"),
        Action::Notify => "USER_NOTIF".into(),
        Action::Trace(data) => format!("TRACE {data}"),
        Action::Log => "LOG".into(),
        Action::Allow => "ALLOW".into(),
    }
}
