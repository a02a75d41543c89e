//! Uploads of blobs and manifests, and mounts of blobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream;
use soci_document::{Classify as _, Exit};
use soci_oci::{Descriptor, Digest, media_type};
use soci_registry::{BlobStream, Content, ManifestName, PushedBlob};

use crate::fake::{Fake, Reply};
use crate::{path, repository};

/// Returns a blob of 600,000 bytes, which is sent in several chunks.
fn blob() -> (Descriptor, Bytes) {
    let content = Bytes::from(vec![7; 600_000]);
    (Descriptor::of(media_type::OCTET_STREAM, &content), content)
}

#[tokio::test]
async fn pushes_a_blob_with_one_post_and_one_put() {
    let fake = Fake::start(|seen, _| match seen.method.as_str() {
        "POST" => Reply::new(202).header("Location", "/v2/session?_state=a%2Bb"),
        _ => Reply::new(201),
    });
    let (descriptor, content) = blob();
    let repository = repository(&fake);
    repository
        .push_blob(&descriptor, content.clone(), Arc::default())
        .await
        .expect("an upload");
    let halves = [content.slice(..9), content.slice(9..)];
    let halves: Content =
        Arc::new(move || BlobStream::from_stream(stream::iter(halves.clone().map(Ok))));
    repository
        .push_blob_stream(&descriptor, &halves)
        .await
        .expect("an upload");
    let seen = fake.seen();
    assert_eq!(seen.len(), 4);
    let digest = descriptor.digest.to_string().replace(':', "%3A");
    for (post, put) in [(&seen[0], &seen[1]), (&seen[2], &seen[3])] {
        assert!(post.is("POST", &path("blobs/uploads/")));
        assert_eq!(post.header("content-length"), Some("0"));
        assert!(put.is("PUT", &format!("/v2/session?_state=a%2Bb&digest={digest}")));
        assert_eq!(put.header("content-length"), Some("600000"));
        assert_eq!(put.header("transfer-encoding"), None);
        assert!(put.body == content, "{} bytes", put.body.len());
    }
}

#[tokio::test]
async fn opens_a_new_session_if_one_fails() {
    let puts = AtomicUsize::new(0);
    let fake = Fake::start(move |seen, before| match seen.method.as_str() {
        "POST" => Reply::new(202).header("Location", format!("/v2/session/{before}")),
        "HEAD" => Reply::new(404),
        _ => match puts.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::new(500),
            1 => Reply::error(404, "BLOB_UPLOAD_UNKNOWN"),
            _ => Reply::new(201),
        },
    });
    let (descriptor, content) = blob();
    let pushed = repository(&fake)
        .push_blob(&descriptor, content, Arc::default())
        .await;
    pushed.expect("an upload");
    let seen = fake.seen();
    let puts = seen.iter().filter(|seen| seen.method == "PUT");
    let paths: Vec<_> = puts.map(|put| &put.target[..13]).collect();
    assert_eq!(paths, ["/v2/session/0", "/v2/session/1", "/v2/session/2"]);
}

#[tokio::test]
async fn does_not_upload_again_if_only_the_reply_was_lost() {
    let fake = Fake::start(|seen, _| match seen.method.as_str() {
        "POST" => Reply::new(202).header("Location", "/v2/session"),
        "HEAD" => Reply::new(200),
        _ => Reply::new(503),
    });
    let (descriptor, content) = blob();
    let pushed = repository(&fake)
        .push_blob(&descriptor, content, Arc::default())
        .await;
    pushed.expect("an upload");
    assert_eq!(fake.count("POST", &path("blobs/uploads/")), 1);
}

#[tokio::test]
async fn reports_content_that_is_too_short_or_unreadable() {
    let fake = Fake::start(|seen, _| match seen.method.as_str() {
        "POST" => Reply::new(202).header("Location", "/v2/session"),
        _ => Reply::new(201),
    });
    let (descriptor, content) = blob();
    let repository = repository(&fake);
    let rest = content.slice(1..);
    let short: Content =
        Arc::new(move || BlobStream::from_stream(stream::iter([Ok(rest.clone())])));
    let error = repository.push_blob_stream(&descriptor, &short).await;
    assert_eq!(error.expect_err("an error").exit(), Exit::BadData);
    let broken: Content = Arc::new(move || {
        let chunks = [Ok(content.slice(1..)), Err(std::io::Error::other("disk"))];
        BlobStream::from_stream(stream::iter(chunks))
    });
    let error = repository.push_blob_stream(&descriptor, &broken).await;
    assert_eq!(error.expect_err("an error").exit(), Exit::Io);
}

