//! Single layers: the ztoc byte for byte, or the class of the error.

use std::fs;

use serde_json::{Value, json};
use soci_testkit::{
    golden::{self, Expect, LayerCase},
    image,
    process::Sandbox,
};

use super::{Outcome, assert_differences, find_misses, index};

/// Sparse files of PAX, which no reader restores correctly, and ztocs that the reference's own
/// reader refuses or fails on.
const DIFFERENT: &[(&str, &str)] = &[
    ("empty-blocks-first", UNREADABLE),
    ("flush-before-data", UNREADABLE),
    ("members-empty-first", UNREADABLE),
    ("tar-dir-with-size", UNREADABLE),
    ("tar-hardlink-with-size", UNREADABLE),
    ("tar-ids-overflow", UNREADABLE),
    ("tar-mtime-huge", UNREADABLE),
    ("tar-pax-empty-values", UNREADABLE),
    ("tar-sparse-pax-0.0", UNREADABLE),
    ("tar-sparse-pax-0.1", UNREADABLE),
    ("tar-sparse-pax-1.0", UNREADABLE),
    ("tar-sparse-pax-1.0-last", UNREADABLE),
];

const UNREADABLE: &str = "skipped as unreadable-by-snapshotter";

/// The reasons for which layers are skipped that the reference fails on. Other corrupt layers are
/// `unreadable`.
const REASONS: &[(&str, &str)] = &[
    ("all-zeros", "mislabelled"),
    ("hdr-long-refused", "unreadable-by-snapshotter"),
    ("hdr-other-format", "mislabelled"),
    ("hdr-zlib-wrapped", "mislabelled"),
    ("members-zlib-in-tar", "trailing-data"),
    ("mt-docker-tar-gzipped", "mislabelled"),
    ("mt-oci-gzip-holding-tar", "mislabelled"),
    ("mt-oci-gzip-holding-zstd", "mislabelled"),
    ("tar-media-gzip-content", "mislabelled"),
    ("trailing-garbage", "trailing-data"),
    ("trailing-newline", "trailing-data"),
    ("trailing-one-byte", "trailing-data"),
    ("trailing-zeros", "trailing-data"),
    ("trailing-zeros-long", "trailing-data"),
    ("zero-byte-gzip", "empty"),
];

#[test]
fn layers_give_the_golden_ztocs() {
    let found = find_misses(&golden::layers(), |case| {
        (case.name.to_owned(), check(case))
    });
    assert_differences(&found, DIFFERENT);
}

/// Checks a case; an error describes the difference.
fn check(case: &LayerCase) -> Result<(), String> {
    let sandbox = Sandbox::new();
    write_layout(&sandbox, case);
    let plan = [
        "--platform",
        "linux/amd64",
        "--index-version",
        "v1",
        "--min-layer-size",
    ]
    .map(str::to_owned);
    let sizes = [
        case.min_layer_size().to_string(),
        "--span-size".to_owned(),
        case.span_size().to_string(),
    ];
    let outcome = index(&sandbox, "oci:image:latest", &[&plan[..], &sizes].concat());
    if let Outcome::Failed(70 | 101 | 128.., said) = &outcome {
        return Err(format!("crashed: {said}"));
    }
    match case.expect() {
        // Ciphertext is never taken for gzip.
        _ if case.media_type().contains("encrypted") => skipped(&outcome, "encrypted"),
        Expect::Ztoc => same_ztoc(case, &outcome),
        Expect::Skip(_) => any_skip(&outcome),
        Expect::Error(kind) => refused(case, kind, &outcome),
    }
}

/// Checks that the layer has the golden ztoc.
fn same_ztoc(case: &LayerCase, outcome: &Outcome) -> Result<(), String> {
    let layer = indexed(outcome)?;
    if layer["skipped"] == "unreadable-by-snapshotter" && layer["ztoc"].is_null() {
        Err(UNREADABLE.to_owned())
    } else if layer["ztoc"]["digest"] == case.case["ztoc_digest"] {
        Ok(())
    } else {
        Err(format!("ztoc {}", layer["ztoc"]))
    }
}

/// Checks that a layer that the reference fails on is skipped for the right reason.
fn refused(case: &LayerCase, kind: &str, outcome: &Outcome) -> Result<(), String> {
    match (case.text("error_stage"), kind, outcome) {
        // The reference crashes, so any result is acceptable.
        ("panic", ..) => Ok(()),
        (_, "unsupported_tar_entry_type", _) => skipped(outcome, "unindexable-tar"),
        ("media-type", _, Outcome::Indexed(_)) => any_skip(outcome),
        ("media-type", ..) => Ok(()),
        _ => {
            let reason = REASONS.iter().find(|(name, _)| *name == case.name);
            skipped(outcome, reason.map_or("unreadable", |(_, reason)| reason))
        }
    }
}

fn skipped(outcome: &Outcome, reason: &str) -> Result<(), String> {
    let layer = indexed(outcome)?;
    let given = [&layer["skipped"], &layer["plan"]["reason"]];
    if given.iter().any(|given| **given == reason) && layer["ztoc"].is_null() {
        Ok(())
    } else {
        Err(format!("not skipped as {reason}: {layer}"))
    }
}

fn any_skip(outcome: &Outcome) -> Result<(), String> {
    let layer = indexed(outcome)?;
    let reason = layer["plan"]["reason"].is_string();
    if layer["plan"]["action"] == "skip" && reason && layer["ztoc"].is_null() {
        Ok(())
    } else {
        Err(format!("not skipped: {layer}"))
    }
}

/// Returns the layer of a document.
fn indexed(outcome: &Outcome) -> Result<&Value, String> {
    match outcome {
        Outcome::Indexed(document) => Ok(&document["manifests"][0]["layers"][0]),
        Outcome::Failed(code, said) => Err(format!("exit status {code}: {said}")),
    }
}

/// Writes an image of one layer, with the media types of the layer's family.
fn write_layout(sandbox: &Sandbox, case: &LayerCase) {
    let docker = case.media_type().starts_with("application/vnd.docker");
    let (config_type, manifest_type) = if docker {
        (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        )
    } else {
        (
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.manifest.v1+json",
        )
    };
    let layer = blob(sandbox, case.media_type(), case.layer);
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}});
    let config = blob(sandbox, config_type, config.to_string().as_bytes());
    let manifest = json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [layer]});
    let mut manifest = blob(sandbox, manifest_type, manifest.to_string().as_bytes());
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    sandbox.write("image/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    sandbox.write("image/index.json", index.to_string());
}

fn blob(sandbox: &Sandbox, media_type: &str, bytes: &[u8]) -> Value {
    let digest = image::digest(bytes);
    let path = sandbox
        .path()
        .join("image/blobs")
        .join(digest.replace(':', "/"));
    fs::create_dir_all(path.parent().expect("a folder")).expect("a writable sandbox");
    fs::write(path, bytes).expect("a writable sandbox");
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}
