//! One version of the index, or one tag, fails, and the rest is pushed.

use serde_json::{Value, json};
use soci_testkit::{
    document::tag_names,
    faulty::{Contents, Fault, Faulty, Habit, Reply, Rule, Setup},
};

use crate::{IndexedImage, OCI_INDEX, array, assert_partly_pushed, pushed, text, two_layers};

const LISTS: &str = "*/referrers/*";
const TAG: &str = "*/manifests/v1-soci";

/// Returns the reply with a list of referrers, whose entries are this JSON.
fn list_reply(entries: &str) -> Reply {
    let list = format!(
        "{{\"schemaVersion\": 2, \"mediaType\": \"{OCI_INDEX}\", \"manifests\": {entries}}}"
    );
    Reply::new(200).header("Content-Type", OCI_INDEX).body(list)
}

/// Asserts that the converted image is complete, and that the failure of version 1 names the way
/// out. Then asserts that a push without faults completes version 1.
#[track_caller]
fn assert_version_2_is_whole(indexed: &IndexedImage, registry: &Faulty, code: i32) {
    let (ended, document) = assert_partly_pushed(indexed.push(registry).run(), code);
    ended
        .says("cannot publish the SOCI index of version 1")
        .says("soci-plan --index-version v2");
    let tag = format!("{}/app:v1-soci", registry.host());
    assert_eq!(tag_names(&document), json!([tag]));
    assert_eq!(document["push"]["referrers"], "none");
    assert_eq!(
        json!(registry.tags("app")["v1-soci"]),
        document["converted"]["digest"]
    );
    assert!(registry.broken("app", "v1-soci").is_empty());
    registry.clear_rules();
    let document = pushed(indexed.push(registry).run());
    assert_ne!(document["push"]["referrers"], "none");
    assert_eq!(tag_names(&document), json!([tag]));
}

/// E15: a registry that refuses manifests with a subject still gets the converted image.
#[test]
fn sets_the_tag_if_the_registry_refuses_a_subject() {
    let indexed = IndexedImage::of(&two_layers());
    let version_1 = format!("*/manifests/{}", indexed.version_1());
    for (status, error, code) in [
        (404, "MANIFEST_UNKNOWN", 80),
        (400, "MANIFEST_BLOB_UNKNOWN", 76),
        (400, "MANIFEST_INVALID", 76),
        (415, "UNSUPPORTED", 76),
        (500, "UNKNOWN", 69),
    ] {
        let refusal = Fault::error(status, error, "refused");
        let registry = Faulty::setup()
            .without_referrers()
            .rule(Rule::on("PUT", &version_1, refusal))
            .start();
        assert_version_2_is_whole(&indexed, &registry, code);
    }
}

/// E15: a registry whose list of referrers cannot be read still gets the converted image.
#[test]
fn sets_the_tag_if_referrers_cannot_be_listed() {
    let indexed = IndexedImage::of(&two_layers());
    for (status, code) in [(401, 77), (403, 77), (500, 69)] {
        let refusal = Fault::error(status, "DENIED", "no list for you");
        let registry = Faulty::setup()
            .rule(Rule::on("GET", LISTS, refusal))
            .start();
        assert_version_2_is_whole(&indexed, &registry, code);
    }
}

/// E15: a refused converted image does not keep version 1 from the registry.
#[test]
fn pushes_version_1_if_version_2_is_refused() {
    let indexed = IndexedImage::of(&two_layers());
    let version_2 = text(&indexed.document()["manifests"][0]["index"]["v2"]["digest"]).to_owned();
    for refused in [TAG.to_owned(), format!("*/manifests/{version_2}")] {
        let refusal = Fault::error(405, "UNSUPPORTED", "no image indexes here");
        let registry = Faulty::setup()
            .rule(Rule::on("PUT", &refused, refusal))
            .start();
        let (ended, document) = assert_partly_pushed(indexed.push(&registry).run(), 76);
        ended.says("no image indexes here");
        assert_eq!(tag_names(&document), json!([]));
        assert_eq!(document["push"]["referrers"], "api");
        assert!(registry.manifest("app", &indexed.version_1()).is_some());
        Contents::of(&registry);
    }
}

