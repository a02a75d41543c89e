//! Lists of referrers: from the API, and under a tag.

use std::sync::Mutex;

use serde_json::{Value, json};
use soci_document::Classify as _;
use soci_document::ReferrersVia;
use soci_oci::{Descriptor, Digest, media_type};
use soci_registry::{ErrorClass, RegistryError};

use crate::fake::{Fake, Reply};
use crate::{path, repository};

const TYPE: &str = media_type::SOCI_INDEX_V1;

fn entry(content: &str, artifact_type: &str) -> Value {
    let mut descriptor = Descriptor::of(media_type::OCI_MANIFEST, content.as_bytes());
    descriptor.artifact_type = Some(artifact_type.to_owned());
    serde_json::to_value(descriptor).expect("JSON")
}

fn list(entries: &[Value]) -> Reply {
    let list =
        json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
    Reply::new(200)
        .header("Content-Type", media_type::OCI_INDEX)
        .body(list.to_string())
}

fn subject() -> Digest {
    Digest::of(b"subject")
}

fn tag() -> String {
    path(&format!("manifests/sha256-{}", subject().hex()))
}

#[tokio::test]
async fn lists_all_pages_of_the_api() {
    let fake = Fake::start(|seen, _| {
        if seen.target.contains("page=2") {
            return list(&[entry("c", TYPE), json!({"digest": "sha512:00"})]);
        }
        list(&[entry("a", TYPE), entry("b", "other")]).header("Link", r#"<?page=2>; rel="next""#)
    });
    let found = repository(&fake).list_referrers(subject(), TYPE).await;
    let found = found.expect("a list");
    assert_eq!(found.via, ReferrersVia::Api);
    let digests: Vec<_> = found.descriptors.iter().map(|found| found.digest).collect();
    assert_eq!(digests, [Digest::of(b"a"), Digest::of(b"c")]);
    let first = &fake.seen()[0].target;
    let kind = "application%2Fvnd.amazon.soci.index.v1%2Bjson";
    let expected = path(&format!("referrers/{}?artifactType={kind}", subject()));
    assert_eq!(*first, expected);
}

#[tokio::test]
async fn reads_no_page_of_another_host_and_no_endless_list() {
    for link in ["<http://127.0.0.2:1/x>; rel=next", "<?again>; rel=next"] {
        let fake = Fake::start(move |_, _| list(&[]).header("Link", link));
        let error = repository(&fake).list_referrers(subject(), TYPE).await;
        let error = error.expect_err("a refusal");
        assert_eq!(error.class(), ErrorClass::Protocol, "{error}");
        assert!(fake.seen().len() <= 100);
    }
}

#[tokio::test]
async fn falls_back_to_the_tag() {
    for unsupported in [
        Reply::new(404).body("404 page not found"),
        Reply::new(200)
            .header("Content-Type", "text/html")
            .body("<html>"),
        Reply::error(405, "UNSUPPORTED"),
    ] {
        let fake = Fake::start(move |seen, _| {
            if seen.target == tag() {
                return list(&[entry("a", TYPE), entry("b", "other")]);
            }
            unsupported.clone()
        });
        let repository = repository(&fake);
        for _ in 0..2 {
            let found = repository
                .list_referrers(subject(), TYPE)
                .await
                .expect("one");
            assert_eq!(found.via, ReferrersVia::Tag);
            assert_eq!(found.descriptors[0].digest, Digest::of(b"a"));
            assert_eq!(found.descriptors.len(), 1);
        }
        assert_eq!(fake.seen().len(), 3, "the API is asked once");
    }
}

#[tokio::test]
async fn tells_no_list_from_no_repository() {
    let fake = Fake::start(|_, _| Reply::error(404, "MANIFEST_UNKNOWN"));
    let found = repository(&fake).list_referrers(subject(), TYPE).await;
    assert_eq!(found.expect("an answer").via, ReferrersVia::None);
    let fake = Fake::start(|_, _| Reply::error(404, "NAME_UNKNOWN"));
    let error = repository(&fake).list_referrers(subject(), TYPE).await;
    let error = error.expect_err("no repository");
    assert_eq!(error.class(), ErrorClass::NotFound);
    assert!(error.hint().is_some());
}

/// A registry that keeps one tag. The first `lost` writes are overwritten by somebody else.
fn keeper(before: Option<Value>, lost: usize) -> Fake {
    let kept = Mutex::new(before);
    Fake::start(move |seen, before| {
        let mut kept = kept.lock().expect("the tag");
        match (seen.method.as_str(), &*kept) {
            ("PUT", _) => {
                let mut written: Value = serde_json::from_slice(&seen.body).expect("JSON");
                if before < lost {
                    written["manifests"] = json!([entry("theirs", "other")]);
                }
                *kept = Some(written);
                Reply::new(201)
            }
            (_, None) => Reply::error(404, "MANIFEST_UNKNOWN"),
            (_, Some(index)) => Reply::new(200)
                .header("Content-Type", media_type::OCI_INDEX)
                .body(index.to_string()),
        }
    })
}

fn referrer() -> Descriptor {
    serde_json::from_value(entry("ours", TYPE)).expect("a descriptor")
}

async fn add(fake: &Fake) -> Result<(), RegistryError> {
    repository(fake)
        .add_to_referrers_tag(subject(), referrer())
        .await
}

fn last_write(fake: &Fake) -> Value {
    let seen = fake.seen();
    let put = seen.iter().rfind(|seen| seen.method == "PUT");
    serde_json::from_slice(&put.expect("a write").body).expect("JSON")
}

#[tokio::test]
async fn writes_the_tag_that_nobody_has_written() {
    let fake = keeper(None, 0);
    let repository = repository(&fake);
    for _ in 0..2 {
        let added = repository.add_to_referrers_tag(subject(), referrer()).await;
        added.expect("an entry");
    }
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_INDEX,
        "manifests": [entry("ours", TYPE)],
    });
    assert_eq!(last_write(&fake), expected);
    assert_eq!(fake.count("PUT", &tag()), 1);
}

