//! Manifests and blobs, from registries that lie, break off and are busy.

use bytes::Bytes;
use soci_oci::{Descriptor, Digest, media_type};
use soci_registry::{
    BlobStream, Client, ClientOptions, Damage, ErrorClass, ManifestName, RegistryError, RetryPolicy,
};

use crate::fake::{Fake, Reply, Seen};
use crate::{path, repository};

const MANIFEST: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;

fn manifest() -> Reply {
    Reply::new(200)
        .header("Content-Type", media_type::OCI_MANIFEST)
        .header("Docker-Content-Digest", Digest::of(MANIFEST))
        .body(MANIFEST)
}

async fn collect(mut stream: BlobStream) -> Result<Vec<u8>, RegistryError> {
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(step).take(length).collect()
}

/// Returns the bytes that the request wants, as a registry with ranges does.
fn ranged(seen: &Seen, blob: &[u8]) -> Reply {
    let Some(range) = seen.header("range") else {
        return Reply::new(200).body(blob);
    };
    let length = blob.len();
    let (start, end) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .expect("a range");
    let start: usize = start.parse().expect("its start");
    let end = end.parse().map_or(length, |last: usize| last + 1);
    Reply::new(206)
        .header(
            "Content-Range",
            format!("bytes {start}-{}/{length}", end - 1),
        )
        .body(&blob[start..end])
}

