use serde_json::{Value, json};
use soci_oci::Digest;

use super::*;
use crate::{LayerReason, UnindexableReason};

const MIB: u64 = 1 << 20;

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

fn descriptor(text: &str, size: u64) -> Value {
    json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(text),
        "size": size})
}

/// Returns a layer with the fields that a test is about.
fn layer(text: &str, size: u64, fields: &Value) -> Value {
    let mut layer = json!({"descriptor": descriptor(text, size), "plan": {"action": "index"}});
    let fields = fields.as_object().expect("fields");
    for (name, value) in fields {
        layer[name] = value.clone();
    }
    layer
}

fn indexed(text: &str, size: u64, ztoc: u64) -> Value {
    layer(
        text,
        size,
        &json!({"ztoc": descriptor(&format!("ztoc of {text}"), ztoc)}),
    )
}

fn skipped(text: &str, size: u64, reason: &str) -> Value {
    layer(
        text,
        size,
        &json!({"plan": {"action": "skip", "reason": reason}}),
    )
}

fn manifest(architecture: &str, layers: &[Value]) -> Value {
    json!({"descriptor": descriptor(architecture, 500), "layers": layers,
        "platform": {"os": "linux", "architecture": architecture},
        "plan": {"action": "index"}, "index": {"v1": descriptor("v1", 1)}})
}

fn document(manifests: &[Value]) -> Value {
    json!({"version": 1, "image": "r.example/app:v1", "root": descriptor("root", 500),
        "plan": {"platforms": ["all"], "minLayerSize": 0, "spanSize": 4 << 20,
            "indexVersion": "both"},
        "manifests": manifests, "converted": descriptor("converted", 900)})
}

fn pushed(mut document: Value, indexes: &Value) -> Value {
    let tag = json!({"tag": "r.example/app:v1-soci", "digest": digest("converted")});
    document["push"] = json!({"repository": "r.example/app", "tags": [tag], "indexes": indexes,
        "referrers": "api", "uploaded": 3, "existing": 0, "bytes": 100});
    document
}

fn parse(document: &Value) -> Document {
    Document::from_line(document.to_string().as_bytes()).expect("a document")
}

/// Returns an image with six layers, of which four are indexed.
fn six_layers() -> Value {
    let mut zstd = skipped("e", 20 * MIB, "unsupported-compression");
    zstd["descriptor"]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd".into();
    let mut reused = indexed("d", 5 * MIB, 1);
    reused["reused"] = "store".into();
    document(&[manifest(
        "amd64",
        &[
            skipped("f", 11 * MIB, "below-min-layer-size"),
            indexed("a", 100 * MIB, 2 * MIB),
            indexed("b", 80 * MIB, 2 * MIB),
            indexed("c", 10 * MIB, MIB / 10),
            reused,
            zstd,
        ],
    )])
}

#[test]
fn names_the_images_of_other_repositories_that_ztocs_are_reused_from() {
    let mut document = six_layers();
    let image = document["image"].as_str().expect("a reference").to_owned();
    let repository = image
        .rsplit_once(':')
        .map_or(image.as_str(), |(name, _)| name);
    let own = format!("{repository}:another-tag");
    let describe = |document: &Value| Summary::of(&parse(document)).describe_counts();
    for (from, expected) in [
        ([own.as_str(), &own], ", 2 reused"),
        (
            ["r.example/base:v1", &own],
            ", 2 reused from r.example/base:v1",
        ),
        (
            ["r.example/base:v1", "oci:/cache:v1"],
            ", 2 reused from r.example/base:v1 and 1 more",
        ),
    ] {
        let layers = document["manifests"][0]["layers"].as_array_mut();
        let layers = layers.expect("layers");
        for (at, from) in [1, 2].into_iter().zip(from) {
            layers[at]["reused"] = "soci-index".into();
            layers[at]["reusedFrom"] = from.into();
        }
        layers[4].as_object_mut().expect("a layer").remove("reused");
        assert!(
            describe(&document).ends_with(expected),
            "{}",
            describe(&document)
        );
    }
}

