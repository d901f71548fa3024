//! Text with `${variable}`: read here, expanded by `plan::resolve`.
#![forbid(unsafe_code)]

use std::fmt;

use super::report::Flaw;
use super::types::{Part, Template};

/// Variables that need no `[params]`: the launcher knows their values.
///
/// `node`: the node binary of the command. `home`: the private home in the jail. `user_home`: the caller's
/// home, also written `~`. `install`, `data`: found from the command and the caller's home where the profile
/// names none. `command_dir`: the directory of the script that node runs, or else of the program.
pub const BUILT_IN_VARIABLES: [&str; 6] = [
    "node",
    "home",
    "user_home",
    "install",
    "data",
    "command_dir",
];

impl fmt::Display for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.write_str(text)?,
                Part::Variable(name) => write!(out, "${{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl Template {
    /// The variables that it uses, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }
}

/// Reads any text.
pub fn parse(text: &str) -> Result<Template, Flaw> {
    if text.contains('\0') {
        return Err(Flaw::bare("holds a NUL byte"));
    }
    let mut parts = Vec::new();
    let mut rest = text;
    if rest == "~" || rest.starts_with("~/") {
        parts.push(Part::Variable("user_home".into()));
        rest = &rest[1..];
    }
    while let Some(at) = rest.find("${") {
        if at > 0 {
            parts.push(Part::Text(rest[..at].to_owned()));
        }
        let Some(length) = rest[at..].find('}') else {
            return Err(Flaw::new("`${` is not closed", "write ${name}").at(&rest[at..]));
        };
        let whole = &rest[at..=at + length];
        let name = &whole[2..length];
        if !is_name(name) {
            let hint = "a name is lower-case letters, digits and _, as in ${data}";
            return Err(Flaw::new("not a variable's name", hint).at(whole));
        }
        parts.push(Part::Variable(name.to_owned()));
        rest = &rest[at + length + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(Template(parts))
}

/// Reads a path: absolute, or starting with a variable or `~/`; without `.` and `..`.
pub fn parse_path(text: &str) -> Result<Template, Flaw> {
    let trimmed = if text.len() > 1 {
        text.trim_end_matches('/')
    } else {
        text
    };
    let template = parse(if trimmed.is_empty() { text } else { trimmed })?;
    match template.0.first() {
        None => return Err(Flaw::bare("an empty path")),
        Some(Part::Text(first)) if !first.starts_with('/') => {
            let hint = "start it with /, with ~/ or with a variable such as ${data}";
            return Err(Flaw::new("not an absolute path", hint));
        }
        Some(_) => {}
    }
    if let Some(step) = text.split('/').find(|step| matches!(*step, "." | "..")) {
        return Err(Flaw::new(
            format!("a path with `{step}` in it"),
            "write where it leads",
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Flaw::bare("a path with a control character in it"));
    }
    Ok(template)
}

/// Whether it can name a parameter or a feature's variable.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
