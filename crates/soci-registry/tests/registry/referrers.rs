//! Lists of referrers: from the referrers API and under the fallback tag.

use std::sync::Mutex;

use serde_json::{Value, json};
use soci_document::ReferrersVia;
use soci_document::{Classify as _, Exit};
use soci_oci::{Descriptor, Digest, media_type};
use soci_registry::RegistryError;

use crate::fake::{Fake, Reply};
use crate::{path, repository};

const TYPE: &str = media_type::SOCI_INDEX_V1;

/// Returns the descriptor of a manifest with these bytes, as JSON.
fn entry(content: &str, artifact_type: &str) -> Value {
    let mut descriptor = Descriptor::of(media_type::OCI_MANIFEST, content.as_bytes());
    descriptor.artifact_type = Some(artifact_type.to_owned());
    serde_json::to_value(descriptor).expect("JSON")
}

/// Returns the reply with an index of these entries.
fn list_reply(entries: &[Value]) -> Reply {
    let list =
        json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
    Reply::new(200)
        .header("Content-Type", media_type::OCI_INDEX)
        .body(list.to_string())
}

fn subject() -> Digest {
    Digest::of(b"subject")
}

/// Returns the URL path of the fallback tag.
fn tag_path() -> String {
    path(&format!("manifests/sha256-{}", subject().hex()))
}