/// E12: a list of referrers that is `null` is an empty one.
#[test]
fn accepts_null_as_a_list_of_referrers() {
    let indexed = IndexedImage::of(&two_layers());
    for existing in ["warn", "allow", "skip"] {
        let push = |registry: &Faulty| {
            let push = indexed.push(registry).args(["--existing-index", existing]);
            pushed(push.run())["push"]["referrers"].clone()
        };
        let null = Fault::reply(list_reply("null"));
        let registry = Faulty::setup().rule(Rule::on("GET", LISTS, null)).start();
        assert_eq!(push(&registry), "api", "{existing}");
        let registry = Faulty::setup().without_referrers().start();
        let tag = indexed.fallback_tag();
        let list = format!(
            "{{\"schemaVersion\": 2, \"mediaType\": \"{OCI_INDEX}\", \"manifests\": null}}"
        );
        let digest = registry.put_manifest("app", OCI_INDEX, list);
        registry.tag("app", &tag, &digest);
        assert_eq!(push(&registry), "tag", "{existing}");
        assert_listed(&indexed, &registry);
    }
}

/// Asserts that the fallback tag lists the index of version 1.
#[track_caller]
fn assert_listed(indexed: &IndexedImage, registry: &Faulty) {
    let list = registry.manifest("app", &indexed.fallback_tag());
    let list: Value = list.expect("the fallback tag").json();
    let digests: Vec<&str> = array(&list["manifests"])
        .iter()
        .map(|entry| text(&entry["digest"]))
        .collect();
    assert_eq!(digests, [indexed.version_1()], "{}", registry.log());
}

/// E16: the header `OCI-Subject` of a registry without the referrers API is not believed, and an
/// API that does not list the index is not either.
#[test]
fn writes_the_fallback_tag_unless_the_index_is_listed() {
    let indexed = IndexedImage::of(&two_layers());
    let version_1 = format!("*/manifests/{}", indexed.version_1());
    let unknown = Fault::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    let setups: [Setup; 3] = [
        Faulty::setup()
            .without_referrers()
            .rule(Rule::on("GET", LISTS, unknown)),
        Faulty::setup().without_referrers().rule(Rule::on(
            "PUT",
            &version_1,
            Fault::header("OCI-Subject", "sha256:0"),
        )),
        Faulty::setup()
            .rule(Rule::on(
                "PUT",
                &version_1,
                Fault::edit(|_, reply| reply.without_header("OCI-Subject")),
            ))
            .rule(Rule::on("GET", LISTS, Fault::reply(list_reply("[]")))),
    ];
    for setup in setups {
        for existing in ["warn", "allow", "skip"] {
            let registry = setup.clone().start();
            let push = indexed.push(&registry).args(["--existing-index", existing]);
            assert_eq!(pushed(push.run())["push"]["referrers"], "tag");
            assert_listed(&indexed, &registry);
        }
    }
}

/// E13: a tag that cannot be set does not keep the other tags from being set.
#[test]
fn sets_the_other_tags_if_one_fails() {
    let indexed = IndexedImage::of(&two_layers());
    let immutable = Fault::error(400, "TAG_INVALID", "the tag `b` is immutable");
    for (fault, code) in [(immutable, 76), (Fault::status(500), 69)] {
        let registry = Faulty::setup()
            .rule(Rule::on("PUT", "*/manifests/b", fault))
            .start();
        let push = indexed.push(&registry).args(["--tag", "a,b,c"]);
        let (ended, document) = assert_partly_pushed(push.run(), code);
        ended.says("error: ").says("set tag `b`: ");
        let tags = ["a", "c"].map(|tag| format!("{}/app:{tag}", registry.host()));
        assert_eq!(tag_names(&document), json!(tags));
        assert_eq!(document["push"]["referrers"], "api");
        let set: Vec<String> = registry.tags("app").into_keys().collect();
        assert_eq!(set, ["a", "c", "v1"]);
        Contents::of(&registry);
    }
}

/// E9: a manifest, a tag or a list of referrers that is refused only at first is sent again.
#[test]
fn sends_again_what_is_refused_for_a_moment() {
    let indexed = IndexedImage::of(&two_layers());
    let setup = || Faulty::setup().habit(Habit::NoReferrers);
    let expected = indexed.contents_without_faults(&setup().start());
    let fallback_tag = format!("*/manifests/{}", indexed.fallback_tag());
    for glob in ["*/manifests/sha256:*", TAG, &fallback_tag] {
        for fault in [
            Fault::error(400, "MANIFEST_INVALID", "manifest invalid"),
            Fault::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            Fault::status(404),
        ] {
            let registry = setup().rule(Rule::on("PUT", glob, fault).times(2)).start();
            indexed.push(&registry).run().succeeds();
            assert_eq!(Contents::of(&registry), expected);
        }
    }
}
