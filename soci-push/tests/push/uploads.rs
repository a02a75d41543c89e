//! Blobs: sessions and replies that are lost, and unusual upload locations.

use std::{collections::BTreeSet, time::Duration};

use soci_testkit::{
    faulty::{Contents, Fault, Faulty, Habit, Reply, Rule},
    image,
};

use crate::{
    IndexedImage, assert_push_fails, assert_without_credentials, push_with_password, pushed,
    two_layers,
};

const UPLOADS: &str = "*/blobs/uploads/*";

/// An image whose push uploads three blobs: two ztocs, and the configuration of all indexes.
const BLOBS: usize = 3;

/// How many of them are ztocs.
const ZTOCS: usize = 2;

fn unknown_session() -> Fault {
    Fault::error(
        404,
        "BLOB_UPLOAD_UNKNOWN",
        "blob upload unknown to registry",
    )
}

/// Asserts that no upload session was sent content twice.
#[track_caller]
fn assert_fresh_sessions(registry: &Faulty) {
    let puts = registry.requests_to("PUT", UPLOADS);
    let sessions: BTreeSet<&str> = puts.iter().map(|put| put.request.path.as_str()).collect();
    assert_eq!(sessions.len(), puts.len(), "{}", registry.log());
}

/// E1: a session that the registry no longer knows is replaced, and the whole blob is sent again.
#[test]
fn replaces_an_unknown_upload_session_three_times() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    for forgotten in 1..=3 {
        let rule = Rule::on("PUT", UPLOADS, unknown_session()).times(forgotten);
        let registry = Faulty::setup().rule(rule).start();
        let push = image
            .push(&registry)
            .env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
        let document = pushed(push.run());
        assert_eq!(Contents::of(&registry), expected);
        assert_eq!(registry.count("POST", UPLOADS), BLOBS + forgotten);
        assert_eq!(registry.count("PUT", UPLOADS), BLOBS + forgotten);
        assert_fresh_sessions(&registry);
        // Whole, each time.
        let puts = registry.requests_to("PUT", UPLOADS);
        let sizes: BTreeSet<usize> = puts[..=forgotten].iter().map(|put| put.body).collect();
        assert_eq!(sizes.len(), 1, "{}", registry.log());
        assert_eq!(document["push"]["uploaded"], 7);
    }
}

/// E1: a registry that knows none of its upload sessions breaks the protocol.
#[test]
fn gives_up_when_every_upload_session_is_unknown() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let before = Contents::of(&registry);
    registry.fault("PUT", UPLOADS, unknown_session());
    let push = image
        .push(&registry)
        .env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
    let ended = assert_push_fails(push.run(), 76);
    ended.says("BLOB_UPLOAD_UNKNOWN").says("push blob `sha256:");
    assert_eq!(registry.count("PUT", UPLOADS), 4);
    assert_fresh_sessions(&registry);
    assert_eq!(Contents::of(&registry), before);
}

/// E2: a session is not used again after its upload failed.
#[test]
fn opens_a_new_session_after_a_failed_upload() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    let stale = "First byte of the layer part is 0 instead of 100";
    for fault in [
        Fault::reset_request_after(0),
        Fault::reset_request_after(100),
        Fault::reset(),
        Fault::close(),
        Fault::error(416, "BLOB_UPLOAD_INVALID", stale),
        Fault::status(500),
        Fault::status(503),
    ] {
        let setup = Faulty::setup().habit(Habit::SingleUseSessions);
        let said = format!("{fault:?}");
        let registry = setup.rule(Rule::on("PUT", UPLOADS, fault).once()).start();
        image.push(&registry).run().succeeds();
        assert_eq!(Contents::of(&registry), expected, "{said}");
        assert_eq!(registry.count("POST", UPLOADS), BLOBS + 1, "{said}");
        assert_eq!(registry.count("PUT", UPLOADS), BLOBS + 1, "{said}");
        assert_fresh_sessions(&registry);
    }
}

