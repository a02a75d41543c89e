use std::sync::Arc;

use serde_json::json;
use soci_document::{LayerEntry, ReuseOrigin};
use soci_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use soci_oci::soci::{soci_index_v1, ztoc_descriptor};
use soci_transport::MemoryImage;
use tempfile::TempDir;

use super::*;

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

/// An image in memory, and a store with its SOCI indexes.
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

    /// Adds an image manifest with these layers, and returns its descriptor.
    fn add_manifest(&mut self, layers: &[&Descriptor]) -> Descriptor {
        let config = self.image.add_blob(OCI_CONFIG, b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
        });
        self.image
            .add_blob(OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    fn add_index(&mut self, manifests: &[&Descriptor]) -> Descriptor {
        let index = json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests,
        });
        self.image.add_blob(OCI_INDEX, index.to_string().as_bytes())
    }

    /// Stores a version 1 index of `subject` with one ztoc, and returns its descriptor and the
    /// ztoc's digest.
    fn store_index_v1(&self, subject: &Descriptor, layer: &Descriptor) -> (Descriptor, Digest) {
        let ztoc = self.store.write_blob(b"ztoc").expect("a store");
        let ztoc = ztoc_descriptor(layer, ztoc, 4, 1 << 22);
        self.store.write_blob(CONFIG).expect("a store");
        let index = soci_index_v1(std::slice::from_ref(&ztoc), subject, "tool").to_bytes();
        self.store.write_blob(&index).expect("a store");
        (Descriptor::of(OCI_MANIFEST, &index), ztoc.digest)
    }

    /// Returns a document of an image of one manifest.
    fn document(root: &Descriptor, index: Indexing<soci_document::Indexes>) -> Document {
        let line = json!({
            "version": 1, "image": "registry.example/app:v1", "root": root,
            "manifests": [{"descriptor": root, "plan": {"action": "index"}, "layers": []}],
        });
        let mut document = serde_json::from_value::<Document>(line).expect("a document");
        document.manifests[0].index = index;
        document
    }

    /// Returns targets to which the image is copied under `tags`.
    fn copy_under(&self, root: &Descriptor, tags: &[&str]) -> Targets {
        let reference = "registry.example/app:v1".parse().expect("a reference");
        Targets {
            source: Some(Source::with_backend(
                reference,
                Arc::new(self.image.clone()),
            )),
            ..in_place(root, tags)
        }
    }

    fn gather(&self, document: &Document, targets: &Targets) -> Content {
        gather(document, &self.store, targets).expect("the content")
    }
}

/// Returns targets in the image's own repository.
fn in_place(root: &Descriptor, tags: &[&str]) -> Targets {
    Targets {
        destination: "registry.example/app".parse().expect("a reference"),
        image: root.digest,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        kept_tag: None,
        original_tags: Vec::new(),
        source: None,
    }
}

fn digests<'a>(descriptors: impl IntoIterator<Item = &'a Descriptor>) -> Vec<Digest> {
    descriptors.into_iter().map(|each| each.digest).collect()
}

fn manifests(content: &Content) -> Vec<Digest> {
    digests(content.manifests.iter().map(|each| &each.descriptor))
}

fn only_v1(index: &Descriptor) -> Indexing<soci_document::Indexes> {
    Indexing::Done(soci_document::Indexes {
        v1: Some(index.clone()),
        v2: None,
    })
}

#[test]
fn in_the_images_own_repository_only_the_index_and_its_blobs_are_pushed() {
    let mut setup = Setup::new();
    let layer = setup.image.add_blob(GZIP, b"layer");
    let root = setup.add_manifest(&[&layer]);
    let (index, ztoc) = setup.store_index_v1(&root, &layer);
    let content = setup.gather(
        &Setup::document(&root, only_v1(&index)),
        &in_place(&root, &[]),
    );
    assert_eq!(digests(&content.blobs.image), []);
    assert_eq!(digests(&content.blobs.ztocs), [ztoc]);
    assert_eq!(digests(&content.blobs.configs), [Digest::of(CONFIG)]);
    assert_eq!(manifests(&content), []);
    assert!(content.tagged.is_none());
    let [referrer] = &content.referrers[..] else {
        panic!("{} referrers", content.referrers.len());
    };
    assert_eq!(referrer.subject.digest, root.digest);
    assert_eq!(referrer.index.descriptor.digest, index.digest);
}

