//! `soci-push`: everything lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    soci_cli::run::<soci_push::Args>(env!("CARGO_BIN_NAME"))
}
