//! Which manifests and layers are indexed, and the reason for each that is not.

use serde_json::{Value, json};
use soci_testkit::image::{Image, Layer, random_layer};

use crate::Pulled;

/// An image for linux/arm64 and windows/amd64.
fn two_platforms() -> Pulled {
    Pulled::of(&[
        Image::new("linux/arm64").layer(random_layer(1, 3000)),
        Image::new("windows/amd64").layer(random_layer(2, 3000)),
    ])
}

/// Returns the decision for each manifest, as `index` or the reason to skip it.
fn manifest_decisions(document: &Value) -> Vec<String> {
    let entries = document["manifests"].as_array().expect("manifests");
    entries
        .iter()
        .map(|entry| decision(&entry["plan"]))
        .collect()
}

/// Returns the decision for each layer of the first manifest.
fn layer_decisions(document: &Value) -> Vec<String> {
    let layers = document["manifests"][0]["layers"].as_array();
    let layers = layers.expect("layers").iter();
    layers.map(|layer| decision(&layer["plan"])).collect()
}

fn decision(plan: &Value) -> String {
    let reason = plan["reason"].as_str();
    let action = plan["action"].as_str().expect("an action");
    reason.unwrap_or(action).to_owned()
}

#[test]
fn names_the_platforms_of_an_image_without_the_one_asked_for() {
    let pulled = two_platforms();
    for arguments in [
        &[][..],
        &["--platform", "linux/amd64"],
        &["--platform", "linux/arm64,linux/amd64"],
    ] {
        let finished = pulled.plan(arguments).ends_with(81);
        let finished = finished
            .says("soci-plan: error: oci:image: ")
            .says("no manifest for platform linux/amd64")
            .says("linux/arm64")
            .says("windows/amd64")
            .says("--platform");
        finished.writes_only_its_failure();
    }
    pulled.plan(&["--platform", "linux/arm64/v8"]).succeeds();
    let malformed = pulled.plan(&["--platform", "linux/"]);
    malformed.ends_with(2).says("linux/");
}

#[test]
fn plans_the_platforms_asked_for() {
    let pulled = two_platforms();
    let document = pulled.planned(&["--platform", "linux/arm64"]);
    assert_eq!(manifest_decisions(&document), ["index", "platform"]);
    let document = pulled.planned(&["--all-platforms"]);
    assert_eq!(manifest_decisions(&document), ["index", "index"]);
}

#[test]
fn skips_attestations() {
    let pulled = Pulled::of(&[Image::new("linux/amd64")
        .layer(random_layer(1, 3000))
        .attested()]);
    let document = pulled.planned(&["--all-platforms"]);
    assert_eq!(manifest_decisions(&document), ["index", "attestation"]);
}

#[test]
fn skips_layers_below_the_minimum_size_and_without_gzip() {
    let content = vec![7; 30_000];
    let pulled = Pulled::of(&[Image::new("linux/amd64")
        .layer(random_layer(1, 30_000))
        .layer(random_layer(2, 3000))
        .layer(Layer::zstd(&[("app", &content)]))
        .layer(Layer::plain(&[("app", &content)]))]);
    let document = pulled.planned(&["--min-layer-size", "20kB"]);
    assert_eq!(
        layer_decisions(&document),
        [
            "index",
            "below-min-layer-size",
            "unsupported-compression",
            "index"
        ]
    );
    // A layer of exactly the minimum size is indexed.
    let size = &document["manifests"][0]["layers"][1]["descriptor"]["size"];
    let document = pulled.planned(&["--min-layer-size", &size.to_string()]);
    assert_eq!(layer_decisions(&document)[1], "index");
}

