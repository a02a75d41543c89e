//! Registries that answer that they have stored something, and have not.

use std::sync::{Arc, Weak};

use serde_json::json;
use soci_testkit::{
    faulty::{Contents, Fault, Faulty, Reply, Rule},
    process::Finished,
};

use crate::{IndexedImage, OCI_INDEX, assert_partly_pushed, pushed, two_layers};

const TAG: &str = "*/manifests/v1-soci";
const LISTS: &str = "*/referrers/*";

/// What a registry answers that stores nothing.
fn lie() -> Fault {
    Fault::reply(Reply::new(201))
}

/// Returns an image index without manifests, made unique by a number.
fn other_index(number: usize) -> String {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [],
        "annotations": {"number": number.to_string()}})
    .to_string()
}

/// E17: a registry that keeps nothing of what it answers to have stored is an error.
#[test]
fn reports_a_registry_that_keeps_nothing() {
    let indexed = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    registry.fault("PUT", "*/manifests/*", lie());
    let ended = indexed.push(&registry).run().ends_with(76);
    ended.writes_only_its_failure();
    ended.says(
        "set tag `v1-soci`: the registry answered that it has stored it, but does not have it",
    );
    // One look before the tag is set, and three after it.
    assert_eq!(registry.count("HEAD|GET", TAG), 1 + 3, "{}", registry.log());
}

/// Pushes to a registry whose tag names another index after it was set. Returns the digest of that
/// index, too.
fn push_with_other_tag(indexed: &IndexedImage, is_kept: bool) -> (Arc<Faulty>, Finished, String) {
    let registry = Arc::new(Faulty::start());
    let other = registry.put_manifest("app", OCI_INDEX, other_index(1));
    let weak: Weak<Faulty> = Arc::downgrade(&registry);
    let tagged = other.clone();
    let moved = Fault::edit(move |_, reply| {
        if let Some(registry) = weak.upgrade() {
            let own = registry.tags("app")["v1-soci"].clone();
            if !is_kept {
                registry.remove(&own);
            }
            registry.tag("app", "v1-soci", &tagged);
        }
        reply
    });
    registry.rule(Rule::on("PUT", TAG, moved));
    let ended = indexed.push(&registry).run();
    (registry, ended, other)
}

/// E17: a tag that names something else than what was sent is an error.
#[test]
fn reports_a_tag_that_names_something_else() {
    let indexed = IndexedImage::of(&two_layers());
    let (_registry, ended, other) = push_with_other_tag(&indexed, false);
    let (ended, _) = assert_partly_pushed(ended, 76);
    ended.says(&format!(", but the tag names `{other}`"));
    // The tag stays what it was, although the manifest is there.
    let registry = Faulty::start();
    indexed.publish(&registry);
    let before = registry.put_manifest("app", OCI_INDEX, other_index(2));
    registry.tag("app", "v1-soci", &before);
    let converted = indexed.document()["converted"]["digest"].clone();
    let converted = converted.as_str().expect("a digest");
    let path = format!("*/manifests/{converted}");
    registry.rule(Rule::on("PUT", TAG, lie()));
    registry.rule(Rule::on("HEAD", &path, Fault::status(200)));
    let (ended, _) = assert_partly_pushed(indexed.push_to(&registry.host()).run(), 76);
    ended.says(&format!(", but the tag names `{before}`"));
}

/// E17: a tag that another client has set after this run is a warning.
#[test]
fn accepts_a_tag_that_another_client_has_moved() {
    let indexed = IndexedImage::of(&two_layers());
    let (_registry, ended, other) = push_with_other_tag(&indexed, true);
    let moved = format!("another client has pointed the tag `v1-soci` to `{other}`");
    pushed(ended.says(&moved));
}

/// E17: the look takes one request for a tag that was set, and none for one that was not.
#[test]
fn looks_once_at_each_tag() {
    let indexed = IndexedImage::of(&two_layers());
    for setup in [Faulty::setup(), Faulty::setup().ecr()] {
        let registry = setup.start();
        let tags = ["a", "b"];
        for (puts, heads) in [(1, 2), (0, 1)] {
            registry.clear_requests();
            let push = indexed.push(&registry).args(["--tag", "a,b"]);
            pushed(push.run());
            for tag in tags {
                let path = format!("*/manifests/{tag}");
                assert_eq!(registry.count("PUT", &path), puts);
                assert_eq!(registry.count("HEAD", &path), heads, "{}", registry.log());
                assert_eq!(registry.count("GET", &path), 0);
            }
        }
        Contents::of(&registry);
    }
}

/// E17: if a `HEAD` gives no digest, the manifest itself is compared.
#[test]
fn compares_the_manifest_if_a_head_gives_no_digest() {
    let indexed = IndexedImage::of(&two_layers());
    let without_digest = Fault::edit(|_, reply| reply.without_header("Docker-Content-Digest"));
    let registry = Faulty::start();
    registry.fault("HEAD", TAG, without_digest.clone());
    pushed(indexed.push(&registry).run());
    assert_eq!(registry.count("GET", TAG), 1, "{}", registry.log());
    let registry = Faulty::start();
    let before = registry.put_manifest("app", OCI_INDEX, other_index(3));
    registry.tag("app", "v1-soci", &before);
    registry.fault("HEAD", TAG, without_digest);
    registry.fault("PUT", TAG, lie());
    let (ended, _) = assert_partly_pushed(indexed.push(&registry).run(), 76);
    ended.says("but the tag names");
}

/// E17: a registry that knows a tag only a moment after it was set is waited for, and the tag is
/// not set again.
#[test]
fn waits_for_a_tag_that_is_not_known_at_once() {
    let indexed = IndexedImage::of(&two_layers());
    let unknown = || Fault::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    let registry = Faulty::start();
    registry.rule(Rule::on("HEAD", TAG, unknown()).times(2));
    registry.rule(Rule::on("GET", TAG, unknown()).once());
    pushed(indexed.push(&registry).run());
    assert_eq!(registry.count("PUT", TAG), 1);
    assert_eq!(registry.count("HEAD|GET", TAG), 1 + 3, "{}", registry.log());
}

/// E17: an index of version 1 that the registry answers to have listed, and does not have, is an
/// error. One that it lists is not looked for.
#[test]
fn reports_a_referrer_that_is_neither_listed_nor_kept() {
    let indexed = IndexedImage::of(&two_layers());
    let path = format!("*/manifests/{}", indexed.version_1());
    let registry = Faulty::start();
    let lie = Fault::reply(Reply::new(201).header("OCI-Subject", "sha256:0"));
    registry.fault("PUT", &path, lie);
    let (ended, document) = assert_partly_pushed(indexed.push(&registry).run(), 76);
    ended
        .says("cannot publish the SOCI index of version 1")
        .says("does not have it");
    assert_eq!(document["push"]["referrers"], "none");
    let registry = Faulty::start();
    pushed(indexed.push(&registry).run());
    assert_eq!(registry.count("HEAD|GET", &path), 0, "{}", registry.log());
    assert_eq!(registry.count("GET", LISTS), 1);
}

/// E17: a fallback tag that the registry does not keep is an error of the registry, and not of
/// other clients.
#[test]
fn reports_a_fallback_tag_that_is_not_kept() {
    let indexed = IndexedImage::of(&two_layers());
    let path = format!("*/manifests/{}", indexed.fallback_tag());
    let registry = Faulty::setup().without_referrers().start();
    registry.fault("PUT", &path, lie());
    let (ended, _) = assert_partly_pushed(indexed.push(&registry).run(), 76);
    ended.says("does not have it");
    assert_eq!(registry.count("PUT", &path), 5);
}
