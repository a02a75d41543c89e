//! Fetching blobs: resumption, ranges, and verification.

use bytes::Bytes;
use soci_document::{Classify as _, Exit};
use soci_oci::{Descriptor, Digest, media_type};
use soci_registry::{BlobStream, ClientOptions, Connections, RegistryError};

use crate::fake::{Fake, Reply, Seen};
use crate::repository;

const MIB: usize = 1 << 20;

/// Reads a stream to its end.
async fn collect(mut stream: BlobStream) -> Result<Vec<u8>, RegistryError> {
    let mut content = Vec::new();
    while let Some(chunk) = stream.next().await? {
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}

/// Returns pseudo-random bytes, the same in each run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(step).take(length).collect()
}

/// Returns the range of the blob that the request asks for, or the whole blob.
fn range_reply(seen: &Seen, blob: &[u8]) -> Reply {
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
async fn resumes_a_blob_at_the_byte_where_it_broke_off() {
    let blob = noise(300_000);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let content = blob.clone();
    let fake = Fake::start(move |seen, before| {
        let reply = range_reply(seen, &content);
        match before {
            0 => reply.cut_after(100_000),
            1 => reply.cut_after(0),
            2 => reply.cut_after(7),
            _ => reply,
        }
    });
    let stream = repository(&fake).blob(&descriptor, 0).await;
    let found = collect(stream.expect("a stream"))
        .await
        .expect("the whole blob");
    assert!(found == blob, "{} bytes", found.len());
    let seen = fake.seen();
    let ranges: Vec<_> = seen.iter().map(|seen| seen.header("range")).collect();
    let resumed = Some("bytes=100000-");
    assert_eq!(ranges, [None, resumed, resumed, Some("bytes=100007-")]);
}

#[tokio::test]
async fn skips_received_bytes_if_the_server_ignores_ranges() {
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
    let found = collect(stream.expect("a stream"))
        .await
        .expect("the whole blob");
    assert!(found == blob[10..], "{} bytes", found.len());
}

#[tokio::test]
async fn gives_up_on_a_blob_that_makes_no_progress() {
    let blob = noise(1000);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let fake = Fake::start(move |seen, _| range_reply(seen, &blob).cut_after(1));
    let stream = repository(&fake).blob(&descriptor, 0).await;
    let error = collect(stream.expect("a stream"))
        .await
        .expect_err("an error");
    assert_eq!(error.exit(), Exit::Unavailable);
    assert!(error.to_string().contains("of 1000 bytes"), "{error}");
    assert_eq!(fake.seen().len(), 5);
}

#[tokio::test]
async fn rejects_a_range_that_was_not_requested() {
    let blob = noise(1000);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let fake = Fake::start(move |_, _| {
        Reply::new(206)
            .header("Content-Range", "bytes 9-999/1000")
            .body(&blob[9..])
    });
    let error = repository(&fake).blob(&descriptor, 10).await;
    assert_eq!(error.expect_err("a protocol error").exit(), Exit::Protocol);
}

#[tokio::test]
async fn rejects_a_blob_of_another_length() {
    let fake = Fake::start(|_, _| Reply::new(200).body("four"));
    for size in [3, 5] {
        let descriptor = Descriptor::new(media_type::OCTET_STREAM, Digest::of(b"four"), size);
        let error = repository(&fake).blob(&descriptor, 0).await;
        assert_eq!(error.expect_err("an error").exit(), Exit::BadData);
    }
}

#[tokio::test]
async fn verifies_digest_and_limit_of_small_blobs() {
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
        assert_eq!(error.expect_err("an error").exit(), Exit::BadData);
    }
}

/// Fetches a blob of 10.5 MiB over three connections and checks it. Returns the sorted `Range`
/// headers of the requests.
async fn fetch_over_three_connections(
    answer: impl Fn(&Seen, usize, &[u8]) -> Reply + Send + Sync + 'static,
) -> Vec<Option<String>> {
    let blob = noise(10 * MIB + MIB / 2);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, &blob);
    let content = blob.clone();
    let fake = Fake::start(move |seen, before| answer(seen, before, &content));
    let options = ClientOptions {
        connections: Connections::Fixed(3.try_into().expect("a number")),
        ..crate::options()
    };
    let stream = crate::repository_with(&fake, options)
        .blob(&descriptor, 0)
        .await;
    let found = collect(stream.expect("a stream"))
        .await
        .expect("the whole blob");
    assert!(found == blob, "{} bytes", found.len());
    let ranges = |seen: &Seen| seen.header("range").map(str::to_owned);
    let mut ranges: Vec<_> = fake.seen().iter().map(ranges).collect();
    ranges.sort();
    ranges
}

#[tokio::test]
async fn fetches_ranges_in_parallel_and_delivers_them_in_order() {
    let ranges = fetch_over_three_connections(|seen, _, blob| range_reply(seen, blob)).await;
    let expected = ["bytes=0-4194303", "bytes=4194304-8388607", "bytes=8388608-"];
    assert_eq!(ranges, expected.map(|range| Some(range.to_owned())));
}

#[tokio::test]
async fn resumes_only_the_range_that_broke_off() {
    let break_second = |seen: &Seen, _: usize, blob: &[u8]| {
        let reply = range_reply(seen, blob);
        match seen.header("range") {
            Some("bytes=4194304-8388607") => reply.cut_after(MIB),
            _ => reply,
        }
    };
    let ranges = fetch_over_three_connections(break_second).await;
    let resumed = Some("bytes=5242880-8388607".to_owned());
    assert!(ranges.contains(&resumed), "{ranges:?}");
    assert_eq!(ranges.len(), 4, "{ranges:?}");
}

#[tokio::test]
async fn uses_one_connection_if_the_server_ignores_ranges() {
    let whole = |_: &Seen, before: usize, blob: &[u8]| {
        let reply = Reply::new(200).body(blob);
        if before == 0 {
            reply.cut_after(5 * MIB)
        } else {
            reply
        }
    };
    let ranges = fetch_over_three_connections(whole).await;
    assert_eq!(ranges.len(), 2, "{ranges:?}");
}
