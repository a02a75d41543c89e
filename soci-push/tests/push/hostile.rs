//! Answers of a registry that are meant to cost time, memory or requests. Each push runs with 256
//! MiB of memory or less, as every tool does in these tests.

use std::time::Duration;

use serde_json::{Value, json};
use soci_testkit::{
    faulty::{Fault, Faulty, Reply, Request, Rule},
    image::digest,
    process::Finished,
};

use crate::{
    IndexedImage, OCI_INDEX, OCI_MANIFEST, assert_partly_pushed, assert_push_fails, two_layers,
};

const LISTS: &str = "*/referrers/*";
const UPLOADS: &str = "*/blobs/uploads/*";
const SOCI_V1: &str = "application/vnd.amazon.soci.index.v1+json";

/// The memory in bytes that a push needs at most for any list of the registry.
const MEMORY: u64 = 96 << 20;

/// Returns an entry of a list.
fn entry(seed: usize, artifact_type: &str) -> Value {
    json!({"mediaType": OCI_MANIFEST, "digest": digest(&seed.to_le_bytes()), "size": 1,
        "artifactType": artifact_type})
}

/// Returns a page with these entries, which names `next` as the page after it.
fn page(entries: &[Value], next: &str) -> Reply {
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    Reply::new(200)
        .header("Content-Type", OCI_INDEX)
        .header("Link", format!("<?n={next}>; rel=\"next\""))
        .body(list.to_string())
}

/// Returns the number of the page that a request is for: 0 for the first one.
fn page_number(request: &Request) -> usize {
    let target = request.target();
    let number = target.rsplit_once("?n=").map(|(_, number)| number);
    number.map_or(0, |number| number.parse().expect("a number"))
}

/// Pushes to a registry whose lists of referrers have this fault. The tags are set nevertheless.
#[track_caller]
fn push_with_lists(fault: Fault, code: i32) -> (Faulty, Finished) {
    let indexed = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    registry.fault("GET", LISTS, fault);
    let push = indexed.push(&registry).memory(MEMORY);
    let ended = push.env("SOCI_IDLE_TIMEOUT", "0.5").run();
    let (ended, document) = assert_partly_pushed(ended, code);
    assert!(registry.tags("app").contains_key("v1-soci"), "{document}");
    (registry, ended)
}

/// J16: a list of referrers is judged page by page, and is not read beyond 32 MiB.
#[test]
fn reads_no_list_of_referrers_beyond_its_limit() {
    // 2 MB of referrers of another type on each of 100 pages.
    let pages = Fault::edit(|request, _| {
        let number = page_number(request);
        let entries: Vec<Value> = (0..10_000)
            .map(|seed| entry(number * 10_000 + seed, "application/x"))
            .collect();
        page(&entries, &(number + 1).to_string())
    });
    let (registry, ended) = push_with_lists(pages, 76);
    ended.says("more than 33554432 bytes in the list of referrers");
    let sent = registry.bytes_sent("GET", LISTS);
    assert!(sent < 36 << 20, "{sent}");
}

/// J16: a list of more indexes than are kept is an error.
#[test]
fn refuses_a_list_of_thousands_of_indexes() {
    let many = Fault::edit(|request, _| {
        let number = page_number(request);
        let entries: Vec<Value> = (0..100)
            .map(|seed| entry(number * 100 + seed, SOCI_V1))
            .collect();
        page(&entries, &(number + 1).to_string())
    });
    let (registry, ended) = push_with_lists(many, 76);
    ended.says("more than 1000 referrers of one type");
    assert_eq!(registry.count("GET", LISTS), 11);
}

