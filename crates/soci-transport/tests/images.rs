//! Sources and destinations: a backend in memory, layouts and archives.

use std::path::Path;
use std::sync::Arc;

use soci_document::{Classify as _, Exit, ReferrersVia};
use soci_oci::media_type::{OCI_MANIFEST, SOCI_INDEX_V1};
use soci_oci::{Descriptor, Digest, Reference};
use soci_registry::ClientOptions;
use soci_transport::{ByteCounter, Destination, MemoryImage, PutOutcome, Session, Source};

/// Returns an image manifest whose bytes differ for each `config`.
fn manifest_bytes(config: &[u8]) -> Vec<u8> {
    let Descriptor { digest, size, .. } = Descriptor::of("", config);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":{size}}},"layers":[]}}"#
    )
    .into_bytes()
}

/// Returns a manifest of type `SOCI_INDEX_V1` that refers to `subject`.
fn referrer_bytes(subject: &Descriptor) -> Vec<u8> {
    let Descriptor { digest, size, .. } = subject;
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","artifactType":"{SOCI_INDEX_V1}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{digest}","size":{size}}},"layers":[],"subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":{size}}}}}"#
    )
    .into_bytes()
}

fn memory_source(reference: &str, image: MemoryImage) -> Source {
    let reference = reference.parse().expect("a reference");
    Source::with_backend(reference, Arc::new(image))
}

fn session() -> Session {
    Session::new(ClientOptions::default())
}

/// Returns references to a new layout and to a new archive in `folder`, without an image.
fn references_in(folder: &Path) -> [String; 2] {
    let folder = folder.display();
    [
        format!("oci:{folder}/layout"),
        format!("oci-archive:{folder}/image.tar"),
    ]
}

fn open_destination(reference: &str) -> Destination {
    let reference: Reference = reference.parse().expect("a reference");
    Destination::open(&session(), &reference).expect("a destination")
}

fn open_source(reference: &str) -> Source {
    let reference: Reference = reference.parse().expect("a reference");
    Source::open(&session(), &reference).expect("a source")
}

#[test]
fn a_digest_in_the_reference_takes_precedence_over_the_tag() {
    let mut image = MemoryImage::default();
    image.add_tag("v1", OCI_MANIFEST, &manifest_bytes(b"1"));
    let pinned = image.add_blob(OCI_MANIFEST, &manifest_bytes(b"2"));
    let digest = pinned.digest;
    let source = memory_source(&format!("registry.example/app:v1@{digest}"), image);
    assert_eq!(source.resolve().expect("an image").descriptor, pinned);
}

#[test]
fn a_source_of_another_tag_or_digest_shares_the_backend() {
    let mut image = MemoryImage::default();
    let first = image.add_tag("v1", OCI_MANIFEST, &manifest_bytes(b"1"));
    let second = image.add_tag("v2", OCI_MANIFEST, &manifest_bytes(b"2"));
    let source = memory_source("registry.example/app:v1", image);
    assert_eq!(source.resolve().expect("an image").descriptor, first);
    let other = source.with_tag("v2");
    assert_eq!(other.reference().to_string(), "registry.example/app:v2");
    assert_eq!(other.resolve().expect("an image").descriptor, second);
    let pinned = other.with_digest(first.digest);
    assert_eq!(pinned.resolve().expect("an image").descriptor, first);
    // A tag replaces the digest.
    let moved = pinned.with_tag("v2");
    assert_eq!(moved.resolve().expect("an image").descriptor, second);
}

#[test]
fn an_image_that_does_not_exist_is_not_found() {
    let source = memory_source("registry.example/app", MemoryImage::default());
    let error = source.resolve().map(drop).expect_err("no image");
    assert_eq!(error.exit(), Exit::NotFound);
}

#[test]
fn a_malformed_manifest_is_named_in_the_error() {
    let mut image = MemoryImage::default();
    let malformed = image.add_tag("latest", OCI_MANIFEST, b"[]");
    let source = memory_source("registry.example/app", image);
    let error = source.resolve().map(drop).expect_err("malformed");
    assert_eq!(error.exit(), Exit::BadData);
    assert!(error.to_string().contains(&malformed.digest.to_string()));
}

#[test]
fn layouts_and_archives_return_what_was_copied_to_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = manifest_bytes(b"1");
    let mut image = MemoryImage::default();
    // Longer than one chunk, so that it is copied in several.
    let layer = image.add_blob("", &vec![7; 600 << 10]);
    let source = memory_source("registry.example/app", image);
    for reference in references_in(folder.path()) {
        let destination = open_destination(&reference);
        assert!(!destination.has_blob(&layer).expect("an answer"));
        let sent = destination
            .copy_blob(&layer, &source, &ByteCounter::default())
            .expect("copied");
        assert_eq!(sent, layer.size);
        assert!(destination.has_blob(&layer).expect("an answer"));
        let manifest = Descriptor::of(OCI_MANIFEST, &content);
        let put = destination.put_manifest(&manifest, &content);
        assert_eq!(put.expect("stored"), PutOutcome::Stored);
        assert_eq!(destination.resolve_tag("v1").expect("an answer"), None);
        destination
            .put_tag("v1", &manifest, &content)
            .expect("tagged");
        let tagged = destination.resolve_tag("v1").expect("an answer");
        assert_eq!(tagged, Some(manifest.digest));
        destination.finish().expect("published");

        let copy = open_source(&format!("{reference}:v1"));
        assert_eq!(copy.resolve().expect("an image").bytes, content);
        let mut reader = copy.open_blob(&layer).expect("a blob");
        assert!(!reader.is_remote());
        let mut size = 0;
        while let Some(chunk) = reader.next_chunk().expect("a chunk") {
            size += chunk.len() as u64;
        }
        assert_eq!(size, layer.size);
    }
}

#[test]
fn layouts_and_archives_list_a_referrer_by_its_subject() {
    let folder = tempfile::tempdir().expect("a folder");
    let subject = Descriptor::of(OCI_MANIFEST, &manifest_bytes(b"1"));
    let content = referrer_bytes(&subject);
    let mut referrer = Descriptor::of(OCI_MANIFEST, &content);
    referrer.artifact_type = Some(SOCI_INDEX_V1.to_owned());
    for reference in references_in(folder.path()) {
        let destination = open_destination(&reference);
        let put = destination
            .put_manifest(&referrer, &content)
            .expect("stored");
        let via = destination.add_referrer(subject.digest, &referrer, put, None);
        assert_eq!(via.expect("listed"), ReferrersVia::Api);
        destination.finish().expect("published");

        let copy = open_source(&reference);
        let list = |subject| copy.list_referrers(subject, SOCI_INDEX_V1).expect("a list");
        let found: Vec<Digest> = list(subject.digest)
            .iter()
            .map(|found| found.digest)
            .collect();
        assert_eq!(found, [referrer.digest]);
        assert!(list(referrer.digest).is_empty());
    }
}

#[test]
fn a_copy_that_differs_from_its_descriptor_is_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut image = MemoryImage::default();
    let layer = Descriptor::of("", b"expected");
    image.damage_blob(&layer, b"damaged!");
    let source = memory_source("registry.example/app", image);
    for reference in references_in(folder.path()) {
        let destination = open_destination(&reference);
        let error = destination
            .copy_blob(&layer, &source, &ByteCounter::default())
            .expect_err("damaged");
        assert_eq!(error.exit(), Exit::BadData, "{reference}");
        assert!(!destination.has_blob(&layer).expect("an answer"));
    }
}
