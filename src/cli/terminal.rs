//! Writing to the terminal. A closed pipe is the reader's business, not an error of ours.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::Write;

/// Data for the next program in the pipe.
pub fn out(text: impl Display) {
    let _ = write!(std::io::stdout().lock(), "{text}");
}

/// Words for people.
pub fn say(text: impl Display) {
    let _ = write!(std::io::stderr().lock(), "{text}");
}

/// An error with its hint, in the house's shape; returns flowjail's exit code for it.
pub fn fail(code: u8, message: impl Display, hint: Option<&str>) -> u8 {
    say(format_args!("error: {message}\n"));
    if let Some(hint) = hint {
        say(format_args!("hint: {hint}\n"));
    }
    code
}

/// Text of others, safe to print: control characters are shown as escapes.
pub fn tame(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}
