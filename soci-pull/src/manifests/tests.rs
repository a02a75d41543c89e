use std::sync::Arc;

use serde_json::json;
use soci_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use soci_transport::MemoryImage;
use tempfile::TempDir;

use super::*;
use crate::budget::{MAX_FETCHED, MAX_MANIFESTS};

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image in memory, and a store to fetch it into.
struct Setup {
    image: MemoryImage,
    store: Layout,
    _directory: TempDir,
}

impl Setup {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        Self {
            image: MemoryImage::default(),
            store: Layout::open_or_create(&directory.path().join("store")).expect("a store"),
            _directory: directory,
        }
    }

    /// Adds an image manifest with a layer and the given bytes as its configuration.
    fn add_manifest_with_config(&mut self, config: &[u8]) -> Descriptor {
        let config = self.image.add_blob(OCI_CONFIG, config);
        let layer = Descriptor::of(GZIP, config.digest.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer],
        });
        self.image
            .add_blob(OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    /// Adds an image manifest for a platform of Linux, and returns its descriptor with the
    /// platform.
    fn add_manifest(&mut self, architecture: &str) -> Descriptor {
        let config = json!({"os": "linux", "architecture": architecture}).to_string();
        Descriptor {
            platform: Some(Platform::new("linux", architecture, "")),
            ..self.add_manifest_with_config(config.as_bytes())
        }
    }

    fn add_index(&mut self, manifests: &[&Descriptor]) -> Descriptor {
        let index = json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests,
        });
        self.image.add_blob(OCI_INDEX, index.to_string().as_bytes())
    }

    /// Fetches the manifests of an image for the given platforms of Linux, or for all.
    fn fetch(&self, root: &Descriptor, architectures: &[&str]) -> Result<Fetched, Failure> {
        let platform = |architecture: &&str| Platform::new("linux", architecture, "");
        let platforms: Vec<Platform> = architectures.iter().map(platform).collect();
        let reference = format!("registry.example/app@{}", root.digest);
        let source = Source::with_backend(
            reference.parse().expect("a reference"),
            Arc::new(self.image.clone()),
        );
        let content = source.resolve()?.content;
        ManifestFetcher::new(&self.store, &platforms, source).fetch_manifests(root, &content)
    }
}

fn digests(fetched: &Fetched) -> Vec<Digest> {
    let entries = fetched.manifests.iter();
    entries.map(|entry| entry.descriptor.digest).collect()
}

#[test]
fn a_single_manifest_is_described_and_its_configuration_is_stored() {
    let mut setup = Setup::new();
    let Descriptor { digest, size, .. } = setup.add_manifest("arm64");
    let root = Descriptor::new(OCI_MANIFEST, digest, size);
    let fetched = setup.fetch(&root, &[]).expect("an image");
    let [entry] = &fetched.manifests[..] else {
        panic!("{} entries", fetched.manifests.len());
    };
    let platform = entry.platform().expect("a platform");
    assert_eq!(platform.architecture, "arm64");
    assert_eq!(entry.layers.len(), 1);
    let config = entry.config.as_ref().expect("a configuration");
    assert!(setup.store.has_blob(config));
}

#[test]
fn manifests_of_other_platforms_are_listed_but_not_fetched() {
    let mut setup = Setup::new();
    let [amd64, arm64] = ["amd64", "arm64"].map(|name| setup.add_manifest(name));
    let root = setup.add_index(&[&amd64, &arm64]);
    let fetched = setup.fetch(&root, &["arm64"]).expect("an image");
    assert_eq!(digests(&fetched), [amd64.digest, arm64.digest]);
    let layers: Vec<usize> = fetched.manifests.iter().map(|e| e.layers.len()).collect();
    assert_eq!(layers, [0, 1]);
    assert!(!setup.store.has_blob(&amd64));
    assert!(setup.store.has_blob(&arm64));
}

