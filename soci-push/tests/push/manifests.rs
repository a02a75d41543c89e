//! Manifests and tags that a registry refuses, and the habits of ECR.

use std::collections::BTreeSet;
use std::time::Duration;

use soci_testkit::faulty::{Contents, Fault, Faulty, Habit, Reply, Rule};

use crate::{IndexedImage, OCI_INDEX, assert_partly_pushed, assert_push_fails, pushed, two_layers};

const UPLOADS: &str = "*/blobs/uploads/*";
const TAG: &str = "*/manifests/v1-soci";

/// What registries say where a manifest names a blob that they do not know.
fn unknown_blob() -> [Fault; 3] {
    let layers = "Layers with digests '[sha256:0]' required for pushing image do not exist (LayersNotFoundException)";
    [
        Fault::error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
        Fault::error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
        Fault::error(400, "BLOB_UNKNOWN", layers),
    ]
}

/// E9: a blob that a manifest names and the registry lost is sent again.
#[test]
fn sends_a_lost_blob_again() {
    let indexed = IndexedImage::of(&two_layers());
    let expected = indexed.contents_without_faults(&Faulty::start());
    // It says that it has stored one, and has not.
    let lie = Fault::reply(Reply::new(201));
    let registry = Faulty::setup()
        .rule(Rule::on("PUT", UPLOADS, lie).once())
        .start();
    let document = pushed(indexed.push(&registry).run());
    assert_eq!(Contents::of(&registry), expected);
    assert_eq!(registry.count("PUT", UPLOADS), 3 + 1);
    // All blobs are looked for when a manifest is refused, and only the lost one is sent.
    let looks = registry.count("HEAD", "*/blobs/*");
    assert!(looks >= 3 && looks.is_multiple_of(3), "{}", registry.log());
    assert_eq!(document["push"]["uploaded"], 7);
}

/// E9: a manifest is sent up to three times while the registry does not know its blobs.
#[test]
fn sends_a_manifest_at_most_three_times_while_blobs_are_unknown() {
    let indexed = IndexedImage::of(&two_layers());
    let expected = indexed.contents_without_faults(&Faulty::start());
    for (glob, manifests) in [("*/manifests/sha256:*", 3), (TAG, 1)] {
        for (times, rule) in unknown_blobs(2..=2, glob) {
            let registry = Faulty::setup().rule(rule).start();
            indexed.push(&registry).run().succeeds();
            assert_eq!(Contents::of(&registry), expected);
            assert_eq!(registry.count("PUT", glob), manifests + times);
            assert_eq!(registry.count("PUT", UPLOADS), 3, "nothing was missing");
            assert_eq!(registry.count("HEAD", "*/blobs/*"), 3 * times);
        }
    }
    for fault in unknown_blob() {
        let registry = Faulty::start();
        indexed.publish(&registry);
        let before = Contents::of(&registry);
        registry.fault("PUT", "*/manifests/*", fault);
        let ended = indexed.push(&registry).run().ends_with(76);
        ended.writes_only_its_failure();
        ended.says("BLOB_UNKNOWN").says("push manifest `sha256:");
        // The converted manifest, and each version of the index, three times.
        assert_eq!(registry.count("PUT", "*/manifests/*"), 3 * 3);
        assert_eq!(Contents::of(&registry).tags, before.tags);
    }
}

/// Lets every way to miss a blob happen so many times to manifests.
fn unknown_blobs(times: std::ops::RangeInclusive<usize>, glob: &str) -> Vec<(usize, Rule)> {
    let each = times.flat_map(|times| unknown_blob().map(|fault| (times, fault)));
    each.map(|(times, fault)| (times, Rule::on("PUT", glob, fault).times(times)))
        .collect()
}

