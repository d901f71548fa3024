//! What is wrong with a profile: every problem with its place, shown as the line, carets and a hint.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{json, report};

/// A text that profile lines come from.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's path as the user gave it, `built-in NAME`, or a flag such as `--allow`.
    pub name: String,
    /// The whole text; the flag's value where the source is a flag.
    pub text: String,
    /// Whether it is a file or a flag.
    pub kind: SourceKind,
    /// Where each line starts: every rule and path asks for its line.
    line_starts: Vec<usize>,
}

impl Source {
    /// A text by its name.
    pub fn new(name: impl Into<String>, text: impl Into<String>, kind: SourceKind) -> Source {
        let text = text.into();
        let starts = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(starts).collect();
        Source {
            name: name.into(),
            text,
            kind,
            line_starts,
        }
    }
}

/// The kinds of [`Source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A TOML file, or a built-in profile.
    Toml,
    /// A JSON file.
    Json,
    /// A value on the command line.
    Flag,
}

/// Some bytes of a [`Source`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// The bytes.
    pub span: Range<usize>,
}

/// One thing that is wrong in a profile or on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The text that it is in.
    pub file: Arc<Source>,
    /// Its bytes; none where the file as a whole is meant, as when it cannot be read.
    pub span: Option<Range<usize>>,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Everything that is wrong with a profile. Its `Display` is the text for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The profile as the user named it.
    pub profile: String,
    /// The problems, by file and then by place; never empty.
    pub list: Vec<Problem>,
}

impl std::error::Error for Problems {}

/// The longest piece of a line that is shown; more is cut around the place.
const SHOWN: usize = 100;

impl Place {
    /// `file:line`, for plans and events; a flag is shown as on the command line.
    pub fn origin(&self) -> String {
        match self.source.kind {
            SourceKind::Flag => format!("{} {}", self.source.name, self.source.text),
            _ => format!("{}:{}", self.source.name, self.line()),
        }
    }

    /// The line's number, from 1.
    pub fn line(&self) -> usize {
        let starts = &self.source.line_starts;
        starts
            .partition_point(|start| *start <= self.span.start)
            .max(1)
    }

    /// The place of `needle` inside this one; this one where it is not found (as when it was written with escapes).
    pub fn narrow(&self, needle: &str) -> Place {
        let inside = self.source.text.get(self.span.clone()).unwrap_or_default();
        match inside.find(needle) {
            Some(at) if !needle.is_empty() => {
                let start = self.span.start + at;
                Place {
                    source: Arc::clone(&self.source),
                    span: start..start + needle.len(),
                }
            }
            _ => self.clone(),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flags, files): (Vec<_>, Vec<_>) = self
            .list
            .iter()
            .partition(|problem| problem.file.kind == SourceKind::Flag);
        if !files.is_empty() {
            writeln!(
                out,
                "error: profile `{}` cannot be used",
                visible(&self.profile)
            )?;
        }
        for (index, problem) in files.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            show_in_file(problem, out)?;
        }
        for (index, problem) in flags.iter().enumerate() {
            if index > 0 || !files.is_empty() {
                writeln!(out)?;
            }
            show_flag(problem, out)?;
        }
        match self.list.len() {
            1 => Ok(()),
            count if count < report::ENOUGH => writeln!(out, "\n{count} problems"),
            count => writeln!(out, "\n{count} problems, and perhaps more"),
        }
    }
}

fn show_in_file(problem: &Problem, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = visible(&problem.file.name);
    let Some(span) = &problem.span else {
        writeln!(out, "  {name}: {}", problem.message)?;
        return show_hint(problem, out);
    };
    let text = &problem.file.text;
    let start = boundary(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].split('\n').next().unwrap_or_default();
    let place = Place {
        source: Arc::clone(&problem.file),
        span: start..start,
    };
    let number = place.line().to_string();
    let column = text[line_start..start].chars().count() + 1;
    let path = match problem.file.kind {
        SourceKind::Json => json::parse_json(text)
            .map(|root| json::path_at(&root, start))
            .unwrap_or_default(),
        _ => String::new(),
    };
    let path = if path.is_empty() {
        path
    } else {
        format!(" {}", visible(&path))
    };
    writeln!(out, "  {name}:{number}:{column}{path}")?;
    let (shown, indent, carets) = excerpt(line, start - line_start, span.len());
    writeln!(out, "{number} | {shown}")?;
    let margin = " ".repeat(number.len());
    writeln!(
        out,
        "{margin} | {}{} {}",
        " ".repeat(indent),
        "^".repeat(carets),
        problem.message
    )?;
    show_hint(problem, out)
}

fn show_flag(problem: &Problem, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = &problem.file.name;
    let text = &problem.file.text;
    let (shown, _, _) = excerpt(text, 0, 0);
    writeln!(out, "error: `{name} {shown}` cannot be used")?;
    let span = problem.span.clone().unwrap_or(0..text.len());
    let start = boundary(text, span.start);
    let (shown, indent, carets) = excerpt(text, start, span.len());
    writeln!(out, "  {name} {shown}")?;
    writeln!(
        out,
        "  {}{} {}",
        " ".repeat(name.chars().count() + 1 + indent),
        "^".repeat(carets),
        problem.message
    )?;
    show_hint(problem, out)
}

fn show_hint(problem: &Problem, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &problem.hint {
        Some(hint) => writeln!(out, "hint: {hint}"),
        None => Ok(()),
    }
}

fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// What of a line is shown, how far the carets are indented in it, and how many there are.
fn excerpt(line: &str, start: usize, length: usize) -> (String, usize, usize) {
    let line = line.trim_end_matches('\r');
    let start = boundary(line, start);
    let end = boundary(line, start + length);
    let before = line[..start].chars().count();
    let marked = line[start..end].chars().count();
    let skip = if before + marked.min(SHOWN / 2) > SHOWN {
        before - SHOWN / 4
    } else {
        0
    };
    let mut shown: String = line.chars().skip(skip).take(SHOWN).map(plain).collect();
    let rest = line.chars().count().saturating_sub(skip + SHOWN);
    if rest > 0 {
        shown.push_str("...");
    }
    let mut indent = before - skip;
    if skip > 0 {
        shown.insert_str(0, "...");
        indent += 3;
    }
    (
        shown.trim_end().to_owned(),
        indent,
        marked.min(SHOWN - (before - skip).min(SHOWN - 1)).max(1),
    )
}

/// One column per character, and nothing that a terminal acts on: a profile may come from anyone.
fn plain(character: char) -> char {
    match character {
        '\t' => ' ',
        // Bidirectional controls reorder what stands around them on the screen.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        other if other.is_control() => '\u{fffd}',
        other => other,
    }
}

/// Text from outside, safe to show.
pub fn visible(text: &str) -> String {
    text.chars().take(200).map(plain).collect()
}