#[test]
fn manifests_of_a_nested_index_stand_in_its_place() {
    let mut setup = Setup::new();
    let [amd64, arm64, riscv64] =
        ["amd64", "arm64", "riscv64"].map(|name| setup.add_manifest(name));
    let nested = setup.add_index(&[&arm64]);
    // The second time, the index is not fetched again.
    let root = setup.add_index(&[&amd64, &nested, &riscv64, &nested]);
    let fetched = setup.fetch(&root, &[]).expect("an image");
    assert_eq!(
        digests(&fetched),
        [amd64.digest, arm64.digest, riscv64.digest]
    );
    assert_eq!(fetched.nested_indexes, [nested]);
}

#[test]
fn indexes_may_be_nested_only_so_deep() {
    let mut setup = Setup::new();
    let mut root = setup.add_manifest("amd64");
    for _ in 0..=MAX_INDEX_DEPTH {
        root = setup.add_index(&[&root]);
    }
    setup.fetch(&root, &[]).expect("the deepest that is read");
    let root = setup.add_index(&[&root]);
    let failure = setup.fetch(&root, &[]).err().expect("a failure");
    assert_eq!(failure.exit, Exit::BadData);
    let message = failure.error.to_string();
    assert!(message.contains("nested 9 levels deep"), "{message}");
}

#[test]
fn a_manifest_that_the_source_lacks_is_marked_as_missing() {
    let mut setup = Setup::new();
    let [amd64, arm64] = ["amd64", "arm64"].map(|name| setup.add_manifest(name));
    let root = setup.add_index(&[&amd64, &arm64]);
    setup.image.remove_blob(amd64.digest);
    let fetched = setup.fetch(&root, &[]).expect("an image");
    let missing: Vec<bool> = fetched.manifests.iter().map(|e| e.missing).collect();
    assert_eq!(missing, [true, false]);
}

#[test]
fn a_malformed_configuration_fails_the_image_only_if_no_other_is_usable() {
    let mut setup = Setup::new();
    let malformed = setup.add_manifest_with_config(b"[]");
    let root = setup.add_index(&[&malformed]);
    let failure = setup.fetch(&root, &[]).err().expect("a failure");
    assert_eq!(failure.exit, Exit::BadData);
    let usable = setup.add_manifest("amd64");
    let root = setup.add_index(&[&malformed, &usable]);
    let fetched = setup.fetch(&root, &[]).expect("an image");
    let usable: Vec<bool> = fetched
        .manifests
        .iter()
        .map(|e| e.config.is_some())
        .collect();
    assert_eq!(usable, [false, true]);
}

#[test]
fn an_image_of_too_many_manifests_is_refused() {
    let mut setup = Setup::new();
    let manifest = setup.add_manifest("amd64");
    let root = setup.add_index(&vec![&manifest; MAX_MANIFESTS]);
    // Those of another platform are counted without being read.
    setup.fetch(&root, &["arm64"]).expect("an image");
    let root = setup.add_index(&vec![&manifest; MAX_MANIFESTS + 1]);
    let failure = setup.fetch(&root, &["arm64"]).err().expect("a failure");
    assert_eq!(failure.exit, Exit::BadData);
}

#[test]
fn a_manifest_that_is_listed_often_is_fetched_once() {
    let mut setup = Setup::new();
    let manifest = setup.add_manifest("amd64");
    let other = Descriptor {
        platform: Some(Platform::new("linux", "arm", "v7")),
        ..manifest.clone()
    };
    let mut listed = vec![&manifest; MAX_FETCHED];
    listed.push(&other);
    let root = setup.add_index(&listed);
    let fetched = setup.fetch(&root, &[]).expect("an image");
    assert_eq!(fetched.manifests.len(), listed.len());
    let last = fetched.manifests.last().expect("an entry");
    assert_eq!(last.layers, fetched.manifests[0].layers);
    assert_eq!(last.platform, other.platform);
    assert_eq!(fetched.manifests[0].platform, manifest.platform);
}
