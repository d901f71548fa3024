//! From a profile's name to everything that it extends, each file once, in the order of application.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::builtin;
use super::check;
use super::file::{self, Fragment, ProfileFile};
use super::json::parse_json;
use super::load::ReadError;
use super::overlay::{self, Overlay};
use super::problem::{Place, Problems, Source, SourceKind};
use super::report::{Report, did_you_mean};
use super::types::Profile;
use super::value::{Kind, Value, parse_toml};

/// How many files a profile may be made of.
const MAX_FILES: usize = 32;

/// How many values one file may hold; the shipped ones hold some hundreds.
const MAX_VALUES: usize = 4096;

/// Reads a profile's text; the only way from here to the file system.
pub type Reader<'r> = &'r dyn Fn(&Path) -> Result<String, ReadError>;

/// Which profile is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    BuiltIn(String),
    File(PathBuf),
}

struct Chain<'r> {
    reader: Reader<'r>,
    report: Report,
    /// Files that are being read, outermost first: meeting one of them again is a cycle.
    open: Vec<Id>,
    done: Vec<Id>,
    /// The files, in order of application.
    files: Vec<ProfileFile>,
    /// Whether a file is missing from them: what follows from the absence of its lines would mislead.
    incomplete: bool,
}

/// Resolves a name or path, its inheritance, its features and the command line to a checked profile.
pub fn resolve(name: &str, overlay: &Overlay, reader: Reader<'_>) -> Result<Profile, Problems> {
    let mut chain = Chain {
        reader,
        report: Report::default(),
        open: Vec::new(),
        done: Vec::new(),
        files: Vec::new(),
        incomplete: false,
    };
    let id = identify(name, None);
    chain.visit(id, None);
    let Chain {
        mut report,
        files,
        incomplete,
        ..
    } = chain;
    let mut over = overlay::read(overlay, &mut report);
    if incomplete {
        return Err(report.finish(name));
    }
    let mut merged = Fragment::default();
    let mut about = None;
    let mut features: BTreeMap<String, Vec<Fragment>> = BTreeMap::new();
    for file in files {
        about = file.about.or(about);
        merged.absorb(file.body, &mut report);
        for (name, fragment) in file.features {
            features.entry(name).or_default().push(fragment);
        }
    }
    apply_features(&mut merged, features, &over, &mut report);
    overlay::check_params(&over, &merged, &mut report);
    overlay::keep_lines(&mut over, &merged);
    merged.absorb(over, &mut report);
    let profile = check::check(stem(name), about, merged, &mut report);
    match report.is_empty() {
        true => Ok(profile),
        false => Err(report.finish(name)),
    }
}

fn apply_features(
    merged: &mut Fragment,
    mut features: BTreeMap<String, Vec<Fragment>>,
    over: &Fragment,
    report: &mut Report,
) {
    let known: Vec<String> = features.keys().cloned().collect();
    let mut wanted = merged.features.clone();
    for item in &over.features {
        if !wanted.iter().any(|old| old.value == item.value) {
            wanted.push(item.clone());
        }
    }
    for item in wanted {
        match features.remove(&item.value) {
            Some(fragments) => fragments
                .into_iter()
                .for_each(|fragment| merged.absorb(fragment, report)),
            None => {
                let hint = did_you_mean(&item.value, known.iter().map(String::as_str))
                    .unwrap_or_else(|| {
                        if known.is_empty() {
                            "this profile has none: define it as [feature.NAME]".to_owned()
                        } else {
                            format!("this profile has: {}", known.join(", "))
                        }
                    });
                report.hinted(&item.place, "an unknown feature", hint);
            }
        }
    }
}

/// A name without `/` that does not end in `.toml` or `.json` is built in.
fn identify(name: &str, from: Option<&Id>) -> Id {
    if !name.contains('/') && !name.ends_with(".toml") && !name.ends_with(".json") {
        return Id::BuiltIn(name.to_owned());
    }
    let path = match from {
        Some(Id::File(file)) => file.parent().unwrap_or(Path::new("")).join(name),
        _ => PathBuf::from(name),
    };
    Id::File(plain(&path))
}

/// The path without `.` and with `x/..` folded, so that a cycle is seen as one.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for component in path.components() {
        match (component, out.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                out.pop();
            }
            (other, _) => out.push(other),
        }
    }
    out
}

