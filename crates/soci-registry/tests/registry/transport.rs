//! What all requests have in common: retries, redirects, and safe error texts.

use soci_document::{Classify as _, Exit};
use soci_oci::{Descriptor, media_type};
use soci_registry::{Client, ManifestName, RetryPolicy};

use crate::fake::{Fake, Reply};
use crate::{manifest_reply, path, repository};

#[tokio::test]
async fn waits_as_long_as_retry_after_says() {
    let fake = Fake::start(|_, before| match before {
        0 => Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", 1),
        _ => manifest_reply(),
    });
    let started = std::time::Instant::now();
    let found = repository(&fake)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await;
    assert!(found.expect("an answer").is_some());
    assert!(started.elapsed().as_millis() >= 1000);
}

#[tokio::test]
async fn retries_server_errors_up_to_the_limit() {
    let fake = Fake::start(|seen, before| match before {
        _ if seen.target.ends_with("/broken") => Reply::new(500),
        0 => Reply::new(502).body("<html>"),
        1 => Reply::new(200).header("Content-Length", 9).body("{"),
        2 => Reply::error(400, "ThrottlingException"),
        _ => manifest_reply(),
    });
    let repository = repository(&fake);
    let found = repository.fetch_manifest(ManifestName::Tag("v1")).await;
    assert!(found.expect("an answer").is_some());
    let error = repository.fetch_manifest(ManifestName::Tag("broken")).await;
    let error = error.expect_err("an error");
    assert_eq!(error.exit(), Exit::Unavailable);
    assert!(error.to_string().contains("6 tries"), "{error}");
    assert_eq!(fake.count("GET", &path("manifests/broken")), 6);
}

#[tokio::test]
async fn sends_no_authorization_to_another_origin() {
    let store = Fake::start(|_, _| Reply::new(200).body("blob"));
    let location = format!("http://{}/bucket/x?signature=s", store.address);
    let fake = Fake::start(move |seen, _| match seen.header("authorization") {
        None => Reply::new(401).header("WWW-Authenticate", r#"Basic realm="x""#),
        Some(_) => Reply::new(307).header("Location", &location),
    });
    let (_folder, options) = crate::auth::logged_in(&fake, "u", "p");
    let repository = crate::repository_with(&fake, options);
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, b"blob");
    let found = repository
        .blob_bytes(&descriptor, 9)
        .await
        .expect("an answer");
    assert_eq!(found.as_deref(), Some(&b"blob"[..]));
    assert!(
        repository
            .blob_exists(descriptor.digest)
            .await
            .expect("an answer")
    );
    let seen = store.seen();
    assert_eq!(seen.len(), 1, "the `HEAD` request follows no redirect");
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[0].header("referer"), None);
}

#[tokio::test]
async fn asks_the_registry_again_if_a_redirect_has_expired() {
    let store = Fake::start(|_, before| match before {
        0 => Reply::new(403).body("<Error><Code>ExpiredToken</Code><Message>m</Message></Error>"),
        _ => Reply::new(200).body("blob"),
    });
    let location = format!("http://{}/x", store.address);
    let fake = Fake::start(move |_, _| Reply::new(307).header("Location", &location));
    let descriptor = Descriptor::of(media_type::OCTET_STREAM, b"blob");
    let found = repository(&fake).blob_bytes(&descriptor, 9).await;
    assert!(found.expect("an answer").is_some());
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn follows_neither_a_redirect_loop_nor_an_unsafe_redirect() {
    let fake = Fake::start(|seen, _| match seen.target.rsplit('/').next() {
        Some("loop") => Reply::new(307).header("Location", "loop"),
        Some("metadata") => Reply::new(307).header("Location", "http://169.254.169.254/"),
        _ => Reply::new(307),
    });
    let repository = repository(&fake);
    for tag in ["loop", "metadata", "nowhere"] {
        let error = repository.fetch_manifest(ManifestName::Tag(tag)).await;
        let error = error.expect_err("an error");
        assert_eq!(error.exit(), Exit::Protocol, "{error}");
    }
    assert_eq!(fake.count("GET", &path("manifests/loop")), 6);
}

#[tokio::test]
async fn shortens_and_escapes_the_body_of_an_error() {
    let fake = Fake::start(|_, _| Reply::new(418).body("\u{1b}[2J".repeat(1 << 20)));
    let error = repository(&fake)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await;
    let text = error.expect_err("an error").to_string();
    assert!(text.len() < 600 && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_client_with_its_own_retries_leaves_the_shared_budget_alone() {
    let fake = Fake::start(|seen, before| match before {
        _ if seen.target.ends_with("/separate") => Reply::new(503),
        0..4 => Reply::new(503),
        _ => manifest_reply(),
    });
    let client = Client::new(crate::options()).expect("a client");
    let few = RetryPolicy {
        tries: 2,
        ..crate::options().retries
    };
    let separate = crate::repository_of(&client.with_retries(few), &fake);
    for _ in 0..5 {
        let error = separate.fetch_manifest(ManifestName::Tag("separate")).await;
        assert_eq!(error.expect_err("an error").exit(), Exit::Unavailable);
    }
    assert_eq!(fake.count("GET", &path("manifests/separate")), 10);
    let found = crate::repository_of(&client, &fake)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await;
    assert!(found.expect("an answer").is_some());
}
