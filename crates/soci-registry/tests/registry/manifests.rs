//! Fetching manifests: verification, limits, and missing objects.

use soci_document::{Classify as _, Exit};
use soci_oci::{Descriptor, Digest, media_type};
use soci_registry::{Damage, ManifestName, RegistryError};

use crate::fake::{Fake, Reply};
use crate::{MANIFEST, manifest_reply, repository};

#[tokio::test]
async fn fetches_manifests_by_tag_and_by_digest() {
    let fake = Fake::start(|_, _| manifest_reply());
    let repository = repository(&fake);
    for name in [
        ManifestName::Tag("v1"),
        ManifestName::Digest(Digest::of(MANIFEST)),
    ] {
        let found = repository.fetch_manifest(name).await.expect("an answer");
        let found = found.expect("a manifest");
        let expected = Descriptor::of(media_type::OCI_MANIFEST, MANIFEST);
        assert_eq!((found.descriptor, &*found.bytes), (expected, MANIFEST));
        let digest = repository.resolve_digest(name).await.expect("an answer");
        assert_eq!(digest, Some(Digest::of(MANIFEST)));
    }
    let seen = fake.seen();
    let accept = seen[0].header("accept").expect("an `Accept` header");
    assert!(accept.contains(media_type::DOCKER_LIST), "{accept}");
    assert_eq!(seen[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn fetches_the_manifest_if_a_head_reply_has_no_digest() {
    let fake = Fake::start(|_, _| {
        Reply::new(200)
            .header("Content-Type", media_type::OCI_MANIFEST)
            .body(MANIFEST)
    });
    let digest = repository(&fake)
        .resolve_digest(ManifestName::Tag("v1"))
        .await;
    assert_eq!(digest.expect("an answer"), Some(Digest::of(MANIFEST)));
}

#[tokio::test]
async fn a_missing_object_is_reported_after_one_request() {
    let fake = Fake::start(|_, _| Reply::error(404, "MANIFEST_UNKNOWN"));
    let repository = repository(&fake);
    let name = ManifestName::Tag("v1");
    assert!(
        repository
            .fetch_manifest(name)
            .await
            .expect("an answer")
            .is_none()
    );
    assert_eq!(
        repository.resolve_digest(name).await.expect("an answer"),
        None
    );
    let blob = Descriptor::of(media_type::OCTET_STREAM, b"x");
    assert!(
        !repository
            .blob_exists(blob.digest)
            .await
            .expect("an answer")
    );
    assert!(
        repository
            .blob_bytes(&blob, 9)
            .await
            .expect("an answer")
            .is_none()
    );
    let error = repository.blob(&blob, 0).await.expect_err("no blob");
    assert_eq!(error.exit(), Exit::NotFound);
    assert_eq!(fake.seen().len(), 5, "one request for each call");
}

#[tokio::test]
async fn rejects_a_manifest_with_another_digest_after_a_second_fetch() {
    let fake = Fake::start(|_, _| manifest_reply());
    let name = ManifestName::Digest(Digest::of(b"another"));
    let error = repository(&fake)
        .fetch_manifest(name)
        .await
        .expect_err("an error");
    assert!(
        matches!(&error, RegistryError::BadData { damage: Damage::Digest { found, .. }, .. }
            if **found == Digest::of(MANIFEST)),
        "{error}"
    );
    assert_eq!(fake.seen().len(), 2, "one fetch and one repetition");
}

#[tokio::test]
async fn rejects_a_manifest_with_two_media_types() {
    let fake = Fake::start(|_, _| {
        Reply::new(200)
            .header("Content-Type", media_type::OCI_INDEX)
            .body(MANIFEST)
    });
    let name = ManifestName::Tag("v1");
    let error = repository(&fake)
        .fetch_manifest(name)
        .await
        .expect_err("an error");
    assert_eq!(error.exit(), Exit::BadData);
}

#[tokio::test]
async fn rejects_a_manifest_over_4_mib() {
    let fake = Fake::start(|_, _| {
        Reply::new(200)
            .header("Content-Type", media_type::OCI_MANIFEST)
            .body(vec![b' '; (4 << 20) + 1])
    });
    let name = ManifestName::Tag("v1");
    let error = repository(&fake)
        .fetch_manifest(name)
        .await
        .expect_err("an error");
    assert!(
        matches!(&error, RegistryError::BadData { damage: Damage::TooLarge { limit }, .. } if *limit == 4 << 20),
        "{error}"
    );
}