#[tokio::test]
async fn sends_no_content_to_an_unsafe_upload_location() {
    for location in ["http://169.254.169.254/x", "ftp://127.0.0.1/x"] {
        let fake = Fake::start(move |_, _| Reply::new(202).header("Location", location));
        let (descriptor, content) = blob();
        let error = repository(&fake)
            .push_blob(&descriptor, content, Arc::default())
            .await;
        assert_eq!(error.expect_err("an error").exit(), Exit::Protocol);
    }
}

#[tokio::test]
async fn mounts_or_uploads_with_as_few_requests_as_possible() {
    for (status, expected, posts) in [
        (201, PushedBlob::Mounted, 1),
        // The registry opened a session instead, and the upload uses it.
        (202, PushedBlob::Uploaded, 1),
        (404, PushedBlob::Uploaded, 2),
        (403, PushedBlob::Uploaded, 2),
    ] {
        let fake = Fake::start(move |seen, _| match seen.method.as_str() {
            "PUT" => Reply::new(201),
            _ if seen.target.contains("mount=") => {
                Reply::new(status).header("Location", "/v2/session/mount")
            }
            _ => Reply::new(202).header("Location", "/v2/session/plain"),
        });
        let (descriptor, content) = blob();
        let stream: Content =
            Arc::new(move || BlobStream::from_stream(stream::iter([Ok(content.clone())])));
        let copied = repository(&fake)
            .mount_or_push_blob(&descriptor, "other/app", &stream)
            .await;
        assert_eq!(copied.expect("an answer"), expected, "{status}");
        let digest = descriptor.digest.to_string().replace(':', "%3A");
        let target = format!("blobs/uploads/?mount={digest}&from=other%2Fapp");
        assert_eq!(fake.count("POST", &path(&target)), 1);
        let seen = fake.seen();
        let sent = seen.iter().filter(|seen| seen.method == "POST").count();
        assert_eq!(sent, posts, "{status}");
    }
}

#[tokio::test]
async fn reports_whether_the_registry_processed_the_subject() {
    for is_processed in [true, false] {
        let fake = Fake::start(move |_, _| {
            let reply = Reply::new(201);
            if is_processed {
                reply.header("OCI-Subject", Digest::of(b"subject"))
            } else {
                reply
            }
        });
        let name = ManifestName::Digest(Digest::of(b"{}"));
        let bytes = Bytes::from_static(b"{}");
        let pushed = repository(&fake)
            .push_manifest(name, media_type::OCI_MANIFEST, bytes)
            .await;
        assert_eq!(pushed.expect("an upload").subject_processed, is_processed);
        let seen = fake.seen();
        assert_eq!(seen[0].body, b"{}");
        let media_type = seen[0].header("content-type");
        assert_eq!(media_type, Some(media_type::OCI_MANIFEST));
    }
}

#[tokio::test]
async fn accepts_an_immutable_tag_that_already_points_to_the_manifest() {
    for (stored, expected) in [(&b"{}"[..], true), (b"[]", false)] {
        let fake = Fake::start(move |seen, _| match seen.method.as_str() {
            "PUT" => Reply::error(400, "TAG_INVALID"),
            _ => Reply::new(200).header("Docker-Content-Digest", Digest::of(stored)),
        });
        let pushed = repository(&fake)
            .push_manifest(
                ManifestName::Tag("v1"),
                media_type::OCI_MANIFEST,
                Bytes::from_static(b"{}"),
            )
            .await;
        assert_eq!(pushed.is_ok(), expected, "{pushed:?}");
    }
}

#[tokio::test]
async fn rejects_a_reply_with_another_digest() {
    let fake =
        Fake::start(|_, _| Reply::new(201).header("Docker-Content-Digest", Digest::of(b"else")));
    let error = repository(&fake)
        .push_manifest(
            ManifestName::Tag("v1"),
            media_type::OCI_MANIFEST,
            Bytes::from_static(b"{}"),
        )
        .await;
    assert_eq!(error.expect_err("an error").exit(), Exit::Protocol);
}

#[tokio::test]
async fn sends_a_blob_again_if_its_credentials_have_expired() {
    let fake = Fake::start(|seen, before| match seen.method.as_str() {
        "POST" => Reply::new(202).header("Location", "/v2/session"),
        _ if before == 0 => Reply::new(401).header("WWW-Authenticate", r#"Basic realm="x""#),
        _ => Reply::new(201),
    });
    let (_folder, options) = crate::auth::logged_in(&fake, "u", "p");
    let (descriptor, content) = blob();
    crate::repository_with(&fake, options)
        .push_blob(&descriptor, content.clone(), Arc::default())
        .await
        .expect("an upload");
    let seen = fake.seen();
    let last = seen.last().expect("a request");
    assert!(last.header("authorization").is_some());
    assert!(last.body == content, "{} bytes", last.body.len());
}
