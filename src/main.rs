//! flowjail: see the library's crate documentation.
fn main() -> std::process::ExitCode {
    flowjail::cli::main()
}