#[test]
fn counts_layers_and_bytes() {
    let document = parse(&six_layers());
    let summary = Summary::of(&document);
    assert_eq!(summary.stage, Stage::Indexed);
    let total = |count, bytes| LayerTotal { count, bytes };
    assert_eq!(summary.all, total(6, 226 * MIB));
    assert_eq!(summary.indexed, total(4, 195 * MIB));
    assert_eq!(summary.reused, total(1, 5 * MIB));
    assert_eq!(summary.ztoc_bytes, 4 * MIB + MIB / 10 + 1);
    let [zstd, small] = summary.skipped.as_slice() else {
        panic!("{:?}", summary.skipped);
    };
    assert_eq!(zstd.compressions, ["zstd"]);
    let reason = LayerReason::BelowMinLayerSize;
    assert_eq!(small.reason, SkipReason::Planned(reason));
    assert_eq!(small.layers, total(1, 11 * MIB));
    assert_eq!(
        summary.describe_layers(),
        "4 of 6 layers, 195 of 226 MiB, ztocs 4.1 MiB, 1 reused, 2 skipped: \
         unsupported-compression (zstd), below-min-layer-size"
    );
}

#[test]
fn counts_a_shared_layer_once_and_no_manifest_that_is_left_out() {
    let shared = indexed("shared", MIB, 10);
    let mut left_out = manifest("s390x", &[indexed("other", MIB, 10)]);
    left_out["plan"] = json!({"action": "skip", "reason": "platform"});
    let document = parse(&document(&[
        manifest("amd64", &[shared.clone(), indexed("a", MIB, 10)]),
        manifest("arm64", &[shared]),
        left_out,
    ]));
    let summary = Summary::of(&document);
    assert_eq!(summary.all.count, 2);
    assert_eq!(summary.ztoc_bytes, 20);
    let platforms: Vec<String> = summary.platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
}