/// `--explain` prints the decisions, and then the cause and cure of each reason once.
#[test]
fn explains_every_decision() {
    let content = vec![7; 30_000];
    let pulled = Pulled::of(&[Image::new("linux/amd64")
        .layer(Layer::zstd(&[("app", &content)]))
        .layer(Layer::zstd(&[("other", &content)]))
        .layer(Layer::stored(&[("app", &content)]))]);
    let arguments = ["--min-layer-size", "0", "--explain"];
    let finished = pulled.plan(&arguments).succeeds();
    let stderr = &finished.stderr;
    assert_eq!(
        stderr.matches("  skip: unsupported-compression\n").count(),
        2
    );
    assert_eq!(stderr.matches("  index\n").count(), 1);
    let explanation = "\n  unsupported-compression: the layer has a compression that a ztoc cannot \
        describe, such as zstd; rebuild with `docker buildx build --output ";
    assert_eq!(stderr.matches(explanation).count(), 1, "{stderr}");
    // The user asked for the table, so that --quiet leaves it.
    let quiet = pulled.plan(&[&arguments[..], &["--quiet"]].concat());
    let quiet = quiet.succeeds().stderr;
    assert!(quiet.starts_with("oci:image\n"), "{quiet}");
    assert!(stderr.ends_with(&quiet), "{stderr}");
    let quiet = pulled.plan(&["--min-layer-size", "0", "--quiet"]);
    assert_eq!(quiet.succeeds().stderr, "");
}

/// Without `--explain`, one line for each reason tells the number and size of the layers, and the
/// cure. Only what the builder of the image should change is a warning.
#[test]
fn tells_skipped_layers_once_for_each_reason() {
    let content = vec![7; 30_000];
    let pulled = Pulled::of(&[Image::new("linux/amd64")
        .layer(Layer::zstd(&[("app", &content)]))
        .layer(Layer::zstd(&[("other", &content)]))
        .layer(random_layer(1, 3000))
        .layer(Layer::stored(&[("app", &content)]))]);
    let finished = pulled.plan(&["--min-layer-size", "10KiB"]).succeeds();
    let skipped = |line: &&str| line.contains(" skipped ");
    let lines: Vec<&str> = finished.stderr.lines().filter(skipped).collect();
    let [zstd, small] = lines[..] else {
        panic!("{}", finished.stderr);
    };
    let start = "soci-plan: warning: oci:image: skipped 2 layers, 6";
    assert!(zstd.starts_with(start), "{zstd}");
    let end = " KiB: unsupported-compression (zstd); rebuild with `docker buildx build ";
    assert!(zstd.contains(end), "{zstd}");
    let start = "soci-plan: oci:image: skipped 1 layer, 3.";
    assert!(small.starts_with(start), "{small}");
    let end = " KiB: below-min-layer-size; lower `--min-layer-size`";
    assert!(small.ends_with(end), "{small}");
}

/// A8: a foreign layer is indexed if the registry holds it.
#[test]
fn skips_foreign_layers_that_the_registry_lacks() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    let mut document: Value = serde_json::from_slice(&pulled.line).expect("a document");
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    document["manifests"][0]["layers"][0]["descriptor"]["mediaType"] = json!(foreign);
    for (held, expected) in [(None, "index"), (Some(false), "foreign")] {
        document["manifests"][0]["layers"][0]["held"] = json!(held);
        let tool = crate::soci_tool(&pulled.sandbox).stdin(document.to_string());
        let planned = &tool.run().succeeds().documents()[0];
        assert_eq!(layer_decisions(planned), [expected]);
    }
}

#[test]
fn warns_when_no_layer_is_to_be_indexed() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    let large = ["--min-layer-size", "10MiB"];
    let finished = pulled.plan(&large).succeeds().says("warning: ");
    finished.says("no layer is to be indexed");
    let finished = pulled.plan(&[&large[..], &["--require-layers"]].concat());
    let finished = finished.ends_with(81).says("no layer is to be indexed");
    finished.says("--min-layer-size").writes_only_its_failure();
}