/// E9: the first wait for blobs that are not known yet is a second.
#[test]
fn waits_a_second_before_it_sends_a_manifest_again() {
    let indexed = IndexedImage::of(&two_layers());
    let [fault, ..] = unknown_blob();
    let rule = Rule::on("PUT", "*/manifests/sha256:*", fault).once();
    let registry = Faulty::setup().rule(rule).start();
    indexed
        .push(&registry)
        .env_remove("SOCI_RETRY_WAIT")
        .run()
        .succeeds();
    let puts = registry.requests_to("PUT", "*/manifests/sha256:*");
    let sent_twice = puts.iter().enumerate().find_map(|(position, first)| {
        let mut later = puts[position + 1..].iter();
        let again = later.find(|later| later.request.path == first.request.path)?;
        again.at.checked_sub(first.at)
    });
    assert!(
        sent_twice.expect("a manifest that was sent twice") >= Duration::from_secs(1),
        "{}",
        registry.log()
    );
}

/// E13: an immutable tag that already names the image is not written.
#[test]
fn leaves_an_immutable_tag_with_the_same_digest() {
    let indexed = IndexedImage::of(&two_layers());
    let registry = Faulty::setup().habit(Habit::ImmutableTags).start();
    let expected = indexed.contents_without_faults(&registry);
    let before = registry.requests().len();
    let document = pushed(indexed.push(&registry).run());
    assert_eq!(document["push"]["uploaded"], 0);
    assert_eq!(document["push"]["existing"], 7);
    let again = registry.requests().split_off(before);
    assert!(
        again
            .iter()
            .all(|entry| matches!(&*entry.request.method, "GET" | "HEAD"))
    );
    assert_eq!(Contents::of(&registry), expected);
}

/// What registries say to a push to a tag that must not change.
fn immutable() -> [Fault; 6] {
    let ecr = "The image tag 'v1-soci' already exists in the 'app' repository and cannot be overwritten because the \
               repository is immutable.";
    [
        Fault::error(400, "TAG_INVALID", ecr),
        Fault::error(400, "ImageTagAlreadyExistsException", ecr),
        Fault::error(412, "PRECONDITION", "app:v1-soci configured as immutable"),
        Fault::error(409, "CONFLICT", "tag is immutable"),
        Fault::error(
            403,
            "DENIED",
            "cannot update tag v1-soci: tag immutability is enabled",
        ),
        Fault::error(405, "UNSUPPORTED", "tag is locked"),
    ]
}

/// E13: an immutable tag with another digest is tried once and stays.
#[test]
fn reports_an_immutable_tag_with_another_digest() {
    let indexed = IndexedImage::of(&two_layers());
    for fault in immutable() {
        let registry = Faulty::start();
        let list =
            format!("{{\"schemaVersion\": 2, \"mediaType\": \"{OCI_INDEX}\", \"manifests\": []}}");
        let other = registry.put_manifest("app", OCI_INDEX, list);
        registry.tag("app", "v1-soci", &other);
        registry.fault("PUT", TAG, fault);
        let (ended, _) = assert_partly_pushed(indexed.push(&registry).run(), 76);
        ended.says("set tag `v1-soci`: refused");
        assert_eq!(registry.count("PUT", TAG), 1);
        assert_eq!(registry.tags("app")["v1-soci"], other);
        Contents::of(&registry);
    }
}

/// E13: an immutable tag that another client set to the same digest in the meantime is not an
/// error.
#[test]
fn accepts_an_immutable_tag_that_was_just_set_to_the_same() {
    let indexed = IndexedImage::of(&two_layers());
    for fault in immutable() {
        let registry = Faulty::start();
        let expected = indexed.contents_without_faults(&registry);
        // It comes between the look and the push.
        registry.rule(Rule::on("HEAD", TAG, Fault::error(404, "MANIFEST_UNKNOWN", "")).once());
        registry.fault("PUT", TAG, fault);
        let before = registry.count("PUT", TAG);
        indexed.push(&registry).run().succeeds();
        assert_eq!(registry.count("PUT", TAG) - before, 1);
        assert_eq!(Contents::of(&registry), expected);
    }
}

