//! `when` of a rule: text to conditions.
//!
//! ```text
//! conjunction := condition { "&&" condition }
//! condition   := "argN" [ "&" term ] ( "==" | "!=" ) ( value | "SELF" )
//! value       := term { "|" term }
//! term        := NAME | number | "-" number | "~" term | "(" value ")"
//! ```
#![forbid(unsafe_code)]

use super::constants;
use super::rule::{Compare, Condition, Width};
use super::token::{Kind, Token, tokens};
use super::widths::{Argument, argument};

/// What is wrong with a condition, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhenError {
    /// First byte of what is wrong.
    pub start: usize,
    /// Its length in bytes; 0 at the end of the text.
    pub len: usize,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl WhenError {
    pub(super) fn new(start: usize, len: usize, message: String) -> Self {
        Self {
            start,
            len,
            message,
            hint: None,
        }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// Reads one conjunction over the arguments of `syscall`, as in `arg0 == AF_UNIX && arg2 == 0`.
///
/// The width of each argument is the kernel's: a call whose arguments are not in our table is an
/// error, since a wrong guess is a rule that high bits walk past.
pub fn parse_when(syscall: &str, text: &str) -> Result<Vec<Condition>, WhenError> {
    if argument(syscall, 0).is_none() {
        let message = format!(
            "conditions on `{syscall}` are not supported: the widths of its arguments are not known"
        );
        return Err(WhenError::new(0, text.len(), message)
            .hint("allow the call as a whole, or leave it out"));
    }
    let words = tokens(text)?;
    let mut parser = Parser {
        syscall,
        words: &words,
        at: 0,
        depth: 0,
    };
    let mut conditions = vec![parser.condition()?];
    while parser.skip("&&") {
        conditions.push(parser.condition()?);
    }
    match parser.peek() {
        Token {
            kind: Kind::End, ..
        } => Ok(conditions),
        token => Err(token.wrong("expected `&&` or the end of the condition")),
    }
}

impl Token<'_> {
    fn wrong(&self, message: impl Into<String>) -> WhenError {
        WhenError::new(self.start, self.len, message.into())
    }
}

/// Brackets and `~` nest no deeper than this, so that hostile text cannot exhaust the stack.
const DEPTH: u8 = 16;

struct Parser<'a> {
    syscall: &'a str,
    words: &'a [Token<'a>],
    at: usize,
    depth: u8,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.words[self.at.min(self.words.len() - 1)]
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn skip(&mut self, sign: &'static str) -> bool {
        let found = self.peek().kind == Kind::Sign(sign);
        self.at += usize::from(found);
        found
    }

    fn condition(&mut self) -> Result<Condition, WhenError> {
        let start = self.peek();
        let (arg, width, narrow) = self.argument()?;
        let mask = if self.skip("&") {
            Some(self.masked(width)?)
        } else {
            None
        };
        if narrow && mask.is_none_or(|mask| mask > 0xffff) {
            return Err(start
                .wrong("is a mode, of which the kernel reads 16 bits")
                .hint("test some of them, as in `arg1 & 0xc00 == 0`"));
        }
        let token = self.next();
        let compare = match token.kind {
            Kind::Sign("==") => Compare::Equal,
            Kind::Sign("!=") => Compare::NotEqual,
            _ => return Err(token.wrong("expected `==` or `!=`")),
        };
        if self.peek().kind == Kind::Name("SELF") {
            return self.own_pid(arg, width, mask.is_some(), compare);
        }
        let first = self.peek();
        let value = self.value(width)?;
        if let Some(mask) = mask
            && value & !mask != 0
        {
            let answer = if compare == Compare::Equal {
                "never"
            } else {
                "always"
            };
            return Err(first.wrong(format!(
                "has bits that the mask 0x{mask:x} drops: the condition {answer} holds"
            )));
        }
        Ok(Condition {
            arg,
            width,
            mask: mask.unwrap_or(u64::MAX),
            compare,
            value,
        })
    }

    fn argument(&mut self) -> Result<(u8, Width, bool), WhenError> {
        let token = self.next();
        let Kind::Name(name) = token.kind else {
            return Err(token
                .wrong("expected an argument")
                .hint("write `arg0` to `arg5`"));
        };
        let number = name
            .strip_prefix("arg")
            .and_then(|number| match number.as_bytes() {
                [digit @ b'0'..=b'5'] => Some(digit - b'0'),
                _ => None,
            });
        let Some(arg) = number else {
            return Err(token
                .wrong(format!("`{name}` is not an argument"))
                .hint("write `arg0` to `arg5`"));
        };
        match argument(self.syscall, arg) {
            Some(Argument::Wide(width)) => Ok((arg, width, false)),
            Some(Argument::Mode) => Ok((arg, Width::Int, true)),
            Some(Argument::Missing) => Err(token
                .wrong(format!("`{}` has no argument {arg}", self.syscall))
                .hint("the first argument is arg0")),
            None => Err(token.wrong(format!(
                "argument {arg} of `{}` cannot be tested",
                self.syscall
            ))),
        }
    }

    fn masked(&mut self, width: Width) -> Result<u64, WhenError> {
        let token = self.peek();
        match self.term(width)? {
            0 => Err(token.wrong("a mask of 0 keeps no bit")),
            mask => Ok(mask),
        }
    }

    fn own_pid(
        &mut self,
        arg: u8,
        width: Width,
        masked: bool,
        compare: Compare,
    ) -> Result<Condition, WhenError> {
        let token = self.next();
        if width != Width::Int || masked || compare != Compare::Equal {
            return Err(
                token.wrong("`SELF` is only compared as in `arg0 == SELF`, with a pid argument")
            );
        }
        Ok(Condition {
            arg,
            width,
            mask: u64::MAX,
            compare: Compare::OwnPid,
            value: 0,
        })
    }

    fn value(&mut self, width: Width) -> Result<u64, WhenError> {
        let mut value = self.term(width)?;
        while self.skip("|") {
            value |= self.term(width)?;
        }
        Ok(value)
    }

    fn term(&mut self, width: Width) -> Result<u64, WhenError> {
        let token = self.next();
        let value = match token.kind {
            Kind::Name("SELF") => return Err(token.wrong("`SELF` stands alone")),
            Kind::Name(name) => constants::value(name).ok_or_else(|| unknown(&token, name))?,
            Kind::Number(value) => value,
            Kind::Sign("-") => negative(self.next(), width)?,
            Kind::Sign("~") => !self.nested(&token, |parser| parser.term(width))? & width.bits(),
            Kind::Sign("(") => {
                let value = self.nested(&token, |parser| parser.value(width))?;
                if !self.skip(")") {
                    return Err(self.peek().wrong("expected `)`"));
                }
                value
            }
            _ => {
                return Err(token
                    .wrong("expected a value")
                    .hint("a number or a constant, as AF_UNIX"));
            }
        };
        if value & !width.bits() != 0 {
            return Err(token.wrong("does not fit the 32 bits of an int argument"));
        }
        Ok(value)
    }

    fn nested<T>(
        &mut self,
        at: &Token<'_>,
        inner: impl FnOnce(&mut Self) -> Result<T, WhenError>,
    ) -> Result<T, WhenError> {
        if self.depth == DEPTH {
            return Err(at.wrong("nested too deep"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }
}

fn negative(token: Token<'_>, width: Width) -> Result<u64, WhenError> {
    let Kind::Number(magnitude) = token.kind else {
        return Err(token.wrong("expected a number after `-`"));
    };
    let least = width.bits() / 2 + 1;
    if magnitude > least {
        return Err(token.wrong("too far below zero for this argument"));
    }
    Ok(magnitude.wrapping_neg() & width.bits())
}

fn unknown(token: &Token<'_>, name: &str) -> WhenError {
    let error = token.wrong(format!("unknown constant `{name}`"));
    match constants::closest(name) {
        Some(near) => error.hint(format!(
            "did you mean `{near}`? a number works for any other"
        )),
        None => error.hint("write its number"),
    }
}