#[test]
fn an_index_of_version_1_is_copied_together_with_its_image() {
    let mut setup = Setup::new();
    let layer = setup.image.add_blob(GZIP, b"layer");
    let root = setup.add_manifest(&[&layer]);
    let (index, _) = setup.store_index_v1(&root, &layer);
    let document = Setup::document(&root, only_v1(&index));
    for tags in [&[][..], &["v1"]] {
        let content = setup.gather(&document, &setup.copy_under(&root, tags));
        assert_eq!(manifests(&content), [root.digest], "{tags:?}");
        assert!(digests(&content.blobs.image).contains(&layer.digest));
        let tagged = content.tagged.map(|tagged| tagged.descriptor.digest);
        assert_eq!(tagged, (!tags.is_empty()).then_some(root.digest));
    }
}

#[test]
fn each_manifest_stands_after_those_that_it_lists() {
    let mut setup = Setup::new();
    let layers = [b"1", b"2"].map(|bytes| setup.image.add_blob(GZIP, bytes));
    let [first, second] = layers.each_ref().map(|layer| setup.add_manifest(&[layer]));
    let nested = setup.add_index(&[&second]);
    let root = setup.add_index(&[&first, &nested, &second]);
    let document = Setup::document(&root, Indexing::Empty);
    let content = setup.gather(&document, &setup.copy_under(&root, &["v1"]));
    let expected = digests([&first, &second, &nested, &root]);
    assert_eq!(manifests(&content), expected);
    assert_eq!(content.blobs.image.len(), 3);
}

#[test]
fn a_manifest_that_is_listed_but_missing_is_not_copied() {
    let mut setup = Setup::new();
    let layers = [b"1", b"2"].map(|bytes| setup.image.add_blob(GZIP, bytes));
    let [held, missing] = layers.each_ref().map(|layer| setup.add_manifest(&[layer]));
    let root = setup.add_index(&[&held, &missing]);
    setup.image.remove_blob(missing.digest);
    let document = Setup::document(&root, Indexing::Empty);
    let content = setup.gather(&document, &setup.copy_under(&root, &["v1"]));
    assert_eq!(manifests(&content), digests([&held, &root]));
}

#[test]
fn a_foreign_layer_is_copied_only_if_the_source_holds_it() {
    let mut setup = Setup::new();
    let held = setup.image.add_blob(FOREIGN, b"held");
    let elsewhere = Descriptor::of(FOREIGN, b"elsewhere");
    let root = setup.add_manifest(&[&held, &elsewhere]);
    let document = Setup::document(&root, Indexing::Empty);
    let content = setup.gather(&document, &setup.copy_under(&root, &["v1"]));
    let blobs = digests(&content.blobs.image);
    assert!(blobs.contains(&held.digest));
    assert!(!blobs.contains(&elsewhere.digest));
}

#[test]
fn an_index_from_another_store_is_an_error_with_a_hint() {
    let mut setup = Setup::new();
    let layer = setup.image.add_blob(GZIP, b"layer");
    let root = setup.add_manifest(&[&layer]);
    let other = Descriptor::of(OCI_MANIFEST, b"other");
    let document = Setup::document(&root, only_v1(&other));
    let failure = gather(&document, &setup.store, &in_place(&root, &[]))
        .err()
        .expect("a failure");
    let hint = failure.hint.expect("a hint");
    assert!(hint.contains("the store in which the index was built"));
}

#[test]
fn only_small_ztocs_that_this_run_has_built_are_new() {
    let mut setup = Setup::new();
    let layer = setup.image.add_blob(GZIP, b"layer");
    let root = setup.add_manifest(&[&layer]);
    let (index, ztoc) = setup.store_index_v1(&root, &layer);
    let gather = |ztoc_size: u64, reused: Option<ReuseOrigin>| {
        let mut document = Setup::document(&root, only_v1(&index));
        let mut entry = LayerEntry::new(layer.clone());
        let mut described = Descriptor::of("application/octet-stream", b"ztoc");
        described.size = ztoc_size;
        entry.ztoc = Indexing::Done(described);
        entry.reused = reused;
        document.manifests[0].layers.push(entry);
        let blobs = setup.gather(&document, &in_place(&root, &[])).blobs;
        assert_eq!(blobs.count(), 2);
        (digests(&blobs.new_ztocs), digests(&blobs.ztocs))
    };
    assert_eq!(gather(4, None), (vec![ztoc], vec![]));
    assert_eq!(gather(4, Some(ReuseOrigin::Store)), (vec![], vec![ztoc]));
    assert_eq!(gather(LARGEST_UNSEEN_ZTOC + 1, None), (vec![], vec![ztoc]));
}
