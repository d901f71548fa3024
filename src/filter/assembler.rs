//! Writes a program from its end to its beginning.
//!
//! BPF jumps only forward, so every target is already written when a jump to it is: its distance is
//! known, and one that exceeds the eight bits of a test gets a long jump at once.
#![forbid(unsafe_code)]

use super::insn::{Insn, JUMP, RETURN};

/// A place in the program: how many instructions stand behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label(usize);

/// The program so far, last instruction first.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    reversed: Vec<Insn>,
}

impl Assembler {
    /// The program in the kernel's order.
    pub(super) fn finish(mut self) -> Vec<Insn> {
        self.reversed.reverse();
        self.reversed
    }

    /// `return value`; an equal return that every test in reach can jump to is used again.
    pub(super) fn returns(&mut self, value: u32) -> Label {
        let near = self.reversed.len().saturating_sub(128);
        let again = self.reversed[near..]
            .iter()
            .rposition(|i| i.code == RETURN && i.k == value);
        match again {
            Some(at) => Label(near + at),
            None => self.push(Insn::new(RETURN, value)),
        }
    }

    /// An instruction after which the program goes on at `next`.
    pub(super) fn then(&mut self, insn: Insn, next: Label) -> Label {
        if next.0 + 1 != self.reversed.len() {
            self.jump(next);
        }
        self.push(insn)
    }

    /// A test: on at `yes` where it holds, at `no` where it does not.
    pub(super) fn test(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        // A long jump pushes the other target one further: 254 leaves room for it.
        let yes = if self.distance(yes) > 254 {
            self.jump(yes)
        } else {
            yes
        };
        let no = if self.distance(no) > 254 {
            self.jump(no)
        } else {
            no
        };
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(Insn { code, jt, jf, k })
    }

    fn jump(&mut self, to: Label) -> Label {
        let k = self.distance(to) as u32;
        self.push(Insn::new(JUMP, k))
    }

    /// What the next instruction has to skip to get there.
    fn distance(&self, to: Label) -> usize {
        self.reversed.len() - 1 - to.0
    }

    fn push(&mut self, insn: Insn) -> Label {
        self.reversed.push(insn);
        Label(self.reversed.len() - 1)
    }
}