/// E13: a manifest that the registry rejects for good is sent once.
#[test]
fn sends_a_rejected_manifest_once() {
    let indexed = IndexedImage::of(&two_layers());
    let unsupported =
        "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'";
    let quota = "The repository with name 'app' already has the maximum allowed number of images (LimitExceededException)";
    for (fault, code, says) in [
        (
            Fault::error(405, "UNSUPPORTED", unsupported),
            76,
            "405 UNSUPPORTED: Invalid parameter",
        ),
        (
            Fault::error(400, "UNSUPPORTED", "no subject"),
            76,
            "400 UNSUPPORTED: no subject",
        ),
        (
            Fault::status(413),
            65,
            "too large for the registry: status 413",
        ),
        (
            Fault::error(403, "DENIED", quota),
            76,
            "LimitExceededException",
        ),
        (
            Fault::error(403, "DENIED", "quota has been exceeded"),
            76,
            "quota has been exceeded",
        ),
        (Fault::error(403, "DENIED", "no"), 77, "denied"),
    ] {
        let start = |glob| {
            let rule = Rule::on("PUT", glob, fault.clone());
            Faulty::setup().rule(rule).start()
        };
        let registry = start(TAG);
        let (ended, _) = assert_partly_pushed(indexed.push(&registry).run(), code);
        ended.says(says);
        assert_eq!(registry.count("PUT", TAG), 1, "{says}: {}", registry.log());
        assert!(!registry.tags("app").contains_key("v1-soci"));
        Contents::of(&registry);
        let registry = start("*/manifests/*");
        let ended = indexed.push(&registry).run().ends_with(code).says(says);
        ended.writes_only_its_failure();
        let puts = registry.requests_to("PUT", "*/manifests/*");
        let paths: BTreeSet<_> = puts.iter().map(|put| &put.request.path).collect();
        assert_eq!(paths.len(), puts.len(), "{says}: {}", registry.log());
        assert!(!registry.tags("app").contains_key("v1-soci"));
    }
}

/// E13: a blob that the registry rejects for good is sent once.
#[test]
fn sends_a_rejected_blob_once() {
    let indexed = IndexedImage::of(&two_layers());
    for (method, fault, code, says) in [
        (
            "POST",
            Fault::error(413, "SIZE_INVALID", "too large"),
            65,
            "too large for the registry",
        ),
        (
            "PUT",
            Fault::error(413, "SIZE_INVALID", "too large"),
            65,
            "too large for the registry",
        ),
        (
            "PUT",
            Fault::error(403, "DENIED", "quota exceeded"),
            76,
            "quota exceeded",
        ),
        (
            "POST",
            Fault::error(405, "UNSUPPORTED", "read-only"),
            76,
            "UNSUPPORTED",
        ),
    ] {
        let registry = Faulty::setup()
            .rule(Rule::on(method, UPLOADS, fault))
            .start();
        let push = indexed
            .push(&registry)
            .env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
        assert_push_fails(push.run(), code).says(says);
        // The first blob is sent in a `POST`, and then in a session.
        let tries = if method == "POST" { 2 } else { 1 };
        let log = registry.log();
        assert_eq!(registry.count(method, UPLOADS), tries, "{log}");
        assert_eq!(registry.count("PUT", "*/manifests/*"), 0);
    }
}

/// E13: a registry that behaves as ECR gets the same content, each blob in one request.
#[test]
fn pushes_the_same_content_to_ecr() {
    let indexed = IndexedImage::of(&two_layers());
    let expected = indexed.contents_without_faults(&Faulty::start());
    let registry = Faulty::setup().ecr().habit(Habit::ImmutableTags).start();
    indexed.push(&registry).run().succeeds();
    assert_eq!(Contents::of(&registry), expected);
    let document = pushed(indexed.push(&registry).run());
    assert_eq!(document["push"]["uploaded"], 0);
    // One request opens an upload, and one has all of its content.
    assert_eq!(registry.count("POST", UPLOADS), 3);
    assert_eq!(registry.count("PUT", UPLOADS), 3);
    assert_eq!(registry.count("PATCH", "*"), 0);
    let chunked = registry.requests_to("PUT", UPLOADS);
    assert!(
        chunked
            .iter()
            .all(|put| put.request.header("content-range").is_none())
    );
    // A repository that is not there is named.
    let to = format!("{}/nowhere:v1", registry.host());
    let ended = indexed
        .push(&registry)
        .args(["--to", &to])
        .run()
        .ends_with(80);
    ended
        .says("cannot push to the repository `nowhere`")
        .says("create the repository");
}
