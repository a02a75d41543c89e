//! Documents with wrong fields, and lines with more than a document.

use serde_json::{Value, json};
use soci_testkit::process::Sandbox;

use super::Prepared;

/// H3: a field of the wrong type is named.
#[test]
fn names_a_field_of_the_wrong_type() {
    let prepared = Prepared::new();
    let size = "/manifests/0/layers/0/descriptor/size";
    for (pointer, value, said) in [
        ("/image", json!(7), "expected a string"),
        ("/manifests", json!({}), "expected a sequence"),
        ("/root/size", json!("1"), "expected u64"),
        (size, json!(-1), "expected u64"),
        (size, json!(1.5), "expected u64"),
        (size, json!(1_u64 << 63), "exceeds the limit"),
        ("/root", Value::Null, "null"),
    ] {
        let mut edited = prepared.document();
        *edited.pointer_mut(pointer).expect("a field") = value;
        let finished = prepared.assert_rejected(edited.to_string());
        finished.says("missing or malformed").says(said);
    }
}

/// H3: a missing field is named.
#[test]
fn names_a_missing_field() {
    let prepared = Prepared::new();
    for field in ["version", "image", "root", "manifests"] {
        let mut edited = prepared.document();
        edited.as_object_mut().expect("an object").remove(field);
        let finished = prepared.assert_rejected(edited.to_string());
        finished.says(&format!("missing field `{field}`"));
    }
}

/// H5: what follows a document on its line is refused.
#[test]
fn refuses_what_follows_a_document_on_its_line() {
    let prepared = Prepared::new();
    let document = prepared.line.trim_ascii_end();
    for rest in [&b" garbage"[..], b"}", b",", document, b"\0"] {
        let finished = prepared.assert_rejected([document, rest].concat());
        finished.says("not valid JSON at byte");
    }
}

/// H1: an empty standard input is the fault of the previous stage.
#[test]
fn reports_an_empty_input_with_a_status_of_its_own() {
    let sandbox = Sandbox::new();
    for nothing in ["", "\n  \n"] {
        let finished = crate::soci_tool(&sandbox).stdin(nothing).run();
        let finished = finished.ends_with(66).says(crate::NO_INPUT);
        finished.writes_only_its_failure();
    }
}