#[tokio::test]
async fn keeps_the_entries_of_others() {
    let strange = json!({"digest": "blake3:00", "size": -1, "x": [1]});
    let before = json!({"mediaType": media_type::OCI_INDEX, "y": 1, "manifests": [strange]});
    let fake = keeper(Some(before), 0);
    let added = add(&fake).await;
    added.expect("an entry");
    let written = last_write(&fake);
    assert_eq!(written["manifests"], json!([strange, entry("ours", TYPE)]));
    assert_eq!(written["y"], json!(1));
}

#[tokio::test]
async fn merges_with_those_who_write_at_the_same_time() {
    let fake = keeper(None, 2);
    let added = add(&fake).await;
    added.expect("an entry");
    let expected = json!([entry("theirs", "other"), entry("ours", TYPE)]);
    assert_eq!(last_write(&fake)["manifests"], expected);
    let fake = keeper(None, usize::MAX);
    let added = add(&fake).await;
    assert_eq!(added.expect_err("a loss").class(), ErrorClass::Throttled);
    assert_eq!(fake.count("PUT", &tag()), 5);
}

#[tokio::test]
async fn does_not_touch_what_is_no_list() {
    let too_large = format!("{{\"x\": \"{}\"}}", "y".repeat(5 << 20));
    for (media_type, content) in [
        (media_type::OCI_MANIFEST, "{}"),
        (media_type::OCI_INDEX, "nothing"),
        (media_type::OCI_INDEX, r#"{"manifests": 1}"#),
        (media_type::OCI_INDEX, &too_large),
    ] {
        let content = content.to_owned();
        let fake = Fake::start(move |_, _| {
            Reply::new(200)
                .header("Content-Type", media_type)
                .body(content.clone())
        });
        let added = add(&fake).await;
        assert_eq!(added.expect_err("no list").class(), ErrorClass::Protocol);
        assert_eq!(fake.count("PUT", &tag()), 0);
    }
}

#[tokio::test]
async fn writes_over_nothing_but_what_it_has_read() {
    let fake = Fake::start(|seen, before| match (seen.method.as_str(), before) {
        ("PUT", 0) => Reply::error(412, "PRECONDITION_FAILED"),
        ("PUT", _) => Reply::new(201),
        (_, 0) => Reply::error(404, "MANIFEST_UNKNOWN"),
        (_, 1) => list(&[entry("theirs", TYPE)]).header("ETag", "\"1\""),
        _ => list(&[entry("theirs", TYPE), entry("ours", TYPE)]).header("ETag", "\"2\""),
    });
    add(&fake).await.expect("an entry");
    let seen = fake.seen();
    let puts: Vec<_> = seen.iter().filter(|seen| seen.method == "PUT").collect();
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0].header("if-none-match"), Some("*"));
    assert_eq!(puts[1].header("if-match"), Some("\"1\""));
    assert_eq!(
        last_write(&fake)["manifests"],
        json!([entry("theirs", TYPE), entry("ours", TYPE)])
    );
}

#[tokio::test]
async fn takes_no_immutable_tag_for_one_that_others_change() {
    let fake = Fake::start(|seen, _| match seen.method.as_str() {
        "PUT" => Reply::error(412, "PRECONDITION"),
        _ => list(&[entry("theirs", TYPE)]),
    });
    let added = add(&fake).await;
    assert_eq!(added.expect_err("a refusal").class(), ErrorClass::Protocol);
    assert_eq!(fake.count("PUT", &tag()), 1);
}
