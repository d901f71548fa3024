//! Who starts which kind of jail.
use crate::kit::who::Who;

/// The two kinds of jail. The bare one has no network of its own: it is in the world's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Namespaced,
    Bare,
}

impl Kind {
    pub const BOTH: [Kind; 2] = [Kind::Namespaced, Kind::Bare];

    /// The world's profile for it.
    pub fn profile(self) -> &'static str {
        match self {
            Kind::Namespaced => "profile.toml",
            Kind::Bare => "bare.toml",
        }
    }

    /// What a profile begins with.
    pub fn line(self) -> &'static str {
        match self {
            Kind::Namespaced => "",
            Kind::Bare => "jail = \"bare\"\n",
        }
    }

    /// Behind a test's name.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Namespaced => "",
            Kind::Bare => ", bare",
        }
    }
}

/// A start.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub who: Who,
    pub kind: Kind,
}

impl Start {
    pub const ALL: [Start; 4] = [
        Start::by(Who::Root, Kind::Namespaced),
        Start::by(Who::Ordinary, Kind::Namespaced),
        Start::by(Who::Root, Kind::Bare),
        Start::by(Who::Ordinary, Kind::Bare),
    ];

    pub const fn by(who: Who, kind: Kind) -> Start {
        Start { who, kind }
    }

    /// An ordinary user's.
    pub const fn of(kind: Kind) -> Start {
        Start::by(Who::Ordinary, kind)
    }

    /// A test's name with it.
    pub fn names(self, what: &str) -> String {
        format!("{what}{}, started {}", self.kind.word(), self.who.word())
    }
}