/// E2: an upload without progress starts over in a new session.
#[test]
fn restarts_an_upload_that_makes_no_progress() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    let stall = Fault::reply(Reply::new(201)).and(|_, reply| reply.stall_head(Duration::MAX));
    let registry = Faulty::setup()
        .rule(Rule::on("PUT", UPLOADS, stall).once())
        .start();
    // The reply may take five times as long.
    let push = image.push(&registry).env("SOCI_UPLOAD_TIMEOUT", "0.1");
    push.run().succeeds();
    assert_eq!(Contents::of(&registry), expected);
    assert_eq!(registry.count("PUT", UPLOADS), BLOBS + 1);
    assert_fresh_sessions(&registry);
}

/// E3: a blob whose reply was lost is looked for before it is sent again.
#[test]
fn finds_a_blob_whose_reply_was_lost() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    let lost = Rule::on("PUT", UPLOADS, Fault::lose_reply());
    let registry = Faulty::setup().rule(lost).start();
    let document = pushed(image.push(&registry).run());
    assert_eq!(Contents::of(&registry), expected);
    assert_eq!(registry.count("POST", UPLOADS), BLOBS);
    assert_eq!(registry.count("PUT", UPLOADS), BLOBS);
    // Once to see whether each blob came.
    assert_eq!(registry.count("HEAD", "*/blobs/*"), BLOBS);
    assert_eq!(document["push"]["uploaded"], 7);
}

/// E3: a tag that was set although the reply was lost counts as set.
#[test]
fn finds_a_manifest_whose_reply_was_lost() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    // An immutable tag rejects even the manifest that it already names.
    let setup = Faulty::setup().habit(Habit::ImmutableTags);
    let lost = Rule::on("PUT", "*/manifests/v1-soci", Fault::lose_reply()).once();
    let registry = setup.rule(lost).start();
    image.push(&registry).run().succeeds();
    assert_eq!(Contents::of(&registry), expected);
    assert_eq!(registry.count("PUT", "*/manifests/v1-soci"), 2);
}

/// E4: a blob is uploaded when the registry does not answer whether it has the blob.
#[test]
fn uploads_a_blob_when_head_is_denied() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    let registry = Faulty::setup().habit(Habit::NoHeadOfBlobs).start();
    for round in 1..=2 {
        image.push(&registry).run().succeeds();
        assert_eq!(Contents::of(&registry), expected);
        assert_eq!(registry.count("PUT", UPLOADS), round * BLOBS);
        assert_eq!(registry.count("HEAD", "*/blobs/*"), (round - 1) * ZTOCS);
    }
}

/// Replaces the upload location of a registry. `{}` stands for the path and query of the original
/// one.
fn location(form: &str) -> Rule {
    let form = form.to_owned();
    let fault = Fault::edit(move |_, reply| {
        let own = reply.get("Location").unwrap_or_default();
        let form = form
            .replace("{}", own)
            .replace("{last}", own.rsplit('/').next().unwrap_or_default());
        reply.header("Location", form)
    });
    Rule::on("POST", "*/blobs/uploads/", fault)
}

/// E5: absolute, relative and protocol-relative upload locations are followed, and their query is
/// kept.
#[test]
fn follows_every_form_of_upload_location() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    for form in [
        "{}",
        "http://{host}{}",
        "//{host}{}",
        "./{last}",
        "../uploads/{last}",
        "{}&more=a%2Fb%3D+c",
    ] {
        let registry = Faulty::start();
        registry.rule(location(&form.replace("{host}", &registry.host())));
        image.push(&registry).run().succeeds();
        assert_eq!(Contents::of(&registry), expected, "{form}");
        for put in registry.requests_to("PUT", UPLOADS) {
            // The registry's own query as it was, and then the digest.
            let (own, digest) = put.request.query.rsplit_once('&').expect("two parameters");
            assert!(digest.starts_with("digest=sha256%3A"), "{digest}");
            assert!(own.starts_with("_state=session-"), "{own}");
            assert_eq!(
                form.contains("more="),
                own.ends_with("&more=a%2Fb%3D+c"),
                "{own}"
            );
        }
    }
}

