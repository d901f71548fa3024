//! JSON profiles: the same tree of values, with places.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::value::{Entry, Kind, MAX_DEPTH, SyntaxError, Value};

/// Reads JSON. Keys given twice are errors, since JSON itself would keep only the last.
pub fn parse_json(text: &str) -> Result<Value, Vec<SyntaxError>> {
    let whole: &RawValue =
        serde_json::from_str(text).map_err(|error| vec![syntax_error(text, &error)])?;
    Walk { text }
        .value(whole.get(), 1)
        .map_err(|error| vec![error])
}

/// The path of the innermost value at `offset`, as in `files.read[0]`.
pub fn path_at(root: &Value, offset: usize) -> String {
    let mut path = String::new();
    let mut here = root;
    loop {
        let next = match &here.kind {
            Kind::Table(entries) => entries
                .iter()
                .find(|entry| (entry.key_span.start..entry.value.span.end).contains(&offset))
                .map(|entry| {
                    (
                        if path.is_empty() {
                            entry.key.clone()
                        } else {
                            format!(".{}", entry.key)
                        },
                        &entry.value,
                    )
                }),
            Kind::List(values) => values
                .iter()
                .position(|value| value.span.contains(&offset))
                .map(|index| (format!("[{index}]"), &values[index])),
            _ => None,
        };
        let Some((step, value)) = next else {
            return path;
        };
        path.push_str(&step);
        here = value;
    }
}

fn syntax_error(text: &str, error: &serde_json::Error) -> SyntaxError {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let start = (line_start + error.column().saturating_sub(1)).min(text.len());
    let start = (0..=start)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let message = error.to_string();
    let message = message
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    SyntaxError {
        span: start..start,
        message,
    }
}

struct Walk<'t> {
    text: &'t str,
}

impl<'t> Walk<'t> {
    /// Where `part`, a slice of the text, lies in it.
    fn span(&self, part: &'t str) -> Range<usize> {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        start..start + part.len()
    }

    fn value(&self, raw: &'t str, depth: usize) -> Result<Value, SyntaxError> {
        let span = self.span(raw);
        if depth > MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return Err(SyntaxError {
                span: span.start..span.start + 1,
                message,
            });
        }
        let kind = match raw.as_bytes().first() {
            Some(b'{') => self.table(raw, depth)?,
            Some(b'[') => self.list(raw, depth)?,
            _ => self.scalar(raw)?,
        };
        Ok(Value { span, kind })
    }

    fn failed(&self, raw: &'t str, error: &serde_json::Error) -> SyntaxError {
        let inner = syntax_error(raw, error);
        let start = self.span(raw).start;
        SyntaxError {
            span: start + inner.span.start..start + inner.span.end,
            message: inner.message,
        }
    }

    fn scalar(&self, raw: &'t str) -> Result<Kind, SyntaxError> {
        let value: serde_json::Value =
            serde_json::from_str(raw).map_err(|error| self.failed(raw, &error))?;
        Ok(match value {
            serde_json::Value::String(text) => Kind::String(text),
            serde_json::Value::Bool(truth) => Kind::Bool(truth),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Kind::Integer(whole),
                (None, Some(float)) => Kind::Float(float),
                (None, None) => Kind::Other("a number out of range"),
            },
            _ => Kind::Other("null"),
        })
    }

    fn list(&self, raw: &'t str, depth: usize) -> Result<Kind, SyntaxError> {
        let mut reader = serde_json::Deserializer::from_str(raw);
        let values = reader
            .deserialize_seq(Values)
            .map_err(|error| self.failed(raw, &error))?;
        values
            .into_iter()
            .map(|value| self.value(value.get(), depth + 1))
            .collect::<Result<_, _>>()
            .map(Kind::List)
    }

    fn table(&self, raw: &'t str, depth: usize) -> Result<Kind, SyntaxError> {
        let mut reader = serde_json::Deserializer::from_str(raw);
        let pairs = reader
            .deserialize_map(Pairs)
            .map_err(|error| self.failed(raw, &error))?;
        let mut entries: Vec<Entry> = Vec::with_capacity(pairs.len());
        let mut seen = std::collections::BTreeSet::new();
        let mut before = self.span(raw).start + 1;
        for (key, value) in pairs {
            let span = self.span(value.get());
            // What stands between the last value and this one is the key, with punctuation around it.
            let between = &self.text[before..span.start];
            let first = between.find('"').unwrap_or(0);
            let last = between.rfind('"').map_or(between.len(), |at| at + 1);
            let key_span = before + first..before + last;
            before = span.end;
            if !seen.insert(key.clone()) {
                return Err(SyntaxError {
                    span: key_span,
                    message: "given twice in the same table".into(),
                });
            }
            entries.push(Entry {
                key,
                key_span,
                value: self.value(value.get(), depth + 1)?,
            });
        }
        Ok(Kind::Table(entries))
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = access.next_element()? {
            all.push(value);
        }
        Ok(all)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(pair) = access.next_entry()? {
            all.push(pair);
        }
        Ok(all)
    }
}
