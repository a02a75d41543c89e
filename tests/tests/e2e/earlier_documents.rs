//! Each tool reads the documents that the tools wrote at commit baaa73f.

use std::fs;

use serde_json::Value;
use soci_testkit::{document::tag_names, golden, process::Sandbox, workspace};

use crate::stages::stage;

/// The file of the documents of each stage.
const STAGES: [&str; 4] = ["pulled", "planned", "indexed", "pushed"];

/// Returns the documents that a stage wrote.
fn lines(stage: &str) -> String {
    let path = workspace::root().join("tests/documents/baaa73f");
    let text = fs::read_to_string(path.join(stage).with_extension("jsonl"));
    text.expect("the documents of a stage")
}

/// Returns the documents that a stage wrote for the images of the goldens.
fn lines_of_goldens(stage: &str) -> String {
    let text = lines(stage);
    let is_golden = |line: &&str| {
        // The nested image was made for these documents.
        line.contains(r#""image":"oci:images/"#) && !line.contains(r#""image":"oci:images/nested/"#)
    };
    let lines = text.lines().filter(is_golden);
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// Runs a tool on the documents of a stage, and returns what it writes.
#[track_caller]
fn run(sandbox: &Sandbox, tool: &str, lines: &str) -> Vec<Value> {
    let finished = stage(sandbox, tool).stdin(lines).run().succeeds();
    let documents = finished.documents();
    assert_eq!(documents.len(), lines.lines().count(), "{tool}");
    documents
}

#[test]
fn every_tool_reads_the_documents_of_earlier_builds() {
    let sandbox = Sandbox::new();
    golden::unpack_images(sandbox.path());
    let [pulled, planned, indexed, pushed] = STAGES.map(lines_of_goldens);
    // The first of the stages puts the manifests into the store, and the third the ztocs.
    run(&sandbox, "soci-pull", &pulled);
    run(&sandbox, "soci-plan", &pulled);
    for (new, old) in run(&sandbox, "soci-index", &planned)
        .iter()
        .zip(indexed.lines())
    {
        let old: Value = serde_json::from_str(old).expect("a document");
        assert_eq!(new["converted"], old["converted"]);
    }
    for document in run(&sandbox, "soci-push", &indexed) {
        tag_names(&document);
    }
    // What was pushed goes through every stage again.
    for tool in ["soci-pull", "soci-plan", "soci-index", "soci-push"] {
        for document in run(&sandbox, tool, &pushed) {
            tag_names(&document);
            for manifest in document["manifests"].as_array().expect("manifests") {
                let listed = &manifest["descriptor"]["platform"];
                assert!(listed.is_null() || *listed == manifest["platform"]);
            }
        }
    }
}

/// The tools that need nothing but the documents also read those of images in a registry.
#[test]
fn documents_of_earlier_builds_are_planned_and_reported() {
    let sandbox = Sandbox::new();
    for stage in STAGES {
        let lines = lines(stage);
        run(&sandbox, "soci-plan", &lines);
        for format in ["text", "markdown", "html"] {
            let report = sandbox.tool("soci-report").args(["--format", format]);
            let report = report.stdin(lines.clone()).run().succeeds();
            assert!(report.text().contains("registry.example"), "{stage}");
        }
    }
}