/// E5: an upload location on another host gets the content but no credentials.
#[test]
fn sends_no_credentials_to_another_upload_host() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    let registry = Faulty::setup().basic("user", "canary-password").start();
    let elsewhere = Faulty::setup().sharing(&registry).start();
    registry.rule(location(&format!("{}{{}}", elsewhere.url())));
    push_with_password(&image, &registry);
    assert_eq!(Contents::of(&registry), expected);
    assert_eq!(elsewhere.requests().len(), BLOBS);
    assert_without_credentials(&elsewhere);
    assert_eq!(registry.count("PUT", UPLOADS), 0);
}

/// Asserts that nothing is uploaded by a push to a registry that names an unusable
/// upload location.
#[track_caller]
fn assert_refused(image: &IndexedImage, registry: &Faulty, arguments: &[&str], why: &str) {
    let push = image
        .push(registry)
        .args(arguments)
        .env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
    let push = push.env("SOCI_CA_FILE", registry.ca_file());
    let push = if registry.ca_file().exists() {
        push
    } else {
        push.env_remove("SOCI_CA_FILE")
    };
    let before = Contents::of(registry);
    assert_push_fails(push.run(), 76).says(why);
    assert_eq!(registry.count("POST", UPLOADS), 1, "{}", registry.log());
    assert_eq!(registry.count("PUT", "*"), 0, "{}", registry.log());
    assert_eq!(Contents::of(registry), before);
}

/// E5: locations at internal addresses, with credentials or without HTTP are refused.
#[test]
fn refuses_upload_locations_that_are_internal_or_not_http() {
    let image = IndexedImage::of(&two_layers());
    for (form, why) in [
        ("http://169.254.169.254/latest{}", "internal"),
        ("http://[fe80::1]{}", "internal"),
        ("ftp://127.0.0.1{}", "it is not HTTP"),
        ("file:///etc/passwd", "it is not HTTP"),
        (
            "http://user:canary@127.0.0.1{}",
            "its URL contains credentials",
        ),
        ("http://", "without a usable `Location` header"),
    ] {
        let registry = Faulty::setup().rule(location(form)).start();
        assert_refused(&image, &registry, &[], why);
    }
    let none = Fault::edit(|_, reply| reply.without_header("Location"));
    let registry = Faulty::setup()
        .rule(Rule::on("POST", UPLOADS, none))
        .start();
    assert_refused(
        &image,
        &registry,
        &[],
        "202 without a usable `Location` header",
    );
}

/// E5: an upload does not go from HTTPS to plain HTTP.
#[test]
fn refuses_an_upload_location_without_tls() {
    let image = IndexedImage::of(&two_layers());
    let plain = Faulty::start();
    let registry = Faulty::setup().tls(&[]).start();
    registry.rule(location(&format!("{}{{}}", plain.url())));
    assert_refused(&image, &registry, &["--plain-http=false"], "plain HTTP");
    assert!(plain.requests().is_empty());
}

/// E6: a registry that reports another digest for stored content breaks the protocol.
#[test]
fn fails_when_the_registry_stored_another_digest() {
    let image = IndexedImage::of(&two_layers());
    let other = image::digest(b"something else");
    // Each version of the index has a manifest.
    for (glob, puts) in [
        (UPLOADS, 1),
        ("*/manifests/sha256:*", 2),
        ("*/manifests/v1-soci", 1),
    ] {
        let fault = Fault::header("Docker-Content-Digest", &other);
        let registry = Faulty::setup().rule(Rule::on("PUT", glob, fault)).start();
        let push = image
            .push(&registry)
            .env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
        let ended = push.run().ends_with(76);
        ended.says("stored ").says(&other);
        assert_eq!(registry.count("PUT", glob), puts, "{}", registry.log());
    }
}
