//! Collecting problems while a profile is read, so that all are said at once.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::problem::{Place, Problem, Problems, Source};

/// What is wrong with one piece of text, before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The part of the text that is meant; all of it where empty.
    pub part: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Flaw {
    /// A flaw of the whole text.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Flaw {
        Flaw {
            part: String::new(),
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// The same, without a hint.
    pub fn bare(message: impl Into<String>) -> Flaw {
        Flaw {
            part: String::new(),
            message: message.into(),
            hint: None,
        }
    }

    /// The same flaw, of one part of the text.
    pub fn at(self, part: impl Into<String>) -> Flaw {
        Flaw {
            part: part.into(),
            ..self
        }
    }
}

/// Reading stops looking for more problems at this many.
pub const ENOUGH: usize = 100;

/// The problems found so far, and the texts in the order in which they were met.
#[derive(Debug, Default)]
pub struct Report {
    list: Vec<Problem>,
    met: Vec<Arc<Source>>,
}

impl Report {
    /// Remembers the order of texts, which is the order of their problems.
    pub fn meet(&mut self, source: &Arc<Source>) {
        self.met.push(Arc::clone(source));
    }

    /// One more problem.
    pub fn add(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.list.push(Problem {
            file: Arc::clone(&place.source),
            span: Some(place.span.clone()),
            message: message.into(),
            hint,
        });
    }

    /// One more problem, with a hint.
    pub fn hinted(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        self.add(place, message, Some(hint.into()));
    }

    /// A flaw of the text at `place`.
    pub fn flaw(&mut self, place: &Place, flaw: Flaw) {
        self.add(&place.narrow(&flaw.part), flaw.message, flaw.hint);
    }

    /// A problem of a file as a whole.
    pub fn whole(
        &mut self,
        source: &Arc<Source>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.list.push(Problem {
            file: Arc::clone(source),
            span: None,
            message: message.into(),
            hint,
        });
    }

    /// Takes the value, or notes the flaw.
    pub fn keep<T>(&mut self, place: &Place, result: Result<T, Flaw>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(flaw) => {
                self.flaw(place, flaw);
                None
            }
        }
    }

    /// Whether there are so many problems that looking for more helps nobody.
    pub fn is_full(&self) -> bool {
        self.list.len() >= ENOUGH
    }

    /// Whether nothing was wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All problems of `profile`, by file and place.
    pub fn finish(mut self, profile: &str) -> Problems {
        let rank = |problem: &Problem| {
            let met = self
                .met
                .iter()
                .position(|source| Arc::ptr_eq(source, &problem.file));
            (
                met.unwrap_or(usize::MAX),
                problem.span.as_ref().map_or(0, |span| span.start),
            )
        };
        self.list.sort_by_key(rank);
        self.list.dedup();
        self.list.truncate(ENOUGH);
        Problems {
            profile: profile.to_owned(),
            list: self.list,
        }
    }
}

/// The candidate that a misspelt word was probably meant to be.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > 64 {
        return None;
    }
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean ...`, where something is near.
pub fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    nearest(word, candidates).map(|found| format!("did you mean `{found}`?"))
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in right.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