#[test]
fn names_the_cause_and_the_cure_if_no_layer_is_to_be_indexed() {
    let zstd = || Layer::zstd(&[("app", b"content")]);
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(zstd())]);
    let finished = pulled
        .plan(&[])
        .succeeds()
        .says("unsupported-compression (1 layer, ")
        .says(" KiB, zstd); ");
    let finished = finished.says("compression=gzip,force-compression=true,oci-mediatypes=true");
    assert!(!finished.text().contains("--min-layer-size"));
    let both = Image::new("linux/amd64").layer(random_layer(1, 3000));
    let pulled = Pulled::of(&[both.layer(zstd()).layer(random_layer(2, 3000))]);
    let finished = pulled.plan(&["--min-layer-size", "10MiB"]).succeeds();
    let finished = finished.says("below-min-layer-size (2 layers, 6.");
    let finished = finished.says(" KiB), unsupported-compression (1 layer, ");
    finished.says("lower `--min-layer-size`");
    let pulled = Pulled::of(&[Image::new("linux/amd64")]);
    pulled.plan(&[]).succeeds().says("the image has no layers");
}

#[test]
fn fails_for_what_is_no_image_only_if_layers_are_required() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    let mut document: Value = serde_json::from_slice(&pulled.line).expect("a document");
    let helm = "application/vnd.cncf.helm.config.v1+json";
    document["manifests"][0]["config"]["mediaType"] = helm.into();
    let plan = |document: &Value, arguments: &[&str]| {
        let tool = crate::soci_tool(&pulled.sandbox).args(arguments);
        tool.stdin(document.to_string()).run()
    };
    let finished = plan(&document, &[]).succeeds();
    let finished = finished.says("warning: ").says("not-an-image (1)");
    let planned = &finished.documents()[0];
    assert_eq!(planned["unchanged"], true);
    assert_eq!(manifest_decisions(planned), ["not-an-image"]);
    plan(&document, &["--require-layers"]).ends_with(81);
    // What an earlier run has made needs no layers.
    let soci = "application/vnd.amazon.soci.index.v1+json";
    document["manifests"][0]["config"]["mediaType"] = soci.into();
    let finished = plan(&document, &["--require-layers"]).succeeds();
    assert_eq!(
        manifest_decisions(&finished.documents()[0]),
        ["already-converted"]
    );
}

#[test]
fn writes_the_same_plan_for_a_planned_document() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    let first = pulled.plan(&[]).succeeds().stdout;
    let tool = crate::soci_tool(&pulled.sandbox).stdin(first.clone());
    assert_eq!(tool.run().succeeds().stdout, first);
}

#[test]
fn keeps_unknown_fields() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    let mine = json!({"ticket": 42, "nested": [null, {"x": 1.5}], "ä": "ö\u{1F600}"});
    let mut document: Value = serde_json::from_slice(&pulled.line).expect("a document");
    document["mine"] = mine.clone();
    document["manifests"][0]["mine"] = mine.clone();
    document["manifests"][0]["layers"][0]["mine"] = mine.clone();
    let tool = crate::soci_tool(&pulled.sandbox).stdin(document.to_string());
    let planned = &tool.run().succeeds().documents()[0];
    let manifest = &planned["manifests"][0];
    for fields in [planned, manifest, &manifest["layers"][0]] {
        assert_eq!(fields["mine"], mine, "{planned}");
    }
}

/// H11: the table of decisions shows characters that act on a terminal as escapes.
#[test]
fn explains_hostile_platforms_with_escapes() {
    let pulled = two_platforms();
    let mut document: Value = serde_json::from_slice(&pulled.line).expect("a document");
    for platform in ["/manifests/1/platform", "/manifests/1/descriptor/platform"] {
        let platform = document.pointer_mut(platform).expect("a platform");
        platform["os"] = "win\u{202e}\u{200b}\u{2028}\u{e0041}".into();
    }
    let tool = crate::soci_tool(&pulled.sandbox).args(["--explain", "--platform", "arm64"]);
    let finished = tool.stdin(document.to_string()).run().succeeds();
    let finished = finished.says("win\\u{202e}\\u{200b}\\u{2028}\\u{e0041}/amd64");
    let is_plain = |character: char| !('\u{2000}'..='\u{2fff}').contains(&character);
    assert!(
        finished.stderr.chars().all(is_plain),
        "{:?}",
        finished.stderr
    );
}
