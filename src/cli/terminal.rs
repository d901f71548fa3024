//! Writing to the terminal. A closed pipe is the reader's business, not an error of ours.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::fs::File;
use std::io::{IsTerminal, Write};

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};

use crate::plan::Plan;

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

/// The terminal on stdin and its mode, as the jail found it.
pub struct Terminal(Option<(Termios, Pid)>);

impl Terminal {
    /// Notes the mode. A server, and a jail that is started in the background, gets /dev/null in the terminal's
    /// place: a jailed process, which is outside of the shell's job control, could read what is typed for others.
    pub fn of_stdin(plan: &Plan) -> Terminal {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Terminal(None);
        }
        let behind = tcgetpgrp(&stdin).is_ok_and(|owner| owner != getpgrp());
        if (behind || !plan.publish.is_empty())
            && let Ok(null) = File::open("/dev/null")
        {
            // A stdin that cannot be replaced stays: nothing is lost by it but this.
            let _ = nix::unistd::dup2_stdin(null);
            return Terminal(None);
        }
        Terminal(tcgetattr(&stdin).ok().map(|mode| (mode, getpgrp())))
    }

    /// Sets the mode again, where the terminal is still ours: programs that are killed leave what they have made
    /// of it.
    pub fn restore(&self) {
        if let Some((mode, group)) = &self.0
            && tcgetpgrp(std::io::stdin()).is_ok_and(|owner| owner == *group)
        {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, mode);
        }
    }
}
