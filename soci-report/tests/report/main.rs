//! Runs `soci-report` alone, on documents in files and on documents that are made by
//! `soci_testkit::document`.
//!
//! Rows such as H3 in a test's documentation are those of the table in `docs/reliability.md`.

#[path = "../../../tests/every_tool/arguments.rs"]
mod arguments;

use assert_cmd::cargo::cargo_bin;
use soci_testkit::process::{Sandbox, Tool};

/// Returns `soci-report`.
fn soci_tool(sandbox: &Sandbox) -> Tool {
    sandbox.program(cargo_bin!("soci-report"))
}