#[tokio::test]
async fn reads_all_pages_of_the_api() {
    let fake = Fake::start(|seen, _| {
        if seen.target.contains("page=2") {
            return list_reply(&[entry("c", TYPE), json!({"digest": "sha512:00"})]);
        }
        list_reply(&[entry("a", TYPE), entry("b", "other")])
            .header("Link", r#"<?page=2>; rel="next""#)
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
async fn stops_at_a_page_of_another_origin_and_after_100_pages() {
    for link in ["<http://127.0.0.2:1/x>; rel=next", "<?again>; rel=next"] {
        let fake = Fake::start(move |_, _| list_reply(&[]).header("Link", link));
        let error = repository(&fake).list_referrers(subject(), TYPE).await;
        let error = error.expect_err("an error");
        assert_eq!(error.exit(), Exit::Protocol, "{error}");
        assert!(fake.seen().len() <= 100);
    }
}

#[tokio::test]
async fn reads_the_fallback_tag_if_there_is_no_api() {
    for unsupported in [
        Reply::new(404).body("404 page not found"),
        Reply::new(200)
            .header("Content-Type", "text/html")
            .body("<html>"),
        Reply::error(405, "UNSUPPORTED"),
    ] {
        let fake = Fake::start(move |seen, _| {
            if seen.target == tag_path() {
                return list_reply(&[entry("a", TYPE), entry("b", "other")]);
            }
            unsupported.clone()
        });
        let repository = repository(&fake);
        for _ in 0..2 {
            let found = repository
                .list_referrers(subject(), TYPE)
                .await
                .expect("a list");
            assert_eq!(found.via, ReferrersVia::Tag);
            assert_eq!(found.descriptors[0].digest, Digest::of(b"a"));
            assert_eq!(found.descriptors.len(), 1);
        }
        assert_eq!(fake.seen().len(), 3, "one request to the API");
    }
}

#[tokio::test]
async fn distinguishes_a_missing_list_from_a_missing_repository() {
    let fake = Fake::start(|_, _| Reply::error(404, "MANIFEST_UNKNOWN"));
    let found = repository(&fake).list_referrers(subject(), TYPE).await;
    assert_eq!(found.expect("an answer").via, ReferrersVia::None);
    let fake = Fake::start(|_, _| Reply::error(404, "NAME_UNKNOWN"));
    let error = repository(&fake).list_referrers(subject(), TYPE).await;
    let error = error.expect_err("an error");
    assert_eq!(error.exit(), Exit::NotFound);
    assert!(error.hint().is_some());
}

/// Starts a registry without the referrers API, with one tag, which holds `stored`. Another client
/// overwrites each of the first `lost` writes.
fn start_tag_store(stored: Option<Value>, lost: usize) -> Fake {
    let stored = Mutex::new(stored);
    Fake::start(move |seen, before| {
        let mut stored = stored.lock().expect("the tag");
        match (seen.method.as_str(), &*stored) {
            ("PUT", _) => {
                let mut written: Value = serde_json::from_slice(&seen.body).expect("JSON");
                if before < lost {
                    written["manifests"] = json!([entry("theirs", "other")]);
                }
                *stored = Some(written);
                Reply::new(201)
            }
            (_, None) => Reply::error(404, "MANIFEST_UNKNOWN"),
            _ if seen.target.contains("/referrers/") => Reply::new(404),
            (_, Some(index)) => Reply::new(200)
                .header("Content-Type", media_type::OCI_INDEX)
                .body(index.to_string()),
        }
    })
}

fn referrer() -> Descriptor {
    serde_json::from_value(entry("ours", TYPE)).expect("a descriptor")
}

/// Adds [`referrer`] to the fallback tag.
async fn add_referrer(fake: &Fake) -> Result<(), RegistryError> {
    repository(fake)
        .add_to_referrers_tag(subject(), referrer(), None)
        .await
}

/// Returns the body of the last `PUT` request.
fn last_write(fake: &Fake) -> Value {
    let seen = fake.seen();
    let put = seen.iter().rfind(|seen| seen.method == "PUT");
    serde_json::from_slice(&put.expect("a write").body).expect("JSON")
}

#[tokio::test]
async fn creates_the_tag_once() {
    let fake = start_tag_store(None, 0);
    let repository = repository(&fake);
    for _ in 0..2 {
        let added = repository
            .add_to_referrers_tag(subject(), referrer(), None)
            .await;
        added.expect("an entry");
    }
    let expected = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_INDEX,
        "manifests": [entry("ours", TYPE)],
    });
    assert_eq!(last_write(&fake), expected);
    assert_eq!(fake.count("PUT", &tag_path()), 1);
}

#[tokio::test]
async fn a_tag_that_was_just_read_is_not_read_again_before_it_is_written() {
    let fake = start_tag_store(Some(json!({"manifests": [entry("theirs", TYPE)]})), 0);
    let repository = repository(&fake);
    let listed = repository.list_referrers(subject(), TYPE).await;
    let listed = listed.expect("a list");
    assert!(listed.tag.is_some());
    let reads = fake.count("GET", &tag_path());
    let added = repository.add_to_referrers_tag(subject(), referrer(), listed.tag);
    added.await.expect("an entry");
    assert_eq!(
        last_write(&fake)["manifests"],
        json!([entry("theirs", TYPE), entry("ours", TYPE)])
    );
    assert_eq!(fake.count("GET", &tag_path()), reads + 1);
}

/// The tag was written after it was listed, which shows after the write.
#[tokio::test]
async fn a_tag_that_was_read_before_another_client_wrote_it_is_merged() {
    let fake = start_tag_store(None, 1);
    let repository = repository(&fake);
    let listed = repository.list_referrers(subject(), TYPE).await;
    let added = repository.add_to_referrers_tag(subject(), referrer(), listed.expect("a list").tag);
    added.await.expect("an entry");
    let expected = json!([entry("theirs", "other"), entry("ours", TYPE)]);
    assert_eq!(last_write(&fake)["manifests"], expected);
}

#[tokio::test]
async fn keeps_entries_and_fields_of_other_clients() {
    let foreign = json!({"digest": "blake3:00", "size": -1, "x": [1]});
    let before = json!({"mediaType": media_type::OCI_INDEX, "y": 1, "manifests": [foreign]});
    let fake = start_tag_store(Some(before), 0);
    let added = add_referrer(&fake).await;
    added.expect("an entry");
    let written = last_write(&fake);
    assert_eq!(written["manifests"], json!([foreign, entry("ours", TYPE)]));
    assert_eq!(written["y"], json!(1));
}

#[tokio::test]
async fn merges_with_concurrent_writes_and_gives_up_after_five() {
    let fake = start_tag_store(None, 2);
    let added = add_referrer(&fake).await;
    added.expect("an entry");
    let expected = json!([entry("theirs", "other"), entry("ours", TYPE)]);
    assert_eq!(last_write(&fake)["manifests"], expected);
    let fake = start_tag_store(None, usize::MAX);
    let added = add_referrer(&fake).await;
    assert_eq!(added.expect_err("an error").exit(), Exit::TryAgain);
    assert_eq!(fake.count("PUT", &tag_path()), 5);
}

#[tokio::test]
async fn does_not_overwrite_a_tag_that_is_not_a_list() {
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
        let added = add_referrer(&fake).await;
        assert_eq!(added.expect_err("an error").exit(), Exit::Protocol);
        assert_eq!(fake.count("PUT", &tag_path()), 0);
    }
}

#[tokio::test]
async fn writes_only_if_the_tag_has_not_changed() {
    let fake = Fake::start(|seen, before| match (seen.method.as_str(), before) {
        ("PUT", 0) => Reply::error(412, "PRECONDITION_FAILED"),
        ("PUT", _) => Reply::new(201),
        (_, 0) => Reply::error(404, "MANIFEST_UNKNOWN"),
        (_, 1) => list_reply(&[entry("theirs", TYPE)]).header("ETag", "\"1\""),
        _ => list_reply(&[entry("theirs", TYPE), entry("ours", TYPE)]).header("ETag", "\"2\""),
    });
    add_referrer(&fake).await.expect("an entry");
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
async fn reports_an_immutable_tag_after_one_write() {
    let fake = Fake::start(|seen, _| match seen.method.as_str() {
        "PUT" => Reply::error(412, "PRECONDITION"),
        _ => list_reply(&[entry("theirs", TYPE)]),
    });
    let added = add_referrer(&fake).await;
    assert_eq!(added.expect_err("an error").exit(), Exit::Protocol);
    assert_eq!(fake.count("PUT", &tag_path()), 1);
}
