//! The `soci-check` executable, which only calls its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    soci_cli::run_tool::<soci_check::Args>(env!("CARGO_BIN_NAME"))
}
