//! Layouts as sources, and stores whose blobs are damaged or that cannot be written.

use std::fs;

use serde_json::{Value, json};
use soci_testkit::{
    damage::DAMAGES,
    document::DocumentBuilder,
    faulty::Faulty,
    image::{self, Image, random_layer},
    process::{Sandbox, Tool},
    store::{assert_sound, blob_file, files_below},
};

use crate::{app, assert_fails, layout_and_registry, soci_tool};

/// F3: a store that cannot be made is named, for an image of a registry.
#[test]
fn names_a_store_below_a_file() {
    let (sandbox, registry) = layout_and_registry();
    sandbox.write("file", "");
    for store in ["file", "file/below"] {
        let tool = soci_tool(&sandbox).args(["--store", store, &app(&registry)]);
        let finished = tool.run().ends_with(73);
        finished
            .says(store)
            .says("--store")
            .writes_only_its_failure();
    }
}

/// Asserts that a pull does not remove a folder at the path of a blob.
#[track_caller]
fn assert_folder_stays(tool: Tool, file: &std::path::Path) {
    let finished = tool.run().says(&file.display().to_string());
    let code = finished.code();
    assert!(matches!(code, 73 | 74), "{code}: {}", finished.stderr);
    assert!(file.is_dir());
    finished.writes_only_its_failure();
}

/// F4: a manifest that was damaged in the store is replaced by the next pull.
#[test]
fn replaces_a_damaged_manifest() {
    for (_, damage, repairable) in DAMAGES {
        let (sandbox, registry) = layout_and_registry();
        let pull = || soci_tool(&sandbox).arg(app(&registry));
        let document = &pull().run().succeeds().documents()[0];
        let file = blob_file(&sandbox.store(), &document["root"]["digest"]);
        let original = fs::read(&file).expect("a manifest");
        damage(&file);
        if repairable {
            pull().run().succeeds();
            assert_eq!(fs::read(&file).expect("a manifest"), original);
            assert_sound(&sandbox.store());
        } else {
            assert_folder_stays(pull(), &file);
        }
    }
}

/// F4: a layer that was damaged in the store is fetched again; an intact one is not.
#[test]
fn replaces_a_damaged_layer() {
    for (name, damage, repairable) in DAMAGES {
        let (sandbox, registry) = layout_and_registry();
        let plan = DocumentBuilder::new(&sandbox, &app(&registry)).planned(&registry);
        let pull = || soci_tool(&sandbox).arg("--layers").stdin(plan.clone());
        let document = &pull().run().succeeds().documents()[0];
        let digest = &document["manifests"][0]["layers"][0]["descriptor"]["digest"];
        let glob = format!("*/blobs/{}", digest.as_str().expect("a digest"));
        let fetched = || registry.count("GET", &glob);
        let file = blob_file(&sandbox.store(), digest);
        damage(&file);
        if !repairable {
            assert_folder_stays(pull(), &file);
            continue;
        }
        let before = fetched();
        pull().run().succeeds();
        assert_sound(&sandbox.store());
        assert!(fetched() > before, "{name}");
        // An intact layer is verified in the store, and not fetched.
        let before = fetched();
        pull().run().succeeds();
        assert_eq!(fetched(), before, "{name}");
    }
}

/// F5: an `index.json` that is not an index is refused, and not overwritten.
#[test]
fn refuses_a_malformed_index() {
    let (sandbox, _registry) = layout_and_registry();
    let original = fs::read(sandbox.path().join("image/index.json")).expect("index.json");
    let large = [original.as_slice(), &vec![b' '; 5 << 20]].concat();
    let index = sandbox.path().join("image/index.json");
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("cut", &original[..original.len() / 2]),
        ("5 MiB", &large),
        ("no list", br#"{"schemaVersion":2,"manifests":7}"#),
    ] {
        fs::write(&index, bytes).expect("a writable layout");
        let finished = soci_tool(&sandbox).arg("oci:image").run().ends_with(65);
        finished.says("index.json").writes_only_its_failure();
        assert!(fs::read(&index).expect("index.json") == bytes, "{name}");
    }
    // An entry whose manifest does not exist is named.
    let text = String::from_utf8(original).expect("text");
    let digest = text.split("sha256:").nth(1).expect("a digest")[..64].to_owned();
    fs::write(&index, text.replace(&digest, &"0".repeat(64))).expect("a writable layout");
    let finished = soci_tool(&sandbox).arg("oci:image").run().ends_with(80);
    finished.says(&"0".repeat(64));
}

