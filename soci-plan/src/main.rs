//! The `soci-plan` executable, which only calls its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    soci_cli::run_tool::<soci_plan::Args>(env!("CARGO_BIN_NAME"))
}
