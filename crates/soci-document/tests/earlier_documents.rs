//! Documents that earlier releases wrote are still read.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use soci_document::{Document, Stage, Summary, json_schema};

/// Each stage, and the file of the documents that it wrote at commit baaa73f.
const STAGES: [(Stage, &str); 4] = [
    (Stage::Pulled, "pulled"),
    (Stage::Planned, "planned"),
    (Stage::Indexed, "indexed"),
    (Stage::Pushed, "pushed"),
];

/// Returns the documents of a stage, a line each.
fn read_lines(stage: &str) -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/documents/baaa73f");
    let text = fs::read_to_string(folder.join(stage).with_extension("jsonl"));
    let text = text.expect("the documents of a stage");
    text.lines().map(str::to_owned).collect()
}

fn parse(line: &str) -> Document {
    Document::from_line(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn each_is_read_and_keeps_its_stage() {
    for (stage, file) in STAGES {
        let lines = read_lines(file);
        assert!(lines.len() > 10, "{file}");
        for line in lines {
            let document = parse(&line);
            let found = Summary::of(&document).stage;
            // The document of an unchanged image of which only version 1 is asked for gets nothing
            // from `soci-index`.
            assert!(found == stage || document.unchanged, "{found:?}: {line}");
        }
    }
}

#[test]
fn each_is_valid_by_the_published_schema() {
    let schema: Value = serde_json::from_str(&json_schema()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for (_, file) in STAGES {
        for line in read_lines(file) {
            let document: Value = serde_json::from_str(&line).expect("JSON");
            validator
                .validate(&document)
                .unwrap_or_else(|error| panic!("{error}: {line}"));
            let written = parse(&line).to_line();
            let written: Value = serde_json::from_slice(&written).expect("JSON");
            assert!(validator.is_valid(&written), "{written}");
        }
    }
}

/// Every field is kept, except that a tag gets its digest and each manifest its platform.
#[test]
fn each_keeps_its_fields() {
    for (_, file) in STAGES {
        for line in read_lines(file) {
            let document: Value = serde_json::from_str(&line).expect("JSON");
            let mut written: Value = serde_json::from_slice(&parse(&line).to_line()).expect("JSON");
            let manifests = written["manifests"].as_array_mut().expect("manifests");
            for (entry, old) in manifests
                .iter_mut()
                .zip(document["manifests"].as_array().expect("manifests"))
            {
                let listed = &entry["descriptor"]["platform"];
                assert!(listed.is_null() || *listed == entry["platform"], "{entry}");
                if old["platform"].is_null() {
                    entry.as_object_mut().expect("an entry").remove("platform");
                }
            }
            if let Some(push) = written.get_mut("push").and_then(Value::as_object_mut) {
                assert_eq!(push.remove("indexes"), Some(Value::Array(Vec::new())));
                for tag in push["tags"].as_array_mut().expect("tags") {
                    assert!(tag["digest"].is_string(), "{tag}");
                    *tag = tag["tag"].clone();
                }
            }
            assert_eq!(written, document);
        }
    }
}