#[test]
fn tells_what_soci_index_found_from_what_the_plan_skips() {
    let found = json!({"ztoc": null, "skipped": "mislabelled"});
    let by_hand = json!({"plan": {"action": "skip"}});
    let layers = [layer("a", 2, &found), layer("b", 1, &by_hand)];
    let document = parse(&document(&[manifest("amd64", &layers)]));
    let summary = Summary::of(&document);
    let reasons: Vec<SkipReason> = summary.skipped.iter().map(|group| group.reason).collect();
    let expected = [
        SkipReason::Found(UnindexableReason::Mislabelled),
        SkipReason::Planned(LayerReason::Excluded),
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn counts_what_is_to_be_indexed_before_soci_index() {
    let mut planned = document(&[manifest("amd64", &[layer("a", MIB, &json!({}))])]);
    planned.as_object_mut().expect("fields").remove("converted");
    let entry = planned["manifests"][0].as_object_mut().expect("fields");
    entry.remove("index");
    let parsed = parse(&planned);
    let summary = Summary::of(&parsed);
    assert_eq!(summary.stage, Stage::Planned);
    assert_eq!(summary.describe_layers(), "1 of 1 layer, 1.0 of 1.0 MiB");
    planned.as_object_mut().expect("fields").remove("plan");
    let mut attestation = manifest("unknown", &[layer("statement", 200, &json!({}))]);
    attestation["platform"]["os"] = "unknown".into();
    let manifests = planned["manifests"].as_array_mut().expect("manifests");
    manifests.push(attestation);
    for entry in manifests {
        entry.as_object_mut().expect("fields").remove("index");
    }
    let parsed = parse(&planned);
    let summary = Summary::of(&parsed);
    assert_eq!(summary.stage, Stage::Pulled);
    assert_eq!((summary.indexed.count, summary.all.count), (0, 1));
    assert_eq!(summary.platforms.len(), 1);
}

#[test]
fn says_what_to_deploy() {
    let index = |text: &str, architecture: &str| {
        json!({"version": "v1", "digest": digest(text),
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let (amd64, arm64) = (index("one", "amd64"), index("two", "arm64"));
    let (one, two) = (digest("one"), digest("two"));
    let tag = format!("r.example/app:v1-soci@{} (v2)", digest("converted"));
    for (indexes, expected) in [
        (json!([]), tag.clone()),
        (json!([amd64]), format!("{tag} and {one} (v1)")),
        (
            json!([amd64, arm64]),
            format!("{tag}, {one} (v1, linux/amd64) and {two} (v1, linux/arm64)"),
        ),
    ] {
        let document = parse(&pushed(six_layers(), &indexes));
        let summary = Summary::of(&document);
        assert_eq!(summary.stage, Stage::Pushed);
        assert_eq!(summary.describe_deployment(), expected);
    }
    let mut empty = pushed(six_layers(), &json!([]));
    empty["converted"] = Value::Null;
    let document = parse(&empty);
    let deployment = Summary::of(&document).describe_deployment();
    assert!(deployment.ends_with(" (not converted)"), "{deployment}");
    let mut untagged = pushed(six_layers(), &json!([]));
    untagged["push"]["tags"] = json!([]);
    let document = parse(&untagged);
    let deployment = Summary::of(&document).describe_deployment();
    let expected = format!("{} (v2, without a tag)", digest("converted"));
    assert_eq!(deployment, expected);
    let document = parse(&six_layers());
    assert_eq!(Summary::of(&document).describe_deployment(), "");
}

#[test]
fn does_not_overflow_on_sizes_that_are_wrong() {
    let size = i64::MAX as u64;
    let layers = ["a", "b", "c"].map(|text| indexed(text, size, size));
    let document = parse(&document(&[manifest("amd64", &layers)]));
    let summary = Summary::of(&document);
    assert_eq!(summary.all.bytes, u64::MAX);
    assert_eq!(summary.ztoc_bytes, u64::MAX);
}

#[test]
fn says_what_was_pushed() {
    let describe = |document: &Value| Summary::of(&parse(document)).describe_result();
    assert_eq!(describe(&six_layers()), "", "nothing was pushed yet");
    for (dry_run, uploaded, verb) in [
        (false, 3, "pushed"),
        (true, 3, "would push"),
        (false, 0, "already pushed"),
        (true, 0, "already pushed"),
    ] {
        let mut document = pushed(six_layers(), &json!([]));
        document["push"]["dryRun"] = dry_run.into();
        document["push"]["uploaded"] = uploaded.into();
        let result = describe(&document);
        let expected = format!(
            "{verb} r.example/app:v1-soci@{} (v2): ",
            digest("converted")
        );
        assert!(result.starts_with(&expected), "{result}");
        assert!(result.contains(": 4 of 6 layers, "), "{result}");
    }
}

#[test]
fn says_that_nothing_or_only_a_part_was_pushed() {
    let describe = |document: &Value| Summary::of(&parse(document)).describe_result();
    let mut failed = pushed(six_layers(), &json!([]));
    failed["error"] = json!({"stage": "soci-push", "exit": 69, "message": "an outage"});
    assert!(describe(&failed).starts_with("pushed in part r.example/app:v1-soci@"));
    let mut untagged = pushed(six_layers(), &json!([]));
    untagged["converted"] = Value::Null;
    untagged["push"]["tags"] = json!([]);
    assert!(describe(&untagged).starts_with("pushed no tag and no index: "));
    untagged["unchanged"] = true.into();
    assert_eq!(describe(&untagged), "unchanged: nothing to push");
    let skip = json!({"action": "skip", "reason": "not-an-image"});
    untagged["manifests"][0]["plan"] = skip;
    let again = untagged["manifests"][0].clone();
    untagged["manifests"]
        .as_array_mut()
        .expect("manifests")
        .push(again);
    assert_eq!(
        describe(&untagged),
        "unchanged: nothing to push: not-an-image"
    );
}
