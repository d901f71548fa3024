//! An act: what it is called, the call that makes it, who claims to deny it, and what it does without a jail.
use crate::common::needs::Need;

/// A mechanism of the jail, by the name that `[layers]` uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Has no switch: shown with everything that has one switched off.
    UserNamespace,
    Pid,
    Ipc,
    Uts,
    Cgroup,
    Net,
    Mounts,
    Caps,
    NoNewPrivs,
    Landlock,
    Seccomp,
    Exec,
    Rlimits,
    Env,
    Fds,
}

impl Layer {
    /// All that have a switch.
    pub const SWITCHED: [Self; 14] = [
        Self::Pid,
        Self::Ipc,
        Self::Uts,
        Self::Cgroup,
        Self::Net,
        Self::Mounts,
        Self::Caps,
        Self::NoNewPrivs,
        Self::Landlock,
        Self::Seccomp,
        Self::Exec,
        Self::Rlimits,
        Self::Env,
        Self::Fds,
    ];

    /// As `[layers]` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user-namespace",
            Self::Pid => "pid",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Cgroup => "cgroup",
            Self::Net => "net",
            Self::Mounts => "mounts",
            Self::Caps => "caps",
            Self::NoNewPrivs => "no-new-privs",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Exec => "exec",
            Self::Rlimits => "rlimits",
            Self::Env => "env",
            Self::Fds => "fds",
        }
    }

    /// The claim that this layer alone denies the act, and with which answer.
    pub fn by(self, answer: &'static str) -> Claim {
        Claim {
            layers: vec![self],
            answers: vec![answer],
        }
    }

    /// The claim that two layers deny it only together.
    pub fn with(self, other: Self) -> Pair {
        Pair(self, other)
    }
}

/// Two layers that hold something only together.
pub struct Pair(Layer, Layer);

impl Pair {
    /// Their answer.
    pub fn by(self, answer: &'static str) -> Claim {
        Claim {
            layers: vec![self.0, self.1],
            answers: vec![answer],
        }
    }
}

/// Layers that deny an act on their own, with their answer: an errno's or a signal's name, or `withheld`
/// where every call goes through and what the act is after is not there.
#[derive(Clone, Debug)]
pub struct Claim {
    pub layers: Vec<Layer>,
    pub answers: Vec<&'static str>,
}

impl Claim {
    /// Another answer that is as good.
    pub fn or(mut self, answer: &'static str) -> Self {
        self.answers.push(answer);
        self
    }

    /// Whether this answer is the claim's.
    pub fn holds(&self, answer: &str) -> bool {
        self.answers.contains(&answer)
    }

    /// For the messages.
    pub fn name(&self) -> String {
        let names: Vec<_> = self.layers.iter().map(|layer| layer.name()).collect();
        names.join(" with ")
    }
}

/// What the act does without a jail.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// It works.
    Succeeds,
    /// It reaches one of these harmless errnos, which only a permitted call reaches.
    Reaches(&'static [&'static str]),
    /// It works, or reaches one of these where the kernel was built without it.
    SucceedsOr(&'static [&'static str]),
}

impl Outcome {
    /// Whether this answer is the outcome.
    pub fn is(self, answer: &str) -> bool {
        match self {
            Self::Succeeds => answer == "ok",
            Self::Reaches(errnos) => errnos.contains(&answer),
            Self::SucceedsOr(errnos) => answer == "ok" || errnos.contains(&answer),
        }
    }
}

/// Whose twin shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// The same ordinary user.
    User,
    /// Root, in namespaces of its own.
    Root,
}

/// What the bare jail does not promise; its plan says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// The promise `native-code`.
    NativeCode,
    /// The promise `processes`.
    Processes,
    /// The promise `limits`.
    Limits,
    /// What a note of the plan says in these words.
    Noted(&'static str),
}

impl Open {
    /// For test names and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::NativeCode => "native-code",
            Self::Processes => "processes",
            Self::Limits => "limits",
            Self::Noted(words) => words,
        }
    }
}

/// One denied act.
#[derive(Clone, Debug)]
pub struct Act {
    pub sentence: &'static str,
    pub arguments: Vec<&'static str>,
    pub claims: Vec<Claim>,
    pub bare: Option<(Twin, Outcome)>,
    /// The system call whose denial the events name, where the errno alone would prove nothing.
    pub event: Option<&'static str>,
    /// Its answers in the bare jail, where they are others.
    pub in_bare: Vec<&'static str>,
    /// Why the bare jail does not deny it.
    pub open: Option<Open>,
    pub needs: Vec<Need>,
}

/// Begins an act with its sentence.
pub fn act(sentence: &'static str) -> Act {
    Act {
        sentence,
        arguments: Vec::new(),
        claims: Vec::new(),
        bare: None,
        event: None,
        in_bare: Vec::new(),
        open: None,
        needs: Vec::new(),
    }
}

impl Act {
    /// The probe's arguments; `{name}` stands for a thing of the stage.
    pub fn run(mut self, arguments: &[&'static str]) -> Self {
        self.arguments = arguments.to_vec();
        self
    }

    /// Who denies it.
    pub fn claimed_by<const N: usize>(mut self, claims: [Claim; N]) -> Self {
        self.claims = claims.to_vec();
        self
    }

    /// The call that the event of a denial names.
    pub fn seen_as(mut self, call: &'static str) -> Self {
        self.event = Some(call);
        self
    }

    /// What it does for the same ordinary user without a jail.
    pub fn bare(mut self, outcome: Outcome) -> Self {
        self.bare = Some((Twin::User, outcome));
        self
    }

    /// What it does for root without a jail, where an ordinary user gets nowhere anyway.
    pub fn bare_root(mut self, outcome: Outcome) -> Self {
        self.bare = Some((Twin::Root, outcome));
        self
    }

    /// The bare jail denies it with one of these answers.
    pub fn in_bare<const N: usize>(mut self, answers: [&'static str; N]) -> Self {
        self.in_bare = answers.to_vec();
        self
    }

    /// The bare jail does not deny it, and says that it does not promise to.
    pub fn open_in_bare(mut self, open: Open) -> Self {
        self.open = Some(open);
        self
    }

    /// Cannot be shown without this.
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// Whether only the user namespace (or plain ids) stands between the act and its outcome.
    pub fn held_by_user_namespace(&self) -> Option<&Claim> {
        self.claims
            .iter()
            .find(|claim| claim.layers == [Layer::UserNamespace])
    }
}
