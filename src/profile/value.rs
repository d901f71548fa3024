//! One tree of values with their places in the text, the same for TOML and JSON.
#![forbid(unsafe_code)]

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// How deep tables and lists may be nested; a profile needs five.
pub const MAX_DEPTH: usize = 32;

/// A value and the bytes that it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Its bytes in the text, quotes and brackets included.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of value that a profile can hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A list.
    List(Vec<Value>),
    /// A table, in the order of the text.
    Table(Vec<Entry>),
    /// What no profile key takes: a date, a JSON `null`, a number out of range. Holds its name for the error.
    Other(&'static str),
}

/// One key of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key, unquoted.
    pub key: String,
    /// Its bytes in the text.
    pub key_span: Range<usize>,
    /// What it holds.
    pub value: Value,
}

/// Why a text is no value at all.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntaxError {
    /// Where.
    pub span: Range<usize>,
    /// What is wrong, as a fragment.
    pub message: String,
}

impl Value {
    /// How many values there are, this one included.
    pub fn count(&self) -> usize {
        1 + match &self.kind {
            Kind::List(values) => values.iter().map(Value::count).sum(),
            Kind::Table(entries) => entries.iter().map(|entry| entry.value.count()).sum(),
            _ => 0,
        }
    }
}

impl Kind {
    /// What an error calls a value of this kind.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::String(_) => "text",
            Kind::Integer(_) | Kind::Float(_) => "a number",
            Kind::Bool(_) => "true or false",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
            Kind::Other(name) => name,
        }
    }
}

/// Reads TOML. The first syntax error, and every key that is given twice.
pub fn parse_toml(text: &str) -> Result<Value, Vec<SyntaxError>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let span = table.span();
        let kind = from_table(table.get_ref(), 1).map_err(|error| vec![error])?;
        return Ok(Value { span, kind });
    }
    let mut found: Vec<SyntaxError> = errors
        .iter()
        .map(|error| SyntaxError {
            span: error.span().unwrap_or(0..0),
            message: error.message().replace('\n', ", "),
        })
        .collect();
    found.sort_by_key(|error| error.span.start);
    // After the first mistake the parser's guesses hide the cause; a key given twice leads to no guess.
    let mut first = true;
    found.retain(|error| std::mem::take(&mut first) || error.message == "duplicate key");
    found.truncate(100);
    Err(found)
}

fn too_deep(span: Range<usize>) -> SyntaxError {
    SyntaxError {
        span: span.start..span.start + 1,
        message: format!("nested more than {MAX_DEPTH} deep"),
    }
}

fn from_table(table: &DeTable<'_>, depth: usize) -> Result<Kind, SyntaxError> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        entries.push(Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            value: from_toml(value, depth + 1)?,
        });
    }
    entries.sort_by_key(|entry: &Entry| entry.key_span.start);
    Ok(Kind::Table(entries))
}

fn from_list(list: &DeArray<'_>, depth: usize) -> Result<Kind, SyntaxError> {
    list.iter()
        .map(|value| from_toml(value, depth + 1))
        .collect::<Result<_, _>>()
        .map(Kind::List)
}

fn from_toml(value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Value, SyntaxError> {
    let span = value.span();
    if depth > MAX_DEPTH {
        return Err(too_deep(span));
    }
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Kind::Other("a number out of range"), Kind::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(Kind::Other("a number out of range"), Kind::Float),
        DeValue::Boolean(truth) => Kind::Bool(*truth),
        DeValue::Datetime(_) => Kind::Other("a date"),
        DeValue::Array(list) => from_list(list, depth)?,
        DeValue::Table(table) => from_table(table, depth)?,
    };
    Ok(Value { span, kind })
}
