//! `soci-plan`: everything lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    soci_cli::run::<soci_plan::Args>(env!("CARGO_BIN_NAME"))
}
