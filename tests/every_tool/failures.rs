//! Images that failed: in an earlier stage, which each stage passes on, or in this one.

use std::{fs::File, process::Stdio};

use serde_json::{Value, json};
use soci_testkit::process::Sandbox;

use super::Prepared;

/// The line of an image that failed in `soci-pull`, with spaces and fields that a tool would write
/// in another way.
fn failed(image: &str, exit: u8) -> String {
    let image = json!(image);
    format!(
        r#" {{ "error":{{"message":"m\u00e4h","exit":{exit},"stage":"soci-pull", "x":1.50}} ,"image":{image},"version":1 , "root":7}}  "#
    )
}

/// H9: failed images are passed on as they came, without a message, and the others are processed.
#[test]
fn passes_on_what_failed_before() {
    let prepared = Prepared::new();
    let document = prepared.document().to_string();
    let (one, two) = (failed("no reference at all", 80), failed("b:v1", 69));
    let lines = format!("{one}\n{document}\n\n{two}");
    let finished = prepared.tool().stdin(lines).run().ends_with(80);
    let written: Vec<&str> = finished.text().lines().collect();
    assert_eq!(written.len(), 3, "{}", finished.text());
    assert_eq!((written[0], written[2]), (&*one, &*two));
    assert!(finished.text().ends_with('\n'));
    assert_eq!(finished.done()[0]["image"], prepared.document()["image"]);
    let said = &finished.stderr;
    assert!(!said.contains("error") && !said.contains("b:v1"), "{said}");
}

/// H9: a document with an error is not worked on, although it is whole: a part of it was pushed.
#[test]
fn passes_on_a_part_of_an_image() {
    let prepared = Prepared::new();
    let mut part = prepared.document();
    part["error"] = json!({"stage": "soci-push", "exit": 76, "message": "refused", "hint": "wait"});
    let line = format!("{part}\n");
    let requests = prepared.registry.requests().len();
    let finished = prepared.tool().stdin(line.clone()).run().ends_with(76);
    assert_eq!((finished.text(), &*finished.stderr), (&*line, ""));
    assert_eq!(prepared.registry.requests().len(), requests);
}

/// H9: the status is that of the first failed image in the order of the lines, whichever stage it
/// failed in.
#[test]
fn ends_with_the_status_of_the_first_failed_image() {
    let prepared = Prepared::new();
    let document = prepared.document().to_string();
    let before = failed("a:v1", 77);
    for (lines, code) in [
        ([before.as_str(), "{}", &document], 77),
        (["{}", &before, &document], 65),
        ([&document, &before, "{}"], 77),
        ([&failed("a:v1", 1), &failed("b:v1", 255), "{}"], 1),
        ([&failed("a:v1", 255), &document, "{}"], 255),
    ] {
        let finished = prepared.tool().stdin(lines.join("\n")).run();
        let documents = finished.ends_with(code).documents();
        assert_eq!(documents.len(), lines.len());
        let exit = |document: &Value| document["error"]["exit"].as_i64();
        assert_eq!(documents.iter().find_map(exit), Some(code.into()));
    }
}

/// H9: a failure that is malformed is bad data, and stays a failure.
#[test]
fn rejects_a_malformed_failure() {
    let prepared = Prepared::new();
    let whole = json!({"version": 1, "image": "a:v1",
        "error": {"stage": "soci-pull", "exit": 80, "message": "not found"}});
    for (pointer, value, said) in [
        ("/error", json!("not found"), "invalid type"),
        ("/error", json!({}), "missing field `stage`"),
        ("/error/exit", json!(0), "nonzero"),
        ("/error/exit", json!(256), "256"),
        ("/error/exit", json!(1.5), "1.5"),
        ("/error/exit", json!("80"), "\"80\""),
        ("/error/message", json!(null), "null"),
        ("/version", json!(2), "version 2"),
    ] {
        let mut line = whole.clone();
        *line.pointer_mut(pointer).expect("a field") = value;
        let finished = prepared.assert_rejected(line.to_string()).says(said);
        let finished = finished.says(": error: a:v1: ");
        assert_eq!(finished.documents()[0]["image"], "a:v1");
    }
    let line = whole.to_string();
    let twice = line.replacen("\"exit\":80", "\"exit\":80,\"exit\":0", 1);
    prepared.assert_rejected(twice).says("duplicate field");
    prepared.assert_rejected(&line[..line.len() - 1]);
}

/// A line that is no document becomes a failed image, with its name if that can be read.
#[test]
fn names_the_image_of_a_malformed_document() {
    let prepared = Prepared::new();
    let mut broken = prepared.document();
    broken["root"] = json!(7);
    let finished = prepared.assert_rejected(broken.to_string());
    assert_eq!(finished.documents()[0]["image"], broken["image"]);
    let finished = prepared.assert_rejected("{\"version\":1");
    assert!(finished.documents()[0].get("image").is_none());
}

/// H9: a failure of the whole run goes in band as well, so that the last stage of a pipe ends with
/// its status.
#[test]
fn passes_on_the_failure_of_a_whole_stage() {
    let prepared = Prepared::new();
    let mut command = prepared.tool().into_command();
    let folder = File::open(prepared.sandbox.path()).expect("a folder");
    command.stdin(folder).stderr(Stdio::piped());
    let output = command.output().expect("the tool");
    assert_eq!(output.status.code(), Some(74), "{output:?}");
    let line: Value = serde_json::from_slice(&output.stdout).expect("one line");
    assert!(line.get("image").is_none(), "{line}");
    assert_eq!(line["error"]["exit"], 74);
    let message = line["error"]["message"].as_str().expect("a message");
    assert!(message.contains("cannot read stdin"), "{message}");
    let next = prepared.tool().stdin(output.stdout.clone()).run();
    assert_eq!(next.stdout, output.stdout);
    assert_eq!(next.ends_with(74).stderr, "");
}

/// H1: the first stage with an empty input prints an error; the stages after it pass that on and
/// print nothing.
#[test]
fn prints_once_that_there_is_no_input() {
    let sandbox = Sandbox::new();
    let first = crate::soci_tool(&sandbox).run().ends_with(66);
    assert_eq!(first.stderr.lines().count(), 1, "{}", first.stderr);
    first.writes_only_its_failure();
    let second = crate::soci_tool(&sandbox).stdin(first.stdout.clone()).run();
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(second.ends_with(66).stderr, "");
}

/// What a failure holds of the input cannot control a terminal, and is short enough for the next
/// stage.
#[test]
fn bounds_and_cleans_the_text_of_a_failure() {
    let prepared = Prepared::new();
    let long = "x\u{9b}31m".repeat(100_000);
    let line = json!({"version": 1, "image": long, "mine": long}).to_string();
    let finished = prepared.tool().stdin(line).run().ends_with(65);
    let text = finished.text();
    assert!(
        text.len() < 1 << 20 && !text.contains('\u{9b}'),
        "{} bytes",
        text.len()
    );
    let next = prepared.tool().stdin(finished.stdout.clone()).run();
    assert_eq!(next.ends_with(65).stdout, finished.stdout);
}
