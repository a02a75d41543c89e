//! Images in a registry: tags, referrers, and what is read back after a push.

use serde_json::{Value, json};
use soci_testkit::faulty::Faulty;
use soci_testkit::process::Finished;

use crate::{Golden, rules, soci_tool, text};

/// Returns the one document that a check wrote.
#[track_caller]
fn document(finished: &Finished) -> Value {
    let mut documents = finished.documents();
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0)
}

fn reference(registry: &Faulty, tag: &str) -> String {
    format!("{}/app:{tag}", registry.host())
}

#[test]
fn a_sound_image_passes_with_the_kind_of_registry_as_a_warning() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    let tool = soci_tool(&golden.sandbox).arg(reference(&registry, "v1-soci"));
    let answer = "no, Fargate loads images lazily only from private repositories of Amazon ECR";
    let finished = tool.run().succeeds().says("not-ecr").says(answer);
    let document = document(&finished);
    assert_eq!(document["check"]["verdict"], "lazy", "{document}");
    assert_eq!(document["check"]["fargate"], "no", "{document}");
    assert!(
        rules(&document).contains(&("warning", "not-ecr")),
        "{document}"
    );
    assert!(document.get("error").is_none());
}

/// `--fast` looks for layers, but reads none.
#[test]
fn fast_reads_no_layer() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    let tool = soci_tool(&golden.sandbox).arg("--fast");
    let finished = tool.arg(reference(&registry, "v1-soci")).run().succeeds();
    let document = document(&finished);
    assert_eq!(document["check"]["fast"], true);
    assert!(document["check"].get("proved").is_none());
    let entry = &document["manifests"][0];
    let layers = entry["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 3);
    for layer in layers {
        let digest = text(&layer["descriptor"]["digest"]);
        let path = format!("/v2/app/blobs/{digest}");
        assert!(
            registry.requests_to("GET", &path).is_empty(),
            "{}",
            registry.log()
        );
        assert_eq!(
            registry.requests_to("HEAD", &path).len(),
            1,
            "{}",
            registry.log()
        );
    }
}

/// A plain tag: its SOCI indexes of version 1 are found by the API or by the fallback tag, and the
/// tag with `-soci` is checked as well.
#[test]
fn a_plain_tag_is_checked_with_its_referrers_and_its_converted_tag() {
    for has_api in [true, false] {
        let golden = Golden::new();
        let setup = Faulty::setup();
        let setup = if has_api {
            setup
        } else {
            setup.without_referrers()
        };
        let registry = setup.start();
        golden.push_version_1(&registry);
        if !has_api {
            push_fallback_tag(&golden, &registry);
        }
        let check = || soci_tool(&golden.sandbox).arg(reference(&registry, "v1"));
        let finished = check().run().succeeds();
        let first = document(&finished);
        assert!(
            rules(&first).contains(&("warning", "only-version-1")),
            "{first}"
        );
        assert_eq!(
            first["check"]["manifests"][0]["indexes"][0]["version"], "v1",
            "{first}"
        );
        golden.push_converted(&registry);
        let finished = check().run().succeeds().says("not-converted");
        let second = document(&finished);
        let converted = &second["check"]["converted"];
        assert_eq!(text(&converted["tag"]), reference(&registry, "v1-soci"));
        assert_eq!(converted["verdict"], "lazy", "{second}");
        assert_eq!(converted["manifests"][0]["indexes"][0]["version"], "v2");
    }
}

/// Lists the SOCI index of version 1 under the fallback tag of its image.
fn push_fallback_tag(golden: &Golden, registry: &Faulty) {
    let soci_index = std::fs::read(golden.folder.join("v1/soci-index.json")).expect("an index");
    let subject: Value = serde_json::from_slice(&soci_index).expect("JSON");
    let tag = text(&subject["subject"]["digest"]).replace(':', "-");
    let entry = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": soci_testkit::image::digest(&soci_index), "size": soci_index.len(),
        "artifactType": "application/vnd.amazon.soci.index.v1+json"});
    let media_type = "application/vnd.oci.image.index.v1+json";
    let list = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [entry]});
    let digest = registry.put_manifest("app", media_type, list.to_string());
    registry.tag("app", &tag, &digest);
}

