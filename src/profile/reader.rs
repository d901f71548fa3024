//! Typed reading of spanned values: each wrong type or unknown key is a problem, and reading goes on.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::problem::{Place, Source};
use super::report::{Report, nearest};
use super::value::{Entry, Kind, Value};

/// A value together with the text that it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Node<'v> {
    /// The text.
    pub source: &'v Arc<Source>,
    /// The value.
    pub value: &'v Value,
}

/// A table whose keys are known ones.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'v> {
    source: &'v Arc<Source>,
    entries: &'v [Entry],
}

/// A list entry: its text, or the table that says more about it.
#[derive(Debug)]
pub struct Line<'v> {
    /// The main text, as the path or the host.
    pub text: String,
    /// Its place.
    pub place: Place,
    /// The reason given; empty where none is.
    pub why: String,
    /// The table, where the entry is one.
    pub fields: Option<Fields<'v>>,
}

impl<'v> Node<'v> {
    /// Where the value stands.
    pub fn place(&self) -> Place {
        Place {
            source: Arc::clone(self.source),
            span: self.value.span.clone(),
        }
    }

    fn wrong(&self, report: &mut Report, expected: &str) {
        report.add(
            &self.place(),
            format!("is {}, not {expected}", self.value.kind.name()),
            None,
        );
    }

    /// Text.
    pub fn text(&self, report: &mut Report) -> Option<String> {
        match &self.value.kind {
            Kind::String(text) => Some(text.clone()),
            _ => {
                self.wrong(report, "text");
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn truth(&self, report: &mut Report) -> Option<bool> {
        match self.value.kind {
            Kind::Bool(truth) => Some(truth),
            _ => {
                self.wrong(report, "true or false");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn whole(&self, bounds: std::ops::RangeInclusive<u64>, report: &mut Report) -> Option<u64> {
        let Kind::Integer(number) = self.value.kind else {
            self.wrong(report, "a whole number");
            return None;
        };
        match u64::try_from(number) {
            Ok(number) if bounds.contains(&number) => Some(number),
            _ => {
                let message = format!("is not between {} and {}", bounds.start(), bounds.end());
                report.add(&self.place(), message, None);
                None
            }
        }
    }

    /// The nodes of a list.
    pub fn list(&self, report: &mut Report) -> Vec<Node<'v>> {
        if report.is_full() {
            return Vec::new();
        }
        match &self.value.kind {
            Kind::List(values) => values
                .iter()
                .map(|value| Node {
                    source: self.source,
                    value,
                })
                .collect(),
            _ => {
                let hint = match self.value.kind {
                    Kind::String(_) => Some("put it in brackets, as in [\"...\"]".to_owned()),
                    _ => None,
                };
                report.add(
                    &self.place(),
                    format!("is {}, not a list", self.value.kind.name()),
                    hint,
                );
                Vec::new()
            }
        }
    }

    /// A list of texts, or one text that stands for a list of one.
    pub fn texts(&self, report: &mut Report) -> Vec<(String, Place)> {
        if let Kind::String(text) = &self.value.kind {
            return vec![(text.clone(), self.place())];
        }
        let nodes = self.list(report);
        nodes
            .iter()
            .filter_map(|node| node.text(report).map(|text| (text, node.place())))
            .collect()
    }

    /// Every key of a table whose keys are free.
    pub fn pairs(&self, report: &mut Report) -> Vec<(&'v str, Place, Node<'v>)> {
        let Kind::Table(entries) = &self.value.kind else {
            self.wrong(report, "a table");
            return Vec::new();
        };
        entries
            .iter()
            .map(|entry| {
                let place = Place {
                    source: Arc::clone(self.source),
                    span: entry.key_span.clone(),
                };
                (
                    entry.key.as_str(),
                    place,
                    Node {
                        source: self.source,
                        value: &entry.value,
                    },
                )
            })
            .collect()
    }

    /// A table with these keys and no others.
    pub fn table(&self, known: &[&str], report: &mut Report) -> Fields<'v> {
        for (key, place, _) in self.pairs(report) {
            if known.contains(&key) || report.is_full() {
                continue;
            }
            let hint = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            report.hinted(&place, "unknown key", hint);
        }
        let entries = match &self.value.kind {
            Kind::Table(entries) => entries.as_slice(),
            _ => &[],
        };
        Fields {
            source: self.source,
            entries,
        }
    }

    /// A list entry: text, or a table in which `main` holds the text and `more` are its other keys.
    pub fn line(&self, main: &str, more: &[&str], report: &mut Report) -> Option<Line<'v>> {
        match &self.value.kind {
            Kind::String(text) => Some(Line {
                text: text.clone(),
                place: self.place(),
                why: String::new(),
                fields: None,
            }),
            Kind::Table(_) => {
                let known: Vec<&str> = [main, "why"]
                    .into_iter()
                    .chain(more.iter().copied())
                    .collect();
                let fields = self.table(&known, report);
                let why = fields.why(report);
                let Some(node) = fields.get(main) else {
                    report.add(&self.place(), format!("has no `{main}`"), None);
                    return None;
                };
                let text = node.text(report)?;
                Some(Line {
                    text,
                    place: node.place(),
                    why,
                    fields: Some(fields),
                })
            }
            _ => {
                self.wrong(report, "text or a table");
                None
            }
        }
    }
}

impl<'v> Line<'v> {
    /// The value of another key than the main one.
    pub fn get(&self, key: &str) -> Option<Node<'v>> {
        self.fields.and_then(|fields| fields.get(key))
    }
}

impl<'v> Fields<'v> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Node<'v>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Node {
            source: self.source,
            value: &entry.value,
        })
    }

    /// The reason, empty where there is none.
    pub fn why(&self, report: &mut Report) -> String {
        self.get("why")
            .and_then(|node| node.text(report))
            .unwrap_or_default()
    }
}
