//! The `soci-report` executable, which only calls its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    soci_cli::run_tool::<soci_report::Args>(env!("CARGO_BIN_NAME"))
}
