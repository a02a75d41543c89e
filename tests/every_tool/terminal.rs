//! What a tool writes to stdout: documents, or a summary for a user at a terminal.

use serde_json::{Value, json};
use soci_testkit::{process::Tool, terminal};

use super::Prepared;

/// Runs the tool, whose stdout is a terminal and whose stderr is a file, and returns what the
/// terminal shows.
#[track_caller]
fn at_terminal(prepared: &Prepared, tool: Tool, line: &[u8]) -> String {
    let finished = terminal::run(&prepared.sandbox, tool, line, "2>errors");
    finished.text().to_owned()
}

/// Asserts that a text is a document.
#[track_caller]
fn assert_is_document(text: &[u8]) {
    let document: Value = serde_json::from_slice(text).expect("one document");
    assert_eq!(document["version"], 1);
}

/// Asserts that a text is a short summary of the image.
#[track_caller]
fn assert_is_summary(prepared: &Prepared, text: &str) {
    let document = prepared.document();
    let image = document["image"].as_str().expect("a reference");
    assert!(text.starts_with(&format!("{image}: ")), "{text}");
    assert!(text.contains("\n  layers    "), "{text}");
    assert!(text.len() < 1000 && !text.contains('{'), "{text}");
}

#[test]
fn a_terminal_gets_a_summary_unless_json_is_asked_for() {
    let prepared = Prepared::new();
    let text = at_terminal(&prepared, prepared.tool(), &prepared.line);
    assert_is_summary(&prepared, &text);
    let json = [
        prepared.tool().args(["--format", "json"]),
        prepared.tool().env("SOCI_FORMAT", "json"),
    ];
    for tool in json {
        assert_is_document(at_terminal(&prepared, tool, &prepared.line).as_bytes());
    }
}

/// A variable is set for all tools of a pipe, so that it must not break the pipe.
#[test]
fn a_pipe_gets_documents_unless_the_option_asks_for_text() {
    let prepared = Prepared::new();
    let run = |tool: Tool| tool.stdin(prepared.line.clone()).run().succeeds();
    assert_is_document(&run(prepared.tool()).stdout);
    for format in ["text", "auto", "json"] {
        let tool = prepared.tool().env("SOCI_FORMAT", format);
        assert_is_document(&run(tool).stdout);
    }
    let text = run(prepared.tool().arg("--format=text"));
    assert_is_summary(&prepared, text.text());
    run(prepared.tool().arg("--format=text").arg("-q"));
    let refused = prepared.tool().args(["--format", "yaml"]).run();
    refused.ends_with(2).says("auto, json, text");
}

/// A file gets documents, and text if the user asks for it in any way.
#[test]
fn a_file_gets_documents_unless_text_is_asked_for() {
    let prepared = Prepared::new();
    let written = |tool: Tool| {
        terminal::run(&prepared.sandbox, tool, &prepared.line, "> output 2>errors");
        std::fs::read(prepared.sandbox.path().join("output")).expect("the output")
    };
    assert_is_document(&written(prepared.tool()));
    let text = written(prepared.tool().env("SOCI_FORMAT", "text"));
    assert_is_summary(&prepared, &String::from_utf8_lossy(&text));
}

/// A failed image is one line on a terminal, whichever stage it failed in, and cannot control the
/// terminal.
#[test]
fn a_terminal_gets_a_line_for_a_failed_image() {
    let prepared = Prepared::new();
    let failed = json!({"version": 1, "image": "b:v1\u{1b}[2J\nc:v1",
        "error": {"stage": "soci-pull", "exit": 80, "message": "no such tag\u{9b}2J"}});
    let text = at_terminal(&prepared, prepared.tool(), failed.to_string().as_bytes());
    assert_eq!(
        text,
        "b:v1\\u{1b}[2J\\nc:v1: failed in soci-pull: no such tag\\u{9b}2J\n"
    );
    let mut broken = prepared.document();
    broken["root"] = json!(7);
    let text = at_terminal(&prepared, prepared.tool(), broken.to_string().as_bytes());
    let image = broken["image"].as_str().expect("a reference");
    assert!(
        text.starts_with(&format!("{image}: failed in soci-")),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}
