//! The `soci-index` executable, which only calls its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    soci_cli::run_tool::<soci_index::Args>(env!("CARGO_BIN_NAME"))
}
