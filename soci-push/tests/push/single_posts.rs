//! Blobs that are sent in the `POST` that opens an upload session, and blobs that several images of
//! a run share.

use soci_testkit::faulty::{Contents, Fault, Faulty, Habit, Rule};

use crate::{IndexedImage, pushed, two_layers};

/// An image whose push uploads three blobs: two ztocs, and the configuration of all indexes.
const BLOBS: usize = 3;

const UPLOADS: &str = "*/blobs/uploads/*";
const SINGLE_POSTS: &str = "*/blobs/uploads/?digest=*";

/// A registry that takes a blob in a `POST` gets each small blob in one request.
#[test]
fn sends_each_small_blob_in_one_request() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    let registry = Faulty::setup().habit(Habit::SinglePosts).start();
    let document = pushed(image.push(&registry).run());
    assert_eq!(Contents::of(&registry), expected);
    assert_eq!(document["push"]["uploaded"], 7);
    assert_eq!(
        registry.count("*", "*/blobs/*"),
        BLOBS,
        "{}",
        registry.log()
    );
    assert_eq!(registry.count("POST", SINGLE_POSTS), BLOBS);
}

/// A registry that opens a session instead gets the rest of the blobs in sessions.
#[test]
fn tries_a_single_post_once() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let push = image.push(&registry);
    let push = push.env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
    push.run().succeeds();
    assert_eq!(registry.count("POST", SINGLE_POSTS), 1);
    assert_eq!(registry.count("POST", UPLOADS), BLOBS);
    assert_eq!(registry.count("PUT", UPLOADS), BLOBS);
}

/// A registry that refuses a blob in a `POST`, or fails because of it, gets it in a session.
#[test]
fn sends_a_blob_in_a_session_after_a_failed_single_post() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    let refusals = [400, 403, 404, 405, 411, 413, 415, 500, 501, 503];
    let faults = refusals.map(Fault::status).into_iter();
    for fault in faults.chain([Fault::reset_request_after(3)]) {
        let registry = Faulty::setup().habit(Habit::SinglePosts).start();
        registry.rule(Rule::on("POST", SINGLE_POSTS, fault));
        let push = image.push(&registry);
        let push = push.env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
        push.run().succeeds();
        assert_eq!(Contents::of(&registry), expected);
        let log = registry.log();
        assert_eq!(registry.count("POST", SINGLE_POSTS), 1, "{log}");
        assert_eq!(registry.count("PUT", UPLOADS), BLOBS, "{log}");
    }
}

/// A blob that was stored although the reply was lost is not sent again.
#[test]
fn finds_a_blob_after_a_single_post_whose_reply_was_lost() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    let registry = Faulty::setup().habit(Habit::SinglePosts).start();
    registry.rule(Rule::on("POST", SINGLE_POSTS, Fault::lose_reply()).once());
    image.push(&registry).run().succeeds();
    assert_eq!(Contents::of(&registry), expected);
    let lost = &registry.requests_to("POST", SINGLE_POSTS)[0].request;
    let digest = lost.parameter("digest").expect("a digest");
    let sent = registry.requests_to("*", UPLOADS).into_iter();
    let sent = sent.filter(|sent| sent.request.parameter("digest").as_deref() == Some(&digest));
    assert_eq!(sent.count(), 1, "{}", registry.log());
}

/// Images of one run that share blobs look for them, and send them, once.
#[test]
fn sends_the_blobs_that_images_share_once() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::setup().habit(Habit::SinglePosts).start();
    image.publish(&registry);
    registry.push(&image.layout(), "app:v2");
    let line = image.line_for(&registry.host());
    let other = line.replace("/app:v1", "/app:v2");
    let push = image.push_to(&registry.host());
    let ended = push.stdin(format!("{line}{other}")).run().succeeds();
    let documents = ended.documents();
    let sum = |count: &str| -> u64 {
        let counts = documents.iter().map(|document| &document["push"][count]);
        counts.map(|count| count.as_u64().expect("a number")).sum()
    };
    assert_eq!(
        registry.count("*", "*/blobs/*"),
        BLOBS,
        "{}",
        registry.log()
    );
    assert_eq!(sum("uploaded") + sum("existing"), 14);
    let tags = Contents::of(&registry).tags;
    let tags = tags
        .keys()
        .map(|tag| format!("{tag:?}"))
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        tags.contains("v1-soci") && tags.contains("v2-soci"),
        "{tags}"
    );
}
