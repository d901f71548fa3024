//! The command line: clap, one file per command, the only place that prints.
#![forbid(unsafe_code)]

/// Runs the command that the process was started with.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(125)
}
