//! An act on the network: what it is called, what the actor does, what comes of it in the jail, and its twin.
use crate::kit::who::Who;
use crate::start::Kind;

/// What comes of it in the jail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It gets one of its answers, at once, and nothing arrives.
    Refused,
    /// It is neither answered nor heard.
    Silent,
    /// It goes through.
    Passes,
}

/// How a refusal is seen in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// As a connection or a query, with these words in its reason.
    Because(&'static str),
    /// As a denied system call of this name.
    Call(&'static str),
    /// Not at all: nothing left the jail, and nothing says so.
    Unseen,
}

/// The same act with what decides on it changed: it must get this answer.
#[derive(Clone, Copy, Debug)]
pub enum Twin {
    /// In the world, without a jail.
    Bare(Who, &'static str),
    /// In the world, without a jail: whatever the answer, this server is reached.
    Arrives(&'static str),
    /// In the jail, with these flags, parted by spaces.
    Flags(&'static str, &'static str),
}

/// What comes of it in the bare jail, where that is something else.
#[derive(Clone, Copy, Debug)]
pub struct InBare {
    pub answers: &'static [&'static str],
    pub seen: Seen,
    /// Why it differs by design, and leads nowhere all the same.
    pub why: &'static str,
}

/// One act.
#[derive(Clone, Debug)]
pub struct Act {
    pub sentence: &'static str,
    pub fate: Fate,
    pub flags: Vec<&'static str>,
    pub arguments: Vec<&'static str>,
    pub answers: Vec<&'static str>,
    pub seen: Option<Seen>,
    pub in_bare: Option<InBare>,
    pub twins: Vec<Twin>,
    pub reaches: Vec<&'static str>,
}

/// Begins an act that is refused.
pub fn refused(sentence: &'static str) -> Act {
    Act {
        sentence,
        fate: Fate::Refused,
        flags: Vec::new(),
        arguments: Vec::new(),
        answers: Vec::new(),
        seen: None,
        in_bare: None,
        twins: Vec::new(),
        reaches: Vec::new(),
    }
}

/// Begins one that is neither answered nor heard.
pub fn silent(sentence: &'static str) -> Act {
    Act {
        fate: Fate::Silent,
        seen: Some(Seen::Unseen),
        ..refused(sentence)
    }
}

/// Begins one that goes through: the twin is the jail without the line that allows it.
pub fn passes(sentence: &'static str) -> Act {
    Act {
        fate: Fate::Passes,
        seen: Some(Seen::Unseen),
        ..refused(sentence)
    }
}

impl Act {
    /// The jail's flags, parted by spaces.
    pub fn with(mut self, flags: &'static str) -> Self {
        self.flags = words(flags);
        self
    }

    /// The actor's arguments, parted by spaces. `{run}` is another number for each run, `{ca}` and `{socket}` are
    /// files of the world.
    pub fn run(mut self, arguments: &'static str) -> Self {
        self.arguments = words(arguments);
        self
    }

    /// The same, in pieces, where one of them has spaces.
    pub fn runs(mut self, arguments: &[&'static str]) -> Self {
        self.arguments = arguments.to_vec();
        self
    }

    /// The answer, or its beginning; several are as good.
    pub fn answers<const N: usize>(mut self, answers: [&'static str; N]) -> Self {
        self.answers = answers.to_vec();
        self
    }

    /// Words of the reason in its event.
    pub fn because(mut self, words: &'static str) -> Self {
        self.seen = Some(Seen::Because(words));
        self
    }

    /// The system call that is denied.
    pub fn seen_as(mut self, call: &'static str) -> Self {
        self.seen = Some(Seen::Call(call));
        self
    }

    /// Nothing tells of it.
    pub fn unseen(mut self) -> Self {
        self.seen = Some(Seen::Unseen);
        self
    }

    /// The same act in the bare jail gets another answer, or is seen otherwise.
    pub fn in_bare(
        mut self,
        answers: &'static [&'static str],
        seen: Seen,
        why: &'static str,
    ) -> Self {
        self.in_bare = Some(InBare { answers, seen, why });
        self
    }

    /// What an ordinary user gets without a jail; behind a `|`, what is as good where the kernel was built without.
    pub fn bare(mut self, answer: &'static str) -> Self {
        self.twins.push(Twin::Bare(Who::Ordinary, answer));
        self
    }

    /// The server that it reaches without a jail, whose answer may be as short as the jail's.
    pub fn arrives_bare(mut self, server: &'static str) -> Self {
        self.twins.push(Twin::Arrives(server));
        self
    }

    /// What root gets without a jail.
    pub fn bare_root(mut self, answer: &'static str) -> Self {
        self.twins.push(Twin::Bare(Who::Root, answer));
        self
    }

    /// What it gets in the jail with these flags instead.
    pub fn but_with(mut self, flags: &'static str, answer: &'static str) -> Self {
        self.twins.push(Twin::Flags(flags, answer));
        self
    }

    /// Servers that are reached before the refusal, as `http 203.0.113.10:80`.
    pub fn reaches(mut self, server: &'static str) -> Self {
        self.reaches.push(server);
        self
    }

    /// What comes of it in a kind of jail. Nothing vanishes in the bare one without a word.
    pub fn fate_in(&self, kind: Kind) -> Fate {
        match (self.fate, self.differs(kind)) {
            (Fate::Silent, Some(_)) => Fate::Refused,
            (fate, _) => fate,
        }
    }

    /// Its answers there.
    pub fn answers_in(&self, kind: Kind) -> &[&'static str] {
        self.differs(kind)
            .map_or(&self.answers, |differs| differs.answers)
    }

    /// How it is seen there.
    pub fn seen_in(&self, kind: Kind) -> Option<Seen> {
        self.differs(kind).map(|differs| differs.seen).or(self.seen)
    }

    fn differs(&self, kind: Kind) -> Option<InBare> {
        self.in_bare.filter(|_| kind == Kind::Bare)
    }
}

/// Words between spaces.
pub fn words(text: &'static str) -> Vec<&'static str> {
    text.split_whitespace().collect()
}
