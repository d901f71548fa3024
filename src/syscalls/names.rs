//! Names to numbers and back.
#![forbid(unsafe_code)]

use super::table::{NONE, TABLE};

/// A system call of the architecture that this binary is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// Its name, as in its man page.
    pub name: &'static str,
    /// Its number.
    pub number: u32,
}

/// What there is to say about the name of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// This architecture has it.
    Here(Syscall),
    /// Another architecture has it: valid in a profile, and no rule comes of it.
    Elsewhere(&'static str),
}

/// What `name` is; `None` where no architecture has such a call.
pub fn known(name: &str) -> Option<Known> {
    let at = TABLE.binary_search_by(|row| row.0.cmp(name)).ok()?;
    Some(here(&TABLE[at]).map_or(Known::Elsewhere(TABLE[at].0), Known::Here))
}

/// The call of this name on this architecture.
pub fn lookup(name: &str) -> Option<Syscall> {
    match known(name)? {
        Known::Here(syscall) => Some(syscall),
        Known::Elsewhere(_) => None,
    }
}

/// The name of a number on this architecture.
pub fn name_of(number: u32) -> Option<&'static str> {
    all()
        .find(|syscall| syscall.number == number)
        .map(|syscall| syscall.name)
}

/// Every call of this architecture, by name.
pub fn all() -> impl Iterator<Item = Syscall> {
    TABLE.iter().filter_map(here)
}

/// The known name that is nearest to `name`, for a hint; `None` where nothing is near.
pub fn closest(name: &str) -> Option<&'static str> {
    nearest(name, TABLE.iter().map(|row| row.0))
}

/// The candidate with the smallest edit distance, if that is at most a third of the word.
pub(super) fn nearest(
    word: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    // Longer than any name: a distance costs its length, and the text may come from a hostile file.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let limit = (word.len() / 3).max(1);
    candidates
        .map(|candidate| (distance(word.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

fn here(row: &(&'static str, i16, i16)) -> Option<Syscall> {
    let number = if cfg!(target_arch = "x86_64") {
        row.1
    } else {
        row.2
    };
    (number != NONE).then_some(Syscall {
        name: row.0,
        number: u32::from(number as u16),
    })
}

/// Levenshtein distance.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(!from.eq_ignore_ascii_case(to));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
