use super::*;
use soci_document::IndexVersions;
use soci_oci::Descriptor;
use soci_oci::media_type::{OCI_CONFIG, OCI_MANIFEST};

fn request(platforms: Option<&[&str]>) -> PlanRequest {
    let plan = Plan {
        platforms: Vec::new(),
        min_layer_size: 100,
        span_size: 4 << 20,
        index_version: IndexVersions::Both,
        optimizations: Vec::new(),
        prefetch_files: Vec::new(),
        reuse_from: Vec::new(),
    };
    let parse = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.parse().expect("a platform"))
            .collect()
    };
    PlanRequest {
        plan,
        platforms: platforms.map(parse),
    }
}

fn manifest_entry(platform: &str, layers: &[(&str, u64)]) -> serde_json::Value {
    let (os, rest) = platform.split_once('/').expect("a platform");
    let (architecture, variant) = rest.split_once('/').unwrap_or((rest, ""));
    let mut descriptor = Descriptor::of(OCI_MANIFEST, platform.as_bytes());
    descriptor.platform = Some(Platform::new(os, architecture, variant));
    let layer = |(media_type, size): &(&str, u64)| serde_json::json!({"descriptor": Descriptor { size: *size, ..Descriptor::of(media_type, b"") }});
    let layers: Vec<_> = layers.iter().map(layer).collect();
    serde_json::json!({"descriptor": descriptor, "config": Descriptor::of(OCI_CONFIG, b"{}"), "layers": layers})
}

fn document(manifests: &[serde_json::Value]) -> Document {
    let root = Descriptor::of(OCI_MANIFEST, b"");
    let value =
        serde_json::json!({"version": 1, "image": "a", "root": root, "manifests": manifests});
    serde_json::from_value(value).expect("a document")
}

fn planned_platforms(document: &Document) -> Vec<Option<String>> {
    let platform = |entry: &ManifestEntry| match &entry.plan {
        Some(ManifestDecision::Index { platform }) => platform.as_ref().map(ToString::to_string),
        _ => None,
    };
    document.manifests.iter().map(platform).collect()
}

#[test]
fn chooses_the_first_match_of_each_platform_once() {
    let mut document = document(&[
        manifest_entry("linux/amd64/v1", &[]),
        manifest_entry("linux/arm64", &[]),
        manifest_entry("linux/amd64", &[]),
    ]);
    plan_document(
        &mut document,
        &request(Some(&["linux/amd64", "linux/x86_64", "linux/arm64/v8"])),
    )
    .expect("planned");
    assert_eq!(
        planned_platforms(&document),
        [
            Some("linux/amd64".to_owned()),
            Some("linux/arm64/v8".to_owned()),
            None
        ]
    );
    plan_document(&mut document, &request(None)).expect("planned");
    assert_eq!(planned_platforms(&document).iter().flatten().count(), 3);
}

#[test]
fn names_the_platforms_of_the_image_if_none_matches() {
    let mut document = document(&[
        manifest_entry("linux/arm64", &[]),
        manifest_entry("unknown/unknown", &[]),
    ]);
    let failure = plan_document(&mut document, &request(Some(&["linux/amd64"])))
        .expect_err("no such platform");
    assert_eq!(failure.exit, Exit::NothingMatches);
    assert!(
        failure
            .error
            .to_string()
            .contains("the image is for linux/arm64"),
        "{}",
        failure.error
    );
}

