//! A store whose blobs are damaged or gone.

use std::fs;

use soci_testkit::{
    damage::DAMAGES,
    store::{blob_file, cached_ztocs},
};

use crate::every_tool::Prepared;

/// F4: a manifest that was damaged in the store is detected.
#[test]
fn detects_a_damaged_manifest() {
    for (name, damage, _) in DAMAGES {
        let prepared = Prepared::new();
        let digest = &prepared.document()["root"]["digest"];
        damage(&blob_file(&prepared.sandbox.store(), digest));
        let finished = prepared.tool().stdin(prepared.line.clone()).run();
        let says = match name {
            "a symbolic link" => "is a link to",
            "flipped" => "its digest is",
            _ => "expected",
        };
        let finished = finished.ends_with(65).says(says);
        finished.writes_only_its_failure();
        assert_eq!(cached_ztocs(&prepared.sandbox), 0, "{name}");
    }
}

/// F4: a layer of the right size and with wrong bytes is detected; one that is obviously damaged is
/// streamed instead.
#[test]
fn detects_or_replaces_a_damaged_layer() {
    for (name, damage, _) in DAMAGES {
        let prepared = Prepared::new();
        let digest = &prepared.document()["manifests"][0]["layers"][0]["descriptor"]["digest"];
        let layout = prepared.sandbox.path().join("image");
        let file = blob_file(&prepared.sandbox.store(), digest);
        fs::copy(blob_file(&layout, digest), &file).expect("a writable store");
        damage(&file);
        let glob = format!("*/blobs/{}", digest.as_str().expect("a digest"));
        let finished = prepared.tool().stdin(prepared.line.clone()).run();
        if name == "flipped" {
            let finished = finished.ends_with(65);
            finished.says("its digest is").writes_only_its_failure();
            assert_eq!(prepared.registry.count("GET", &glob), 0);
        } else {
            finished.succeeds();
            assert!(prepared.registry.count("GET", &glob) > 0, "{name}");
        }
    }
}

/// F10: a manifest that was removed from the store since the pull is not found, and the error says
/// what to do.
#[test]
fn asks_to_pull_again_for_a_removed_manifest() {
    let prepared = Prepared::new();
    let digest = &prepared.document()["root"]["digest"];
    fs::remove_file(blob_file(&prepared.sandbox.store(), digest)).expect("a manifest");
    let finished = prepared.tool().stdin(prepared.line.clone()).run();
    let finished = finished.ends_with(80).says("pull the image again");
    finished.writes_only_its_failure();
}
