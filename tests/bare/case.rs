//! An act by its name: what it comes to without a jail, and in one.

use crate::kit::who::Who;
use crate::kit::{Check, ensure};
use crate::run::{How, Run, Session};
use crate::world::World;

/// The one host that most of these jails may reach.
const HOST: &str = "echo 198.51.100.7:7000";
const NAME: &str = "dns third.world.test";

/// One act.
#[derive(Clone)]
pub struct Case {
    pub sentence: &'static str,
    words: &'static str,
    flags: Vec<&'static str>,
    free: &'static str,
    reaches: Vec<&'static str>,
    visited: Option<&'static str>,
    jailed: Vec<&'static str>,
    jail_visited: Option<&'static str>,
    told: Option<&'static str>,
}

/// Begins an act: `words` is what the actor is told.
pub fn case(sentence: &'static str, words: &'static str) -> Case {
    Case {
        sentence,
        words,
        flags: vec!["--allow", "third.world.test:7000"],
        free: "",
        reaches: Vec::new(),
        visited: None,
        jailed: Vec::new(),
        jail_visited: None,
        told: None,
    }
}

impl Case {
    /// More flags for the jail, parted by spaces.
    pub fn with(mut self, flags: &'static str) -> Self {
        self.flags.extend(flags.split_whitespace());
        self
    }

    /// What the actor says without a jail; `*` stands for anything.
    pub fn free(mut self, said: &'static str) -> Self {
        self.free = said;
        self
    }

    /// The server that hears of it without a jail, and never in one.
    pub fn reaches(mut self, server: &'static str) -> Self {
        self.reaches.push(server);
        self
    }

    /// That server instead of the ones before.
    pub fn reaches_instead(mut self, server: &'static str) -> Self {
        self.reaches = vec![server];
        self
    }

    /// The visitor comes through without a jail, and in one does not.
    pub fn visited_free(mut self) -> Self {
        self.visited = Some("reached");
        self
    }

    /// The visitor comes through in the jail, too.
    pub fn visited(mut self) -> Self {
        self.visited = Some("reached");
        self.jail_visited = Some("reached");
        self
    }

    /// What the actor says in a jail: one of these.
    pub fn jailed<const N: usize>(mut self, said: [&'static str; N]) -> Self {
        self.jailed = said.to_vec();
        self
    }

    /// The same as without.
    pub fn jailed_alike(mut self) -> Self {
        self.jailed = vec![self.free];
        self
    }

    /// Words of the reason in the record.
    pub fn told(mut self, words: &'static str) -> Self {
        self.told = Some(words);
        self
    }

    /// Without a jail.
    pub fn show_free(&self, world: &World) -> Check {
        let run = self.run(world, How::Free)?;
        ensure(like(self.free, &run.said), || {
            format!("not {:?}: {run:#?}", self.free)
        })?;
        for server in &self.reaches {
            let server = filled(world, server);
            let heard = run.arrivals.contains(&server);
            ensure(heard, || format!("{server} hears nothing: {run:#?}"))?;
        }
        visits(self.visited, &run)
    }

    /// In a jail.
    pub fn show_jailed(&self, world: &World, who: Who) -> Check {
        let run = self.run(world, How::Jailed(who))?;
        nothing_else_arrived(&run)?;
        let fine = self.jailed.iter().any(|said| like(said, &run.said));
        ensure(fine, || format!("not one of {:?}: {run:#?}", self.jailed))?;
        if let Some(words) = self.told {
            let told = run
                .events
                .iter()
                .any(|event| event["verdict"] != "allowed" && event.to_string().contains(words));
            ensure(told, || format!("{words:?} is not in the record: {run:#?}"))?;
        }
        match self.jail_visited {
            Some(how) => visits(Some(how), &run),
            None => {
                let nobody = run.visits.iter().all(|visit| visit.starts_with("not"));
                ensure(nobody, || format!("visited: {run:#?}"))
            }
        }
    }

    fn run(&self, world: &World, how: How) -> Result<Run, String> {
        let words = filled(world, self.words);
        let words: Vec<&str> = words.split_whitespace().collect();
        Session::start(world, how, &self.flags, &words)?.finish()
    }
}

fn filled(world: &World, text: &str) -> String {
    text.replace("{socket}", &world.join("docker.sock").display().to_string())
}

fn visits(how: Option<&str>, run: &Run) -> Check {
    let Some(how) = how else { return Ok(()) };
    let fine = !run.visits.is_empty() && run.visits.iter().all(|visit| visit.starts_with(how));
    ensure(fine, || format!("visitors: {run:#?}"))
}

/// Only the allowed host heard anything, and the name server of its name.
pub fn nothing_else_arrived(run: &Run) -> Check {
    // Each query is a line of the server and one with its name.
    let fine = |line: &String| line == HOST || line == NAME || line.starts_with("dns-");
    let odd: Vec<_> = run.arrivals.iter().filter(|line| !fine(line)).collect();
    ensure(odd.is_empty(), || format!("arrived: {odd:?}; {run:#?}"))
}

/// Whether a text is like a pattern, in which `*` stands for anything.
pub fn like(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    let mut parts = pattern.split('*').peekable();
    let Some(first) = parts.next() else {
        return text.is_empty();
    };
    let Some(behind) = rest.strip_prefix(first) else {
        return false;
    };
    rest = behind;
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