#[test]
fn gives_every_skipped_layer_its_reason() {
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    let layers = [
        (gzip, 100),
        (gzip, 99),
        ("application/vnd.oci.image.layer.v1.tar+zstd", 100),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", 100),
        ("application/vnd.oci.image.layer.v2.tar", 100),
        ("application/vnd.in-toto+json", 1),
    ];
    let mut document = document(&[manifest_entry("linux/amd64", &layers)]);
    let elsewhere = LayerEntry {
        held: Some(false),
        ..document.manifests[0].layers[0].clone()
    };
    document.manifests[0].layers.push(elsewhere);
    plan_document(&mut document, &request(Some(&["linux/amd64"]))).expect("planned");
    let reason = |layer: &LayerEntry| match layer.plan.expect("a decision") {
        LayerDecision::Index => None,
        LayerDecision::Skip { reason } => reason,
    };
    let reasons: Vec<_> = document.manifests[0].layers.iter().map(reason).collect();
    let expected = [
        None,
        Some(LayerReason::BelowMinLayerSize),
        Some(LayerReason::UnsupportedCompression),
        Some(LayerReason::Encrypted),
        Some(LayerReason::UnknownMediaType),
        Some(LayerReason::UnknownMediaType),
        Some(LayerReason::Foreign),
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn rejects_a_platform_whose_manifest_is_missing() {
    let mut document = document(&[
        manifest_entry("linux/amd64", &[]),
        manifest_entry("linux/arm64", &[]),
    ]);
    document.manifests[0].missing = true;
    plan_document(&mut document, &request(None)).expect("the other manifest is planned");
    let missing = ManifestDecision::Skip {
        reason: Some(ManifestReason::Missing),
    };
    assert_eq!(document.manifests[0].plan, Some(missing));
    let failure =
        plan_document(&mut document, &request(Some(&["linux/amd64"]))).expect_err("missing");
    assert_eq!(failure.exit, Exit::NothingMatches);
}

/// Plans a document for linux/amd64, and returns the reason for each manifest; `None` if it is
/// indexed.
fn reasons(document: &mut Document) -> Vec<Option<ManifestReason>> {
    plan_document(document, &request(Some(&["linux/amd64"]))).expect("planned");
    let reason = |entry: &ManifestEntry| match entry.plan {
        Some(ManifestDecision::Skip { reason }) => reason,
        _ => None,
    };
    document.manifests.iter().map(reason).collect()
}

/// Returns the entry of a manifest without a platform, whose configuration has this media type.
fn artifact_entry(config_type: &str, layer_type: &str) -> serde_json::Value {
    let layer = serde_json::json!({"descriptor": Descriptor::of(layer_type, b"")});
    let mut entry = serde_json::json!({"descriptor": Descriptor::of(OCI_MANIFEST, b"artifact"), "layers": [layer]});
    entry["config"] = serde_json::json!(Descriptor::of(config_type, b"{}"));
    entry
}

#[test]
fn passes_what_is_no_image_through_with_its_reasons() {
    let helm = artifact_entry("application/vnd.cncf.helm.config.v1+json", "x");
    let mut signature = artifact_entry(
        OCI_CONFIG,
        "application/vnd.dev.cosign.simplesigning.v1+json",
    );
    signature["platform"] = serde_json::json!(Platform::new("", "", ""));
    let other = serde_json::json!({"descriptor": Descriptor::of("application/vnd.x", b"")});
    let attestation = manifest_entry("unknown/unknown", &[]);
    let soci_index = artifact_entry(soci_oci::media_type::SOCI_INDEX_V1, "x");
    let no_image = Some(ManifestReason::NotAnImage);
    for (entry, reason) in [
        (helm, no_image),
        (signature, no_image),
        (other, no_image),
        (attestation, Some(ManifestReason::Attestation)),
        (soci_index, Some(ManifestReason::AlreadyConverted)),
    ] {
        let mut document = document(std::slice::from_ref(&entry));
        assert_eq!(reasons(&mut document), [reason], "{entry}");
        assert!(document.unchanged);
    }
    let mut empty = document(&[]);
    assert!(reasons(&mut empty).is_empty());
    assert!(empty.unchanged);
}

#[test]
fn leaves_converted_manifests_unchanged() {
    let mut document = document(&[
        manifest_entry("linux/amd64", &[("a", 1)]),
        manifest_entry("linux/arm64", &[("a", 1)]),
    ]);
    document.manifests[0].soci_index = Some(Descriptor::of(OCI_MANIFEST, b"soci"));
    let (converted, platform) = (
        Some(ManifestReason::AlreadyConverted),
        Some(ManifestReason::Platform),
    );
    assert_eq!(reasons(&mut document), [converted, platform]);
    assert!(document.unchanged);
    assert!(document.manifests[0].layers[0].plan.is_none());
    plan_document(&mut document, &request(None)).expect("planned");
    assert!(!document.unchanged, "the other platform is added");
    assert!(document.manifests[1].is_planned());
    document.manifests.remove(0);
    let failure = plan_document(&mut document, &request(Some(&["linux/amd64"])));
    assert_eq!(
        failure.expect_err("another platform").exit,
        Exit::NothingMatches
    );
}

#[test]
fn indexes_an_image_whose_soci_index_is_that_of_its_base_image() {
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    let layers = [(gzip, 1000), (gzip, 500), (gzip, 10)];
    let mut document = document(&[manifest_entry("linux/amd64", &layers)]);
    document.manifests[0].soci_index = Some(Descriptor::of(OCI_MANIFEST, b"soci"));
    for (covered, reason) in [
        ([true, true, false], Some(ManifestReason::AlreadyConverted)),
        ([true, false, false], None),
    ] {
        for (layer, covered) in document.manifests[0].layers.iter_mut().zip(covered) {
            layer.covered = Some(covered);
        }
        assert_eq!(reasons(&mut document), [reason]);
        assert_eq!(document.is_converted(), reason.is_some());
    }
}

#[test]
fn names_the_compression_of_a_layer_that_is_also_too_small() {
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    let mut document = document(&[manifest_entry("linux/amd64", &[(zstd, 1)])]);
    plan_document(&mut document, &request(Some(&["linux/amd64"]))).expect("planned");
    let skipped = LayerDecision::Skip {
        reason: Some(LayerReason::UnsupportedCompression),
    };
    assert_eq!(document.manifests[0].layers[0].plan, Some(skipped));
}

#[test]
fn advises_if_the_image_names_no_platform() {
    let mut entry = artifact_entry(OCI_CONFIG, "application/vnd.oci.image.layer.v1.tar+gzip");
    entry["platform"] = serde_json::json!(Platform::new("", "", ""));
    let mut document = document(&[entry]);
    let failure = plan_document(&mut document, &request(Some(&["linux/amd64"])))
        .expect_err("no such platform");
    let message = failure.error.to_string();
    assert!(message.contains("the image names no platform"), "{message}");
    assert!(!message.contains("for /"), "{message}");
    plan_document(&mut document, &request(None)).expect("planned");
    assert!(document.manifests[0].is_planned());
}

#[test]
fn asks_to_pull_a_nested_index_that_was_not_fetched() {
    let mut nested = Descriptor::of(soci_oci::media_type::OCI_INDEX, b"");
    nested.platform = Some(Platform::new("linux", "amd64", ""));
    let entry = serde_json::json!({"descriptor": nested});
    let mut document = document(&[entry, manifest_entry("linux/arm64", &[])]);
    let failure =
        plan_document(&mut document, &request(Some(&["linux/amd64"]))).expect_err("not fetched");
    assert!(failure.error.to_string().contains("was not fetched"));
    plan_document(&mut document, &request(Some(&["linux/arm64"]))).expect("planned");
    let skipped = ManifestDecision::Skip {
        reason: Some(ManifestReason::Platform),
    };
    assert_eq!(document.manifests[0].plan, Some(skipped));
}
