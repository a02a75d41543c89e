//! What holds for each tool that only reads documents: `soci-plan`, `soci-index` and `soci-push`.
//!
//! The tests of these tools include this module beside `suite.rs`.

use std::{
    fs::{self, File},
    process::Stdio,
};

use serde_json::json;

use crate::every_tool::Prepared;

#[test]
fn rejects_lines_that_are_not_documents() {
    let prepared = Prepared::new();
    let rejected = |line: &str| prepared.assert_rejected(line);
    rejected("no JSON\n").says("not valid JSON at byte");
    rejected("[]\n").says("missing or malformed");
    rejected("{}\n").says("missing or malformed");
}

/// H2: a document that is cut anywhere is rejected, with the position.
#[test]
fn rejects_a_document_that_is_cut() {
    let prepared = Prepared::new();
    let whole = prepared.line.trim_ascii_end();
    let middle = (1..whole.len()).step_by(whole.len() / 12);
    for end in middle.chain([whole.len() / 2, whole.len() - 1]) {
        let finished = prepared.assert_rejected(&whole[..end]);
        finished.says("not valid JSON at byte");
    }
}

/// H3: a document of a later version is bad data.
#[test]
fn rejects_a_document_of_a_later_version() {
    let prepared = Prepared::new();
    let mut later = prepared.document();
    later["version"] = json!(2);
    let finished = prepared.assert_rejected(later.to_string());
    finished.says("version 2").says("version 1");
}

/// H7: a digest that is none, or that would lead out of the store, is bad data.
#[test]
fn rejects_digests_that_are_malformed() {
    let prepared = Prepared::new();
    let secret = prepared.sandbox.write("secret", "secret");
    for digest in [
        format!("sha256:../../../{}", secret.display()),
        "sha256:..".to_owned(),
        format!("SHA256:{}", "a".repeat(64)),
        format!("sha256:{}", "A".repeat(64)),
        format!("sha256:{}", "a".repeat(63)),
        format!("md5:{}", "a".repeat(32)),
    ] {
        for pointer in [
            "/root/digest",
            "/manifests/0/descriptor/digest",
            "/manifests/0/layers/0/descriptor/digest",
        ] {
            let mut edited = prepared.document();
            *edited.pointer_mut(pointer).expect("a digest") = digest.clone().into();
            prepared.assert_rejected(edited.to_string());
        }
    }
}

/// H8: messages that cannot be written keep no tool from its work.
#[test]
fn works_without_a_standard_error() {
    let prepared = Prepared::new();
    let input = prepared.sandbox.write("input", &prepared.line);
    let output = prepared.sandbox.path().join("output");
    let mut command = prepared.tool().into_command();
    let status = command
        .stdin(File::open(input).expect("the input"))
        .stdout(Stdio::from(File::create(&output).expect("a new file")))
        .stderr(File::create("/dev/full").expect("/dev/full"))
        .status();
    assert_eq!(status.expect("the tool").code(), Some(0));
    let output = fs::read(output).expect("what the tool wrote");
    assert_eq!(output.last(), Some(&b'\n'));
}
