//! Plans that say something else than the store, and lines that are not plans.

use serde_json::{Value, json};
use soci_testkit::{
    faulty::Faulty,
    process::Sandbox,
    store::{assert_sound, cached_ztocs},
};

use crate::{app, every_tool::Prepared, input, only_document, registry_with_layers, soci_tool};

#[test]
fn asks_for_a_plan() {
    let prepared = Prepared::new();
    let mut pulled = prepared.document();
    pulled.as_object_mut().expect("an object").remove("plan");
    prepared
        .assert_rejected(pulled.to_string())
        .says("soci-plan");
}

/// H5: a line that is not a document does not keep the others from being indexed.
#[test]
fn indexes_the_documents_around_a_bad_line() {
    let prepared = Prepared::new();
    let line = prepared.document().to_string();
    let lines = format!("{line}\nno JSON\n{line}\n");
    let documents = prepared.tool().stdin(lines).run().ends_with(65).documents();
    let exits: Vec<_> = documents
        .iter()
        .map(|document| &document["error"]["exit"])
        .collect();
    assert_eq!(exits, [&Value::Null, &json!(65), &Value::Null]);
    assert!(documents[1].get("image").is_none(), "{}", documents[1]);
}

/// Changes the layers of a manifest; the second argument is another layer's digest.
type Edit = fn(&mut Value, &Value);

/// H7: layers that differ from the manifest in the store are rejected.
#[test]
fn rejects_layers_that_the_manifest_does_not_have() {
    let prepared = Prepared::new();
    let document = prepared.document();
    let other = document["manifests"][0]["layers"][1]["descriptor"]["digest"].clone();
    let edits: [(&str, Edit); 4] = [
        ("digest", |layers, digest| {
            layers[0]["descriptor"]["digest"] = digest.clone();
        }),
        ("size", |layers, _| {
            layers[0]["descriptor"]["size"] = json!(1);
        }),
        ("media type", |layers, _| {
            layers[0]["descriptor"]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
        }),
        ("removed", |layers, _| *layers = json!([])),
    ];
    for (name, edit) in edits {
        let mut edited = document.clone();
        edit(&mut edited["manifests"][0]["layers"], &other);
        let manifest = document["manifests"][0]["descriptor"]["digest"].as_str();
        let finished = prepared.assert_rejected(edited.to_string());
        finished
            .says("are not those of the manifest in the store")
            .says(manifest.expect("a digest"));
        assert_eq!(cached_ztocs(&prepared.sandbox), 0, "{name}");
    }
}

/// H7: an image that a document puts into another registry is looked for there.
#[test]
fn looks_for_layers_in_the_registry_of_the_document() {
    let prepared = Prepared::new();
    let other = Faulty::start();
    let mut edited = prepared.document();
    edited["image"] = json!(app(&other));
    let finished = prepared.tool().stdin(edited.to_string()).run();
    let finished = finished.ends_with(80).says(&other.host());
    finished.writes_only_its_failure();
    assert_eq!(prepared.registry.requests().len(), 0);
    assert_eq!(other.count("PUT|POST|PATCH", "*"), 0);
}

/// F10: a plan whose manifests are not in the store asks to pull again.
#[test]
fn asks_to_pull_again_into_another_store() {
    let prepared = Prepared::new();
    let tool = prepared.tool().arg("--store=elsewhere");
    let finished = tool.stdin(prepared.line.clone()).run().ends_with(80);
    let finished = finished.says("pull the image again into this store");
    finished.writes_only_its_failure();
}

#[test]
fn writes_only_the_failure_when_the_registry_goes_down() {
    let registry = registry_with_layers(Faulty::setup(), &[3000]);
    let sandbox = Sandbox::new();
    let line = input(&sandbox, &registry);
    drop(registry);
    let finished = soci_tool(&sandbox).stdin(line).run().ends_with(69);
    finished.writes_only_its_failure();
    assert_eq!(cached_ztocs(&sandbox), 0);
    assert_sound(&sandbox.store());
}

#[test]
fn rejects_a_malformed_reference_to_reuse_from() {
    let prepared = Prepared::new();
    let mut edited = prepared.document();
    edited["plan"]["reuseFrom"] = json!(["App:v0"]);
    let finished = prepared.assert_rejected(edited.to_string());
    finished.says("missing or malformed").says("`App:v0`");
}

#[test]
fn rejects_bad_values_of_options() {
    let sandbox = Sandbox::new();
    let finished = soci_tool(&sandbox).args(["--jobs", "0"]).run();
    finished.ends_with(2).says("--jobs");
    assert!(!sandbox.store().exists(), "a usage error makes no store");
}

/// What the plan skips was told by `soci-plan`, and is not told again.
#[test]
fn does_not_repeat_what_the_plan_skips() {
    let prepared = Prepared::new();
    let mut document = prepared.document();
    let layers = document["manifests"][0]["layers"].as_array_mut();
    for layer in layers.expect("layers") {
        layer["plan"] = json!({"action": "skip", "reason": "below-min-layer-size"});
    }
    let finished = prepared.tool().stdin(document.to_string()).run();
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    assert_eq!(only_document(&finished)["converted"], Value::Null);
}