/// J16: pages that lead back to an earlier one, or that are the same for ever, are noticed.
#[test]
fn notices_pages_that_do_not_end() {
    let back = "its pages lead back to one that was read before";
    let same = |next: fn(usize) -> usize| {
        Fault::edit(move |request, _| {
            let next = next(page_number(request));
            page(
                &[entry(1, "application/x"), entry(2, "application/x")],
                &next.to_string(),
            )
        })
    };
    let (registry, ended) = push_with_lists(same(|_| 1), 76);
    ended.says(back);
    assert_eq!(registry.count("GET", LISTS), 2);
    let (registry, ended) = push_with_lists(same(|number| number + 1), 76);
    ended.says(back);
    assert_eq!(registry.count("GET", LISTS), 2);
    let empty = Fault::edit(|request, _| page(&[], &(page_number(request) + 1).to_string()));
    let (registry, ended) = push_with_lists(empty, 76);
    ended.says("more than 100 pages of referrers");
    assert_eq!(registry.count("GET", LISTS), 100);
}

/// C7, J8: a list that trickles, is nested deep or is no list, ends the listing.
#[test]
fn gives_up_on_lists_that_trickle_or_are_nested_deep() {
    let list = || Reply::new(200).header("Content-Type", OCI_INDEX);
    let slow = list()
        .body_of(b' ', 1 << 20)
        .drip(1, Duration::from_millis(50));
    let (registry, ended) = push_with_lists(Fault::reply(slow), 69);
    ended.says("slower than 1 KiB/s");
    assert!(registry.count("GET", LISTS) <= 6);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [deep.clone(), format!(r#"{{"manifests":{{"x":{deep}}}}}"#)] {
        push_with_lists(Fault::reply(list().body(body)), 76)
            .1
            .says("malformed");
    }
}

/// J16: a fallback tag of millions of values takes little more memory than its bytes, and keeps
/// them.
#[test]
fn adds_to_a_fallback_tag_of_millions_of_values() {
    let indexed = IndexedImage::of(&two_layers());
    let registry = Faulty::setup().without_referrers().start();
    let values = "0,".repeat((4 << 20) / 2 - 1000);
    let list =
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{values}1]}}"#);
    let digest = registry.put_manifest("app", OCI_INDEX, list);
    let tag = indexed.fallback_tag();
    registry.tag("app", &tag, &digest);
    indexed.push(&registry).memory(MEMORY).run().succeeds();
    let written = registry.manifest("app", &tag).expect("the tag");
    let text = String::from_utf8(written.bytes().to_vec()).expect("text");
    assert!(text.contains("0,0,1,{") && text.contains(&indexed.version_1()));
}

/// J16: a list under the fallback tag that names a deleted manifest among thousands is not looked
/// through.
#[test]
fn looks_up_no_thousands_of_referrers() {
    let indexed = IndexedImage::of(&two_layers());
    let entries: Vec<Value> = (0..5000).map(|seed| entry(seed, "application/x")).collect();
    let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    let registry = Faulty::setup().without_referrers().start();
    let digest = registry.put_manifest("app", OCI_INDEX, list.to_string());
    let tag = indexed.fallback_tag();
    registry.tag("app", &tag, &digest);
    let unknown = Fault::error(404, "MANIFEST_BLOB_UNKNOWN", "manifest unknown");
    registry.fault("PUT", &format!("*/manifests/{tag}"), unknown);
    let (ended, _) = assert_partly_pushed(indexed.push(&registry).run(), 76);
    ended.says("more than 1000 referrers under the fallback tag");
    assert!(registry.requests().len() < 100, "{}", registry.log());
}

/// C15: answers to uploads are not read, however long they are, and their heads are bounded.
#[test]
fn reads_no_answers_to_uploads() {
    let indexed = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let endless = Fault::edit(|_, reply| reply.endless(b'x'));
    registry.rule(Rule::on("PUT|POST", UPLOADS, endless.clone()));
    registry.rule(Rule::on("PUT", "*/manifests/*", endless));
    indexed.push(&registry).run().succeeds();
    let registry = Faulty::start();
    let location = format!("/v2/app/blobs/uploads/{}", "x".repeat(100_000));
    registry.fault("POST", UPLOADS, Fault::header("Location", location));
    let ended = assert_push_fails(indexed.push(&registry).run(), 76);
    ended.says("more than 65536 bytes of header fields");
    assert_eq!(registry.count("PUT", "*"), 0);
}
