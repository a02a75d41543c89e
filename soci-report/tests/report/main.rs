//! Runs `soci-report` alone, on documents in files.
//!
//! Rows such as H3 in a test's documentation are those of the table in `docs/reliability.md`.

#[path = "../../../tests/every_tool/arguments.rs"]
mod arguments;
mod golden;
mod hostile;
mod input;
mod limits;
mod markup;
mod output;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use soci_testkit::process::{Finished, Sandbox, Tool};

/// Documents of all stages and states.
const IMAGES: &str = include_str!("golden/images.jsonl");

/// The formats of a report.
const FORMATS: [&str; 3] = ["text", "markdown", "html"];

/// Returns `soci-report`.
fn soci_tool(sandbox: &Sandbox) -> Tool {
    sandbox.program(cargo_bin!("soci-report"))
}

/// Runs `soci-report` on lines.
fn run(format: &str, lines: &str) -> Finished {
    let sandbox = Sandbox::new();
    let tool = soci_tool(&sandbox).args(["--format", format]);
    tool.stdin(lines).run()
}

/// Returns the report on lines of which no image failed.
#[track_caller]
fn report(format: &str, lines: &str) -> String {
    run(format, lines).succeeds().text().to_owned()
}

/// Returns the first document, whose image was pushed for two platforms.
fn pushed() -> Value {
    let line = IMAGES.lines().next().expect("a line");
    serde_json::from_str(line).expect("a document")
}