fn stem(name: &str) -> String {
    Path::new(name).file_stem().map_or_else(
        || name.to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

impl Chain<'_> {
    fn visit(&mut self, id: Id, by: Option<&Place>) {
        if self.done.contains(&id) || self.refused(&id, by) {
            return;
        }
        let Some(source) = self.open_source(&id, by) else {
            return;
        };
        self.report.meet(&source);
        let Some(root) = self.parse(&source) else {
            self.incomplete = true;
            return;
        };
        let file = file::read(&source, &root, &mut self.report);
        self.open.push(id.clone());
        for item in &file.extends {
            self.visit(identify(&item.value, Some(&id)), Some(&item.place));
        }
        self.open.pop();
        self.done.push(id);
        self.files.push(file);
    }

    /// Whether this one cannot be extended, for what the extending line would do.
    fn refused(&mut self, id: &Id, by: Option<&Place>) -> bool {
        let Some(place) = by else { return false };
        let (message, hint) = if let Some(start) = self.open.iter().position(|open| open == id) {
            let names: Vec<String> = self.open[start..]
                .iter()
                .chain([id])
                .map(Id::shown)
                .collect();
            ("extends itself".to_owned(), Some(names.join(" extends ")))
        } else if self.open.len() + self.done.len() >= MAX_FILES {
            (format!("more than {MAX_FILES} profiles in all"), None)
        } else {
            return false;
        };
        self.report.add(place, message, hint);
        self.incomplete = true;
        true
    }

    fn open_source(&mut self, id: &Id, by: Option<&Place>) -> Option<Arc<Source>> {
        let (message, hint) = match id.text(self.reader) {
            Ok((text, kind)) => {
                let name = id.shown();
                return Some(Arc::new(Source::new(name, text, kind)));
            }
            Err(wrong) => wrong,
        };
        self.incomplete = true;
        match by {
            Some(place) => self.report.add(place, message, hint),
            None => {
                let nothing = Source::new(id.shown(), "", SourceKind::Toml);
                self.report.whole(&Arc::new(nothing), message, hint);
            }
        }
        None
    }

    fn parse(&mut self, source: &Arc<Source>) -> Option<Value> {
        let parsed = match source.kind {
            SourceKind::Json => parse_json(&source.text),
            _ => parse_toml(&source.text),
        };
        match parsed {
            Ok(root) if root.count() > MAX_VALUES => {
                let message = format!("holds more than {MAX_VALUES} values");
                self.report.whole(source, message, None);
                None
            }
            Ok(root) if matches!(root.kind, Kind::Table(_)) => Some(root),
            Ok(root) => {
                let span = root.span.start..root.span.start + 1;
                let place = Place {
                    source: Arc::clone(source),
                    span,
                };
                self.report.add(
                    &place,
                    format!("{} is no profile: a table is", root.kind.name()),
                    None,
                );
                None
            }
            Err(errors) => {
                for error in errors {
                    let place = Place {
                        source: Arc::clone(source),
                        span: error.span,
                    };
                    self.report.add(&place, error.message, None);
                }
                None
            }
        }
    }
}

/// What is wrong with a name or a path, and a hint.
type Wrong = (String, Option<String>);

impl Id {
    fn text(&self, reader: Reader<'_>) -> Result<(String, SourceKind), Wrong> {
        match self {
            Id::BuiltIn(name) => match builtin::text(name) {
                Some(text) => Ok((text.to_owned(), SourceKind::Toml)),
                None => Err(no_such_builtin(name)),
            },
            Id::File(path) => {
                let json = path.extension().is_some_and(|end| end == "json");
                let kind = if json {
                    SourceKind::Json
                } else {
                    SourceKind::Toml
                };
                let text = reader(path).map_err(|error| (error.to_string(), error.hint()))?;
                Ok((text, kind))
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            Id::BuiltIn(name) => format!("built-in {name}"),
            Id::File(path) => path.display().to_string(),
        }
    }
}

fn no_such_builtin(name: &str) -> Wrong {
    let hint = did_you_mean(name, builtin::names()).unwrap_or_else(|| {
        let known: Vec<&str> = builtin::names().collect();
        format!(
            "built in are {}; a file is written with `/` or ends in .toml or .json",
            known.join(", ")
        )
    });
    ("no built-in profile of this name".to_owned(), Some(hint))
}
