//! The words of a condition.
#![forbid(unsafe_code)]

use super::when::WhenError;

/// One word, and the bytes of the text that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The word.
    pub kind: Kind<'a>,
    /// Its first byte.
    pub start: usize,
    /// Its length in bytes.
    pub len: usize,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// `arg0`, `AF_UNIX`, `SELF`.
    Name(&'a str),
    /// `17`, `0x1f`.
    Number(u64),
    /// `==`, `&&` and the rest.
    Sign(&'static str),
    /// After the last word.
    End,
}

/// Longer signs first, or `&&` would be read as two `&`.
const SIGNS: [&str; 9] = ["&&", "==", "!=", "&", "|", "(", ")", "-", "~"];

/// What people try, and what to write instead.
const MISTAKES: [(&str, &str); 5] = [
    (
        "||",
        "write two rules: the rules of one call are alternatives",
    ),
    ("=", "write `==`"),
    (
        "<",
        "only `==` and `!=` can be tested, with a mask: `arg1 & 0xff == 3`",
    ),
    (
        ">",
        "only `==` and `!=` can be tested, with a mask: `arg1 & 0xff == 3`",
    ),
    ("!", "write `!=`"),
];

/// Cuts `text` into words; the last is always [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, WhenError> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        if first.is_whitespace() {
            start += first.len_utf8();
            continue;
        }
        let (kind, len) = word(text, start, first)?;
        found.push(Token { kind, start, len });
        start += len;
    }
    found.push(Token {
        kind: Kind::End,
        start: text.len(),
        len: 0,
    });
    Ok(found)
}

fn word(text: &str, start: usize, first: char) -> Result<(Kind<'_>, usize), WhenError> {
    let rest = &text[start..];
    if first.is_ascii_alphanumeric() || first == '_' {
        let other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let len = rest.find(other).unwrap_or(rest.len());
        let word = &rest[..len];
        let kind = if first.is_ascii_digit() {
            number(word, start)?
        } else {
            Kind::Name(word)
        };
        return Ok((kind, len));
    }
    if let Some((wrong, hint)) = MISTAKES.iter().find(|(wrong, _)| {
        rest.starts_with(wrong)
            && !SIGNS
                .iter()
                .any(|s| s.len() > wrong.len() && rest.starts_with(s))
    }) {
        return Err(WhenError::new(start, wrong.len(), "not an operator".into()).hint(*hint));
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => Ok((Kind::Sign(sign), sign.len())),
        None => Err(WhenError::new(
            start,
            first.len_utf8(),
            "not part of a condition".into(),
        )),
    }
}

fn number(word: &str, start: usize) -> Result<Kind<'_>, WhenError> {
    let value = match word.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        // Elsewhere a leading zero means octal: two readings are one too many.
        None if word.len() > 1 && word.starts_with('0') => {
            return Err(
                WhenError::new(start, word.len(), "a number with a leading zero".into())
                    .hint("write it decimal, or hexadecimal with 0x"),
            );
        }
        None => word.parse(),
    };
    value.map(Kind::Number).map_err(|_| {
        WhenError::new(start, word.len(), "not a number of at most 64 bits".into())
            .hint("write it decimal, or hexadecimal with 0x")
    })
}
