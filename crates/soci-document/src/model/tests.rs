//! What the fields of a document mean together.

use serde_json::{Value, json};
use soci_oci::Digest;

use super::*;

fn descriptor(text: &str) -> Value {
    json!({"mediaType": "m", "digest": Digest::of(text.as_bytes()), "size": 1})
}

fn platform(architecture: &str) -> Value {
    json!({"os": "linux", "architecture": architecture})
}

fn entry(fields: &Value) -> Value {
    let mut entry = json!({"descriptor": descriptor("manifest")});
    for (name, value) in fields.as_object().expect("fields") {
        entry[name] = value.clone();
    }
    entry
}

fn parse(fields: &Value, manifests: &[Value]) -> Document {
    let mut document = json!({"version": 1, "image": "r/a:v1", "root": descriptor("root"),
        "manifests": manifests});
    for (name, value) in fields.as_object().expect("fields") {
        document[name] = value.clone();
    }
    Document::from_line(document.to_string().as_bytes()).expect("a document")
}

fn parse_entry(fields: &Value) -> ManifestEntry {
    parse(&json!({}), &[entry(fields)]).manifests.remove(0)
}

#[test]
fn an_image_is_converted_if_a_manifest_keeps_its_index() {
    let kept = json!({"sociIndex": descriptor("index"), "plan": {"action": "skip"}});
    let again = json!({"sociIndex": descriptor("index"), "plan": {"action": "index"}});
    let plain = json!({"plan": {"action": "index"}});
    for (manifests, is_converted, is_planned) in [
        (vec![], false, false),
        (vec![entry(&plain)], false, true),
        (vec![entry(&again)], false, true),
        (vec![entry(&kept)], true, false),
        (vec![entry(&plain), entry(&kept)], true, true),
        (
            vec![entry(&json!({"sociIndex": descriptor("index")}))],
            true,
            false,
        ),
    ] {
        let document = parse(&json!({}), &manifests);
        assert_eq!(document.is_converted(), is_converted, "{manifests:?}");
        assert_eq!(
            document.has_planned_manifests(),
            is_planned,
            "{manifests:?}"
        );
    }
}

#[test]
fn tags_name_the_converted_image_or_else_the_image() {
    let root = Digest::of(b"root");
    assert_eq!(parse(&json!({}), &[]).tagged().digest, root);
    let none = parse(&json!({"converted": null}), &[]);
    assert_eq!(none.tagged().digest, root);
    let converted = parse(&json!({"converted": descriptor("converted")}), &[]);
    assert_eq!(converted.tagged().digest, Digest::of(b"converted"));
}

/// Documents of earlier releases lack the platform that an index lists, and the digests of tags.
#[test]
fn completes_documents_of_earlier_releases() {
    let mut listed = descriptor("manifest");
    listed["platform"] = platform("arm64");
    let of_index = json!({"descriptor": listed});
    let mut of_config = of_index.clone();
    of_config["platform"] = platform("amd64");
    let push = json!({"repository": "r/a", "tags": ["r/a:v1"], "indexes": [], "referrers": "api",
        "uploaded": 1, "existing": 0, "bytes": 1});
    let document = parse(&json!({"push": push}), &[of_index, of_config]);
    let platforms: Vec<String> = document
        .manifests
        .iter()
        .filter_map(|entry| Some(entry.platform.as_ref()?.to_string()))
        .collect();
    assert_eq!(platforms, ["linux/arm64", "linux/amd64"]);
    let push = document.push.expect("a push");
    assert_eq!(push.tags[0].digest, Some(Digest::of(b"root")));
}

#[test]
fn the_platform_that_was_asked_for_comes_first() {
    let shown = |entry: &ManifestEntry| entry.planned_platform().map(ToString::to_string);
    let mut entry = parse_entry(&json!({"platform": platform("amd64"),
        "plan": {"action": "index", "platform": platform("arm64")}}));
    assert_eq!(shown(&entry).as_deref(), Some("linux/arm64"));
    entry.plan = None;
    assert_eq!(shown(&entry).as_deref(), Some("linux/amd64"));
    entry.descriptor.platform = entry.platform.take();
    assert_eq!(shown(&entry).as_deref(), Some("linux/amd64"));
    let made = ManifestEntry::new(entry.descriptor.clone());
    assert_eq!(made.platform, entry.descriptor.platform);
    entry.descriptor.platform = None;
    assert_eq!(shown(&entry), None);
}

#[test]
fn plans_name_the_versions_to_build() {
    let versions = [IndexVersions::Both, IndexVersions::V1, IndexVersions::V2];
    assert_eq!(versions.map(IndexVersions::has_v1), [true, true, false]);
    assert_eq!(versions.map(IndexVersions::has_v2), [true, false, true]);
}

#[test]
fn a_layer_is_planned_if_the_plan_is_to_index_it() {
    let layers = json!([{"descriptor": descriptor("a"), "plan": {"action": "index"}},
        {"descriptor": descriptor("b"), "plan": {"action": "skip"}},
        {"descriptor": descriptor("c")}]);
    let entry = parse_entry(&json!({"layers": layers}));
    let planned: Vec<bool> = entry.layers.iter().map(LayerEntry::is_planned).collect();
    assert_eq!(planned, [true, false, false]);
}