/// F5: unknown fields in an `index.json` are not an error.
#[test]
fn accepts_unknown_fields_in_an_index() {
    let (sandbox, _registry) = layout_and_registry();
    let index = sandbox.path().join("image/index.json");
    let bytes = fs::read(&index).expect("index.json");
    let mut extended: Value = serde_json::from_slice(&bytes).expect("JSON");
    extended["mine"] = json!({"b": 1, "a": [null]});
    extended["manifests"][0]["mine"] = json!(1.5);
    fs::write(&index, extended.to_string()).expect("a writable layout");
    let tool = soci_tool(&sandbox).arg("oci:image:latest");
    tool.run().succeeds();
}

/// F10: a manifest that was removed from the store is fetched again for a document.
#[test]
fn fetches_a_removed_manifest_again() {
    let (sandbox, registry) = layout_and_registry();
    let pulled = soci_tool(&sandbox).arg(app(&registry)).run().succeeds();
    let document = &pulled.documents()[0];
    let file = blob_file(&sandbox.store(), &document["root"]["digest"]);
    fs::remove_file(&file).expect("a manifest");
    soci_tool(&sandbox).stdin(pulled.stdout).run().succeeds();
    assert!(file.is_file());
    assert_sound(&sandbox.store());
}

/// Of a planned document, only the layers that the plan wants are stored.
#[test]
fn stores_only_the_planned_layers() {
    let (sandbox, registry) = layout_and_registry();
    let plan = DocumentBuilder::new(&sandbox, &app(&registry)).planned(&registry);
    let mut plan: Value = serde_json::from_slice(&plan).expect("a document");
    let layers = &mut plan["manifests"][0]["layers"];
    layers[0]["plan"] = json!({"action": "skip", "reason": "excluded"});
    let tool = soci_tool(&sandbox).arg("--layers").stdin(plan.to_string());
    tool.run().succeeds();
    for (at, stored) in [(0, false), (1, true)] {
        let digest = &plan["manifests"][0]["layers"][at]["descriptor"]["digest"];
        assert_eq!(
            blob_file(&sandbox.store(), digest).is_file(),
            stored,
            "{at}"
        );
    }
}

/// Of an image of several platforms, only those that are asked for are fetched.
#[test]
fn fetches_only_the_platforms_asked_for() {
    let sandbox = Sandbox::new();
    let layout = sandbox.path().join("image");
    let images = ["linux/amd64", "linux/arm64"]
        .map(|platform| Image::new(platform).layer(random_layer(1, 1000)));
    image::write_layout(&layout, &images);
    let registry = Faulty::start();
    registry.push(&layout, "app:v1");
    let tool = soci_tool(&sandbox).args(["--platform", "linux/arm64", &app(&registry)]);
    let document = &tool.run().succeeds().documents()[0];
    let manifests = document["manifests"].as_array().expect("manifests");
    let fetched: Vec<bool> = manifests
        .iter()
        .map(|entry| entry["config"].is_object())
        .collect();
    assert_eq!(fetched, [false, true], "{document}");
    assert_eq!(registry.count("GET", "*/manifests/sha256:*"), 1);
}

#[test]
fn rejects_a_file_as_a_layout() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let before = files_below(&sandbox.store());
    let finished = soci_tool(&sandbox).arg("oci-archive:file").run();
    assert_fails(&sandbox, finished, 65, &["file"]);
    assert!(before.is_empty());
}