/// What is wrong ends with status 1, and goes in band, so that `soci-push` does not push it.
#[test]
fn a_wrong_image_fails_in_band_with_its_findings() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    registry.remove(&golden.ztoc());
    let tool = soci_tool(&golden.sandbox).arg(reference(&registry, "v1-soci"));
    let finished = tool.run().ends_with(1).says("ztoc-missing");
    let document = document(&finished);
    assert!(
        rules(&document).contains(&("error", "ztoc-missing")),
        "{document}"
    );
    let error = &document["error"];
    assert_eq!(
        (&error["stage"], &error["exit"]),
        (&json!("soci-check"), &json!(1))
    );
    assert!(
        text(&error["message"]).contains(&golden.ztoc()),
        "{document}"
    );
    assert!(text(&error["hint"]).contains("soci-push"), "{document}");
    assert_eq!(document["check"]["verdict"], "broken");
}

/// The document lists 20 findings of a rule, and stderr has 10 of an image.
#[test]
fn only_the_first_findings_are_printed() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let missing = |number: usize| {
        let digest = format!("sha256:{number:064x}");
        json!({"mediaType": media_type, "digest": digest, "size": 1})
    };
    let missing: Vec<Value> = (0..25).map(missing).collect();
    let index = "application/vnd.oci.image.index.v1+json";
    let root = json!({"schemaVersion": 2, "mediaType": index, "manifests": missing});
    let root = registry.put_manifest("app", index, root.to_string());
    registry.tag("app", "many", &root);
    let tag = reference(&registry, "many");
    let check = |format: &str| soci_tool(&golden.sandbox).args(["--format", format, &tag]);
    let finished = check("json").run().succeeds();
    let document = document(&finished);
    assert_eq!(document["check"]["omitted"], 5);
    let warnings = rules(&document);
    let warnings = warnings
        .iter()
        .filter(|(severity, _)| *severity == "warning");
    let more = warnings.count() - 10 + 5;
    let finished = finished.says(&format!("{more} more findings"));
    assert_eq!(finished.stderr.matches("warning: ").count(), 11);
    let report = check("text").run().succeeds();
    assert!(report.text().contains("5 findings of these rules"));
}

#[test]
fn a_damaged_ztoc_or_layer_is_found() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    registry.corrupt(&golden.ztoc(), |bytes| bytes[100] ^= 1);
    let check = || soci_tool(&golden.sandbox).arg(reference(&registry, "v1-soci"));
    check().run().ends_with(1).says("ztoc-damaged");
    registry.corrupt(&golden.ztoc(), |bytes| bytes[100] ^= 1);
    let finished = check().run().succeeds();
    let document = document(&finished);
    let layer = text(&document["manifests"][0]["layers"][0]["descriptor"]["digest"]);
    registry.corrupt(layer, |bytes| {
        bytes.pop();
    });
    check().arg("--fast").run().ends_with(1).says("layer-size");
}

#[test]
fn an_image_that_does_not_exist_is_not_found() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    let tool = soci_tool(&golden.sandbox).arg(reference(&registry, "v2"));
    let finished = tool.run().ends_with(80).says("tag not found");
    finished.writes_only_its_failure();
}

/// A document of `soci-push` is read back from the destination.
#[test]
fn what_was_pushed_is_read_back() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    let tag = reference(&registry, "v1-soci");
    let finished = soci_tool(&golden.sandbox).arg(&tag).run().succeeds();
    let mut pushed = document(&finished);
    pushed["image"] = reference(&registry, "v1").into();
    pushed["push"] = json!({"repository": format!("{}/app", registry.host()),
        "tags": [{"tag": tag, "digest": pushed["root"]["digest"]}], "indexes": [],
        "referrers": "none", "uploaded": 1, "existing": 0, "bytes": 1});
    let check = || soci_tool(&golden.sandbox).stdin(pushed.to_string());
    let finished = check().run().succeeds();
    assert_eq!(document(&finished)["check"]["verdict"], "lazy");
    let other = registry.put_manifest(
        "app",
        "application/vnd.oci.image.manifest.v1+json",
        r#"{"schemaVersion":2,"layers":[]}"#,
    );
    registry.tag("app", "v1-soci", &other);
    check().run().ends_with(1).says("tag-moved");
}
