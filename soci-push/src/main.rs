//! The `soci-push` executable, which only calls its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    soci_cli::run_tool::<soci_push::Args>(env!("CARGO_BIN_NAME"))
}
