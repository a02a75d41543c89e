//! `soci-check` between the other tools.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use soci_testkit::image::{self, Image};
use soci_testkit::process::{Sandbox, Tool, pipeline};
use soci_testkit::workspace;

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

/// The ztocs in the store are proved against the layers of the image, unless no layer is read.
#[test]
fn an_index_that_is_not_pushed_yet_is_proved() {
    let sandbox = Sandbox::new();
    let reference = write_image(&sandbox);
    let cases = [
        ("both", None, Some(1)),
        ("v1", None, Some(1)),
        ("v2", Some("--fast"), None),
    ];
    for (version, option, proved) in cases {
        let pulled = stage(&sandbox, "soci-pull").arg(&reference).run();
        let plan = stage(&sandbox, "soci-plan").args(["--index-version", version]);
        let plan = plan.stdin(pulled.succeeds().stdout).run().succeeds();
        let indexed = stage(&sandbox, "soci-index").stdin(plan.stdout).run();
        let line = indexed.succeeds().stdout;
        let tool = stage(&sandbox, "soci-check").args(option).stdin(line);
        let document = only_document(tool.run().succeeds().documents());
        let found = &document["check"]["proved"];
        assert_eq!(found["ztocs"].as_u64(), proved, "{document}");
        let layer = &document["manifests"][0]["layers"][0]["descriptor"]["size"];
        assert_eq!(found.get("bytes"), proved.map(|_| layer), "{document}");
    }
}

/// An image that was built upon a converted one has its annotation, and names a SOCI index that
/// belongs to another image.
#[test]
fn an_annotation_of_the_base_image_is_no_fault_of_what_was_made() {
    for platforms in [&["linux/amd64"][..], &["linux/amd64", "linux/arm64"]] {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        let images = platforms
            .iter()
            .map(|platform| Image::new(platform).layer(layer(1, 20_000)));
        image::write_layout(&layout, &images.collect::<Vec<_>>());
        name_soci_index(&sandbox, &layout);
        let line = indexed(&sandbox, "oci:image:latest");
        let before = stage(&sandbox, "soci-check").stdin(line).run().succeeds();
        let pushed = stage(&sandbox, "soci-push").stdin(before.stdout).run();
        let after = stage(&sandbox, "soci-check").stdin(pushed.succeeds().stdout);
        let document = only_document(after.run().succeeds().documents());
        assert_eq!(rules(&document), [""; 0], "{document}");
    }
}

/// Adds an annotation to the first manifest of a layout: the digest of a SOCI index that does not
/// exist.
fn name_soci_index(sandbox: &Sandbox, layout: &Path) {
    let pulled = stage(sandbox, "soci-pull").arg("oci:image:latest").run();
    let pulled = only_document(pulled.succeeds().documents());
    let manifest = blob_file(layout, &pulled["manifests"][0]["descriptor"]["digest"]);
    let content = fs::read(&manifest).expect("a manifest");
    let mut content: Value = serde_json::from_slice(&content).expect("JSON");
    let digest = format!("sha256:{:064}", 1);
    content["annotations"]["com.amazon.soci.index-digest"] = digest.into();
    fs::write(&manifest, content.to_string()).expect("a manifest");
    image::rehash_layout(layout);
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

/// `soci-index` that damages the first ztoc that it has made.
const DAMAGING_INDEX: &str = r#"#!/bin/sh
set -e
document=$(TOOL)
ztoc=$(printf '%s' "$document" | grep -o '"ztoc":{[^}]*' | grep -o '[0-9a-f]\{64\}' | head -n 1)
ztoc=$SOCI_STORE/blobs/sha256/$ztoc
chmod u+w "$ztoc"
printf damaged | dd of="$ztoc" bs=1 seek=200 conv=notrunc 2>/dev/null
printf '%s\n' "$document"
"#;

/// Returns the entrypoint of the container with a check, with the tools of the sandbox before
/// the real ones.
fn checking_run(sandbox: &Sandbox) -> Tool {
    let tools = workspace::bin("soci-check");
    let tools = tools.parent().expect("a folder");
    let mut path = sandbox.path().join("bin").into_os_string();
    let inherited = std::env::var_os("PATH").expect("a search path");
    for folder in [tools.as_os_str(), &inherited] {
        path.push(":");
        path.push(folder);
    }
    sandbox
        .program(workspace::root().join("scripts/entrypoint.sh"))
        .env("PATH", path)
        .env("MIN_LAYER_SIZE", "0")
        .env("SOCI_CHECK", "true")
}

/// `SOCI_CHECK=true`: each index is checked before it is pushed, and a wrong one is not pushed.
#[test]
fn the_container_checks_what_it_pushes() {
    let sandbox = Sandbox::new();
    let reference = write_image(&sandbox);
    let index = || fs::read(sandbox.path().join("image/index.json")).expect("a layout");
    let before = index();
    let real = workspace::bin("soci-index");
    let script = DAMAGING_INDEX.replace("TOOL", &real.display().to_string());
    let wrong = sandbox.write("bin/soci-index", script);
    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o755)).expect("a new file");
    let ended = checking_run(&sandbox).arg(&reference).run().ends_with(1);
    let document = &ended.says("ztoc-damaged").documents()[0];
    assert_eq!(document["error"]["stage"], "soci-check", "{document}");
    assert_eq!(index(), before, "something was pushed");

    fs::remove_file(wrong).expect("the script");
    fs::remove_dir_all(sandbox.store()).expect("the store");
    let ended = checking_run(&sandbox).arg(&reference).run().succeeds();
    let document = only_document(ended.documents());
    assert_eq!(document["check"]["verdict"], "lazy", "{document}");
    assert!(document["push"]["tags"].is_array(), "{document}");
    assert_ne!(index(), before);
}
