//! The `soci-prune` executable, which only calls its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    soci_cli::run_tool::<soci_prune::Args>(env!("CARGO_BIN_NAME"))
}
