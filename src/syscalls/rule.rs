//! One rule about one system call: the number, the conditions on its arguments, the reason.
#![forbid(unsafe_code)]

/// A rule; `when` is an OR of ANDs. An empty `when` holds always.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Rule {
    /// The call's name, as in its man page.
    pub syscall: &'static str,
    /// Its number on the architecture that this binary is built for.
    pub number: u32,
    /// Any of these conjunctions suffices.
    pub when: Vec<Vec<Condition>>,
    /// Why the rule exists.
    pub why: String,
    /// `file:line` of the rule.
    pub origin: String,
}

/// `argN [& mask] == value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub arg: u8,
    /// How many bits of it the kernel reads; fixed per call, never by the profile.
    pub width: Width,
    /// Bits that count. `u64::MAX`: all.
    pub mask: u64,
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub value: u64,
}

/// What of a register the kernel acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Width {
    /// `int`: the low 32 bits; the kernel drops the rest, so a filter must, too.
    Int,
    /// `long`, `size_t` or a pointer: 64 bits.
    Long,
}

/// Comparisons of a [`Condition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Compare {
    /// Equal after masking.
    Equal,
    /// Not equal after masking.
    NotEqual,
    /// The argument is the caller's own process id (the launcher fills it in; written `argN == SELF`).
    OwnPid,
}

impl Rule {
    /// Whether it holds for a call with these arguments, made by the process `own_pid`.
    pub fn holds(&self, args: &[u64; 6], own_pid: u32) -> bool {
        let holds = |condition: &Condition| condition.holds(args, own_pid);
        self.when.is_empty() || self.when.iter().any(|all| all.iter().all(holds))
    }
}

impl Condition {
    fn holds(&self, args: &[u64; 6], own_pid: u32) -> bool {
        let found = args[usize::from(self.arg)] & self.width.bits() & self.mask;
        match self.compare {
            Compare::Equal => found == self.value,
            Compare::NotEqual => found != self.value,
            Compare::OwnPid => found == u64::from(own_pid),
        }
    }
}

impl Width {
    /// The bits of a register that the kernel acts on.
    pub fn bits(self) -> u64 {
        match self {
            Width::Int => u64::from(u32::MAX),
            Width::Long => u64::MAX,
        }
    }
}
