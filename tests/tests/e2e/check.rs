//! `soci-check` between the other tools.

use std::fs;

use serde_json::Value;
use soci_testkit::image::{self, Image};
use soci_testkit::process::{Sandbox, pipeline};

use crate::stages::{blob_file, indexed, layer, only_document, stage};

/// Writes a layout with an image for two platforms, and returns its reference.
fn write_image(sandbox: &Sandbox) -> String {
    let images = [
        Image::new("linux/amd64").layer(layer(1, 20_000)).attested(),
        Image::new("linux/arm64")
            .layer(layer(1, 20_000))
            .layer(layer(2, 3000)),
    ];
    image::write_layout(&sandbox.path().join("image"), &images);
    "oci:image:latest".to_owned()
}

/// Returns the rules of the findings that are errors or warnings.
fn rules(document: &Value) -> Vec<&str> {
    let findings = document["check"]["findings"].as_array().expect("findings");
    let findings = findings.iter().filter(|found| found["severity"] != "note");
    findings
        .filter_map(|found| found["rule"].as_str())
        .collect()
}

/// What `soci-index` makes passes, before and after the push, and is pushed.
#[test]
fn a_pipeline_is_checked_before_and_after_the_push() {
    let sandbox = Sandbox::new();
    let reference = write_image(&sandbox);
    let tools = [
        stage(&sandbox, "soci-pull").arg(&reference),
        stage(&sandbox, "soci-plan").arg("--all-platforms"),
        stage(&sandbox, "soci-index"),
        stage(&sandbox, "soci-check"),
        stage(&sandbox, "soci-push"),
        stage(&sandbox, "soci-check"),
    ];
    let mut ended = pipeline(tools);
    let last = ended.pop().expect("the last stage");
    assert!(ended.iter().all(|stage| stage.code() == 0), "{ended:?}");
    let document = only_document(last.succeeds().documents());
    assert_eq!(rules(&document), [""; 0], "{document}");
    let check = &document["check"];
    assert_eq!(
        (&check["verdict"], &check["fargate"]),
        (&"lazy".into(), &"yes".into())
    );
    // Two platforms, each with an index of both versions, over three layers of which two are equal.
    assert_eq!(check["manifests"].as_array().expect("manifests").len(), 4);
    assert_eq!(check["proved"]["ztocs"], 2, "{document}");
    assert_eq!(document["push"]["tags"][0]["tag"], "oci:image:latest-soci");
    let by_name = stage(&sandbox, "soci-check").args([&reference, "oci:image:latest-soci"]);
    let documents = by_name.run().succeeds().documents();
    assert_eq!(
        documents[0]["check"]["fargate"], "version-1-only",
        "{}",
        documents[0]
    );
    assert_eq!(
        documents[0]["check"]["converted"]["fargate"], "yes",
        "{}",
        documents[0]
    );
    assert_eq!(documents[1]["check"]["fargate"], "yes", "{}", documents[1]);
}

/// A ztoc that was damaged in the store is found, and the image is not pushed.
#[test]
fn what_is_wrong_is_not_pushed() {
    let sandbox = Sandbox::new();
    let reference = write_image(&sandbox);
    let line = indexed(&sandbox, &reference);
    let document: Value = serde_json::from_slice(&line).expect("a document");
    let ztoc = &document["manifests"][0]["layers"][0]["ztoc"]["digest"];
    let ztoc = blob_file(&sandbox.store(), ztoc);
    let mut bytes = fs::read(&ztoc).expect("the ztoc");
    bytes[200] ^= 1;
    fs::write(&ztoc, bytes).expect("the ztoc");
    let index = fs::read(sandbox.path().join("image/index.json")).expect("a layout");
    let checked = stage(&sandbox, "soci-check").stdin(line).run().ends_with(1);
    let pushed = stage(&sandbox, "soci-push").stdin(checked.stdout).run();
    let document = &pushed.ends_with(1).documents()[0];
    assert!(rules(document).contains(&"ztoc-damaged"), "{document}");
    assert_eq!(document["error"]["stage"], "soci-check");
    let after = fs::read(sandbox.path().join("image/index.json")).expect("a layout");
    assert_eq!(index, after, "something was pushed");
}
