//! The images of the soak test, and the expected results.

use std::path::PathBuf;

use serde_json::Value;
use soci_testkit::{
    faulty::Faulty,
    image::{self, Format, Image, Layer},
    process::{Finished, Sandbox, pipeline},
};

use crate::stages::{layer, only_document, stage};

/// An image in a layout, with the document of a pipeline without faults.
pub(super) struct Sample {
    pub(super) folder: PathBuf,
    expected: Value,
    _sandbox: Sandbox,
}

/// Makes the images.
pub(super) fn samples() -> Vec<Sample> {
    let base = layer(1, 60_000);
    let platform = |name: &str| Image::new(name).layer(base.clone());
    vec![
        Sample::of(&[platform("linux/amd64")]),
        Sample::of(&[platform("linux/amd64")
            .layer(layer(2, 300_000))
            .layer(layer(3, 2000))
            .layer(layer(4, 1_500_000))]),
        Sample::of(&[
            platform("linux/amd64").layer(layer(5, 9000)).attested(),
            platform("linux/arm64").layer(layer(6, 40_000)),
        ]),
        Sample::of(&[platform("linux/amd64")
            .format(Format::Docker)
            .layer(Layer::plain(&[("srv/plain", &[7; 50_000])]))]),
    ]
}

impl Sample {
    fn of(images: &[Image]) -> Self {
        let sandbox = Sandbox::new();
        let folder = sandbox.path().join("image");
        image::write_layout(&folder, images);
        let registry = Faulty::start();
        registry.push(&folder, "app:v1");
        let tools = [
            stage(&sandbox, "soci-pull").arg(format!("{}/app:v1", registry.host())),
            stage(&sandbox, "soci-plan").arg("--all-platforms"),
            stage(&sandbox, "soci-index"),
        ];
        let ended = pipeline(tools).pop().expect("three tools").succeeds();
        Self {
            folder,
            expected: only_document(ended.documents()),
            _sandbox: sandbox,
        }
    }

    /// Asserts that a pipeline gave the same result as one without faults, and that the registry
    /// holds all of it.
    #[track_caller]
    pub(super) fn assert_indexed(&self, registry: &Faulty, last: &Finished) {
        let mut document = only_document(last.documents());
        // A pipeline after one that failed finds ztocs in the store.
        for layer in layers_mut(&mut document) {
            let layer = layer.as_object_mut().expect("a layer");
            layer.remove("reused");
            layer.remove("reusedFrom");
        }
        let same = document["manifests"] == self.expected["manifests"];
        assert!(same, "{document}\nis not\n{}", self.expected);
        assert_eq!(document["converted"], self.expected["converted"]);
        let tags = registry.tags("app");
        assert_eq!(
            tags.get("v1-soci").map(String::as_str),
            document["converted"]["digest"].as_str()
        );
        let converted = document["converted"]["digest"].as_str().expect("a digest");
        assert_whole(registry, converted);
        let manifests = document["manifests"].as_array().expect("manifests");
        for manifest in manifests
            .iter()
            .filter(|manifest| manifest["index"].is_object())
        {
            let index = manifest["index"]["v1"]["digest"]
                .as_str()
                .expect("an index");
            assert_whole(registry, index);
            assert_listed(
                registry,
                &document,
                &manifest["descriptor"]["digest"],
                index,
            );
        }
    }
}

/// Returns the layers of all manifests of a document.
fn layers_mut(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let manifests = document["manifests"].as_array_mut().into_iter().flatten();
    manifests
        .filter_map(|manifest| manifest["layers"].as_array_mut())
        .flatten()
}

/// Asserts that after a failure every manifest in the registry names only content that the registry
/// holds.
#[track_caller]
pub(super) fn assert_registry_consistent(registry: &Faulty) {
    for digest in registry.digests() {
        if registry.manifest("app", &digest).is_some() {
            assert_whole(registry, &digest);
        }
    }
}

/// Asserts that an index of version 1 is found from its image in the way that the document names.
#[track_caller]
fn assert_listed(registry: &Faulty, document: &Value, subject: &Value, index: &str) {
    if document["push"]["referrers"] != "tag" {
        return;
    }
    let tag = subject.as_str().expect("a digest").replace(':', "-");
    let list = registry.manifest("app", &tag).expect("the fallback tag");
    let list: Value = serde_json::from_slice(list.bytes()).expect("JSON");
    let mut entries = list["manifests"].as_array().expect("entries").iter();
    assert!(entries.any(|entry| entry["digest"] == index), "{list}");
}

/// Asserts that a manifest is in the registry with everything that it names, byte for byte.
#[track_caller]
fn assert_whole(registry: &Faulty, digest: &str) {
    let manifest = registry
        .manifest("app", digest)
        .unwrap_or_else(|| panic!("manifest {digest} is not there"));
    assert_eq!(image::digest(manifest.bytes()), digest);
    let value: Value = serde_json::from_slice(manifest.bytes()).expect("JSON");
    let entries = |field: &str| value[field].as_array().cloned().unwrap_or_default();
    for child in entries("manifests") {
        assert_whole(registry, child["digest"].as_str().expect("a digest"));
    }
    let blobs = entries("layers")
        .into_iter()
        .chain(value.get("config").cloned());
    for blob in blobs {
        let digest = blob["digest"].as_str().expect("a digest");
        let bytes = registry.blob(digest);
        let bytes = bytes.unwrap_or_else(|| panic!("blob {digest} is not there"));
        assert_eq!(image::digest(&bytes), digest);
    }
}