#[tokio::test]
async fn fetches_manifests_by_tag_and_by_digest() {
    let fake = Fake::start(|_, _| manifest());
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
    let accept = seen[0].header("accept").expect("the types that we take");
    assert!(accept.contains(media_type::DOCKER_LIST), "{accept}");
    assert_eq!(seen[0].header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn asks_in_full_where_a_head_says_nothing() {
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
async fn knows_what_is_not_there() {
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
    assert_eq!(repository.resolve_digest(name).await.expect("one"), None);
    let blob = Descriptor::of(media_type::OCTET_STREAM, b"x");
    assert!(!repository.blob_exists(blob.digest).await.expect("one"));
    assert!(
        repository
            .blob_bytes(&blob, 9)
            .await
            .expect("one")
            .is_none()
    );
    let error = repository.blob(&blob, 0).await.expect_err("no blob");
    assert_eq!(error.class(), ErrorClass::NotFound);
    assert_eq!(fake.seen().len(), 5, "nothing is asked twice");
}

#[tokio::test]
async fn refuses_a_manifest_with_another_digest() {
    let fake = Fake::start(|_, _| manifest());
    let name = ManifestName::Digest(Digest::of(b"another"));
    let error = repository(&fake)
        .fetch_manifest(name)
        .await
        .expect_err("damage");
    assert!(
        matches!(&error, RegistryError::BadData { damage: Damage::Digest { found, .. }, .. }
            if *found == Digest::of(MANIFEST)),
        "{error}"
    );
    assert_eq!(fake.seen().len(), 2, "fetched once more");
}

#[tokio::test]
async fn refuses_a_manifest_of_two_types() {
    let fake = Fake::start(|_, _| {
        Reply::new(200)
            .header("Content-Type", media_type::OCI_INDEX)
            .body(MANIFEST)
    });
    let name = ManifestName::Tag("v1");
    let error = repository(&fake)
        .fetch_manifest(name)
        .await
        .expect_err("doubt");
    assert_eq!(error.class(), ErrorClass::BadData);
}

#[tokio::test]
async fn refuses_a_manifest_that_is_too_large() {
    let fake = Fake::start(|_, _| {
        Reply::new(200)
            .header("Content-Type", media_type::OCI_MANIFEST)
            .body(vec![b' '; (4 << 20) + 1])
    });
    let name = ManifestName::Tag("v1");
    let error = repository(&fake)
        .fetch_manifest(name)
        .await
        .expect_err("a limit");
    assert!(
        matches!(&error, RegistryError::BadData { damage: Damage::TooLarge { limit }, .. } if *limit == 4 << 20),
        "{error}"
    );
}

#[tokio::test]
async fn goes_on_where_a_blob_broke_off() {
    let blob = noise(300_000);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let content = blob.clone();
    let fake = Fake::start(move |seen, before| {
        let reply = ranged(seen, &content);
        match before {
            0 => reply.cut_after(100_000),
            1 => reply.cut_after(0),
            2 => reply.cut_after(7),
            _ => reply,
        }
    });
    let stream = repository(&fake).blob(&descriptor, 0).await;
    let found = collect(stream.expect("a stream")).await.expect("all of it");
    assert!(found == blob, "{} bytes", found.len());
    let seen = fake.seen();
    let ranges: Vec<_> = seen.iter().map(|seen| seen.header("range")).collect();
    let resumed = Some("bytes=100000-");
    assert_eq!(ranges, [None, resumed, resumed, Some("bytes=100007-")]);
}

#[tokio::test]
async fn skips_what_it_has_where_ranges_are_ignored() {
    let blob = noise(50_000);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let content = blob.clone();
    let fake = Fake::start(move |_, before| {
        let reply = Reply::new(200).body(&*content);
        if before == 0 {
            reply.cut_after(20_000)
        } else {
            reply
        }
    });
    let stream = repository(&fake).blob(&descriptor, 10).await;
    let found = collect(stream.expect("a stream")).await.expect("all of it");
    assert!(found == blob[10..], "{} bytes", found.len());
}

#[tokio::test]
async fn gives_up_on_a_blob_that_does_not_move() {
    let blob = noise(1000);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let fake = Fake::start(move |seen, _| ranged(seen, &blob).cut_after(1));
    let stream = repository(&fake).blob(&descriptor, 0).await;
    let error = collect(stream.expect("a stream"))
        .await
        .expect_err("a stop");
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(error.to_string().contains("of 1000 bytes"), "{error}");
    assert_eq!(fake.seen().len(), 5);
}

#[tokio::test]
async fn never_splices_another_range() {
    let blob = noise(1000);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let fake = Fake::start(move |_, _| {
        Reply::new(206)
            .header("Content-Range", "bytes 9-999/1000")
            .body(&blob[9..])
    });
    let error = repository(&fake).blob(&descriptor, 10).await;
    assert_eq!(
        error.expect_err("another range").class(),
        ErrorClass::Protocol
    );
}

#[tokio::test]
async fn refuses_a_blob_of_another_length() {
    let fake = Fake::start(|_, _| Reply::new(200).body("four"));
    for size in [3, 5] {
        let descriptor = Descriptor::new(media_type::OCTET_STREAM, Digest::of(b"four"), size);
        let error = repository(&fake).blob(&descriptor, 0).await;
        assert_eq!(error.expect_err("a length").class(), ErrorClass::BadData);
    }
}

#[tokio::test]
async fn verifies_small_blobs() {
    let fake = Fake::start(|_, _| Reply::new(200).body("{}"));
    let repository = repository(&fake);
    let right = Descriptor::of(media_type::OCI_CONFIG, b"{}");
    let found = repository.blob_bytes(&right, 2).await.expect("an answer");
    assert_eq!(found, Some(Bytes::from_static(b"{}")));
    for (descriptor, limit) in [
        (Descriptor::of(media_type::OCI_CONFIG, b"[]"), 2),
        (right, 1),
    ] {
        let error = repository.blob_bytes(&descriptor, limit).await;
        assert_eq!(error.expect_err("damage").class(), ErrorClass::BadData);
    }
}

#[tokio::test]
async fn waits_as_long_as_it_is_told() {
    let fake = Fake::start(|_, before| match before {
        0 => Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", 1),
        _ => manifest(),
    });
    let started = std::time::Instant::now();
    let found = repository(&fake)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await;
    assert!(found.expect("an answer").is_some());
    assert!(started.elapsed().as_millis() >= 1000);
}

#[tokio::test]
async fn survives_a_few_server_errors_and_not_more() {
    let fake = Fake::start(|seen, before| match before {
        _ if seen.target.ends_with("/broken") => Reply::new(500),
        0 => Reply::new(502).body("<html>"),
        1 => Reply::new(200).header("Content-Length", 9).body("{"),
        2 => Reply::error(400, "ThrottlingException"),
        _ => manifest(),
    });
    let repository = repository(&fake);
    let found = repository.fetch_manifest(ManifestName::Tag("v1")).await;
    assert!(found.expect("an answer").is_some());
    let error = repository.fetch_manifest(ManifestName::Tag("broken")).await;
    let error = error.expect_err("an end");
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(error.to_string().contains("6 tries"), "{error}");
    assert_eq!(fake.count("GET", &path("manifests/broken")), 6);
}

#[tokio::test]
async fn keeps_the_authorization_at_home() {
    let store = Fake::start(|_, _| Reply::new(200).body("blob"));
    let elsewhere = format!("http://{}/bucket/x?signature=s", store.address);
    let fake = Fake::start(move |seen, _| match seen.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", r#"Basic realm="x""#),
        Some(_) => Reply::new(307).header("Location", &elsewhere),
    });
    let (_folder, options) = crate::auth::logged_in(&fake, "u", "p");
    let repository = crate::repository_with(&fake, options);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, b"blob");
    let found = repository.blob_bytes(&descriptor, 9).await.expect("one");
    assert_eq!(found.as_deref(), Some(&b"blob"[..]));
    assert!(
        repository
            .blob_exists(descriptor.digest)
            .await
            .expect("one")
    );
    let asked = store.seen();
    assert_eq!(asked.len(), 1, "no HEAD goes to the store");
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(asked[0].header("referer"), None);
}

#[tokio::test]
async fn goes_back_to_the_registry_when_a_redirect_has_expired() {
    let store = Fake::start(|_, before| match before {
        0 => Reply::new(403).body("<Error><Code>ExpiredToken</Code><Message>m</Message></Error>"),
        _ => Reply::new(200).body("blob"),
    });
    let elsewhere = format!("http://{}/x", store.address);
    let fake = Fake::start(move |_, _| Reply::new(307).header("Location", &elsewhere));
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, b"blob");
    let found = repository(&fake).blob_bytes(&descriptor, 9).await;
    assert!(found.expect("an answer").is_some());
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn follows_no_loop_and_nothing_unsafe() {
    let fake = Fake::start(|seen, _| match seen.target.rsplit('/').next() {
        Some("loop") => Reply::new(307).header("Location", "loop"),
        Some("metadata") => Reply::new(307).header("Location", "http://169.254.169.254/"),
        _ => Reply::new(307),
    });
    let repository = repository(&fake);
    for tag in ["loop", "metadata", "nowhere"] {
        let error = repository.fetch_manifest(ManifestName::Tag(tag)).await;
        let error = error.expect_err("a refusal");
        assert_eq!(error.class(), ErrorClass::Protocol, "{error}");
    }
    assert_eq!(fake.count("GET", &path("manifests/loop")), 6);
}

#[tokio::test]
async fn shows_no_more_of_an_error_than_is_safe() {
    let fake = Fake::start(|_, _| Reply::new(418).body("\u{1b}[2J".repeat(1 << 20)));
    let error = repository(&fake)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await;
    let text = error.expect_err("a refusal").to_string();
    assert!(text.len() < 600 && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn what_a_run_can_do_without_leaves_its_retries_alone() {
    let fake = Fake::start(|seen, before| match before {
        _ if seen.target.ends_with("/aside") => Reply::new(503),
        0..4 => Reply::new(503),
        _ => manifest(),
    });
    let client = Client::new(crate::options()).expect("a client");
    let few = RetryPolicy {
        tries: 2,
        ..crate::options().retries
    };
    let aside = crate::repository_of(&client.with_retries(few), &fake);
    for _ in 0..5 {
        let error = aside.fetch_manifest(ManifestName::Tag("aside")).await;
        assert_eq!(error.expect_err("no luck").class(), ErrorClass::Unavailable);
    }
    assert_eq!(fake.count("GET", &path("manifests/aside")), 10);
    let found = crate::repository_of(&client, &fake)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await;
    assert!(found.expect("an answer").is_some());
}

const MIB: usize = 1 << 20;

/// Fetches a blob of 10.5 MiB over three connections, and returns it with the ranges that were asked for, in order.
async fn over_three_connections(
    answer: impl Fn(&Seen, usize, &[u8]) -> Reply + Send + Sync + 'static,
) -> Vec<Option<String>> {
    let blob = noise(10 * MIB + MIB / 2);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let content = blob.clone();
    let fake = Fake::start(move |seen, before| answer(seen, before, &content));
    let options = ClientOptions {
        connections: 3.try_into().expect("a number"),
        ..crate::options()
    };
    let stream = crate::repository_with(&fake, options)
        .blob(&descriptor, 0)
        .await;
    let found = collect(stream.expect("a stream")).await.expect("all of it");
    assert!(found == blob, "{} bytes", found.len());
    let ranges = |seen: &Seen| seen.header("range").map(str::to_owned);
    let mut ranges: Vec<_> = fake.seen().iter().map(ranges).collect();
    ranges.sort();
    ranges
}

#[tokio::test]
async fn fetches_several_ranges_and_delivers_them_in_order() {
    let ranges = over_three_connections(|seen, _, blob| ranged(seen, blob)).await;
    let expected = ["bytes=0-4194303", "bytes=4194304-8388607", "bytes=8388608-"];
    assert_eq!(ranges, expected.map(|range| Some(range.to_owned())));
}

#[tokio::test]
async fn goes_on_in_the_range_that_broke_off() {
    let break_second = |seen: &Seen, _: usize, blob: &[u8]| {
        let reply = ranged(seen, blob);
        match seen.header("range") {
            Some("bytes=4194304-8388607") => reply.cut_after(MIB),
            _ => reply,
        }
    };
    let ranges = over_three_connections(break_second).await;
    let resumed = Some("bytes=5242880-8388607".to_owned());
    assert!(ranges.contains(&resumed), "{ranges:?}");
    assert_eq!(ranges.len(), 4, "{ranges:?}");
}

#[tokio::test]
async fn takes_all_at_once_where_there_are_no_ranges() {
    let whole = |_: &Seen, before: usize, blob: &[u8]| {
        let reply = Reply::new(200).body(blob);
        if before == 0 {
            reply.cut_after(5 * MIB)
        } else {
            reply
        }
    };
    let ranges = over_three_connections(whole).await;
    assert_eq!(ranges.len(), 2, "{ranges:?}");
}
