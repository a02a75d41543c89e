//! Documents that are not indexed, or that name something else than the store holds.

use serde_json::{Value, json};
use soci_testkit::{image, process::Sandbox, store::files_below};

use crate::{IndexedImage, every_tool::Prepared, soci_tool, two_layers};

#[test]
fn asks_for_an_indexed_document() {
    let prepared = Prepared::new();
    let mut planned = prepared.document();
    for entry in planned["manifests"].as_array_mut().expect("manifests") {
        entry.as_object_mut().expect("an object").remove("index");
    }
    let finished = prepared.assert_rejected(planned.to_string());
    finished.says("soci-index");
    planned.as_object_mut().expect("an object").remove("plan");
    let finished = prepared.assert_rejected(planned.to_string());
    finished.says("soci-index");
}

/// F10: an index that is not in the store is not pushed.
#[test]
fn pushes_nothing_from_another_store() {
    let image = IndexedImage::of(&two_layers());
    let line = image.line.replace("registry.invalid/app:v1", "oci:image");
    let before = files_below(&image.layout());
    let tool = soci_tool(&image.sandbox).arg("--store=elsewhere");
    let finished = tool.stdin(line).run().ends_with(80);
    let finished = finished.says("push from the store in which the index was built");
    finished.writes_only_its_failure();
    assert_eq!(files_below(&image.layout()), before);
}

/// H7: an index or image whose digest in the document is another one is not pushed.
#[test]
fn rejects_digests_that_are_not_of_an_index() {
    let prepared = Prepared::new();
    let document = prepared.document();
    let root = document["root"]["digest"].clone();
    let absent = json!(image::digest(b"nowhere"));
    for pointer in ["/converted/digest", "/manifests/0/index/v2/digest"] {
        for (digest, code) in [(&root, 65), (&absent, 80)] {
            let mut edited = document.clone();
            *edited.pointer_mut(pointer).expect("a digest") = digest.clone();
            let finished = prepared.tool().stdin(edited.to_string()).run();
            let digest = digest.as_str().expect("text");
            let finished = finished.ends_with(code).says(digest);
            finished.writes_only_its_failure();
        }
    }
    assert_eq!(prepared.registry.count("PUT|POST|PATCH", "*"), 0);
}

/// H7: the indexes in the store decide what is pushed, and not what the document says about their
/// content.
#[test]
fn pushes_what_the_store_says() {
    let prepared = Prepared::new();
    let document = prepared.document();
    let absent = json!(image::digest(b"nowhere"));
    let mut edited = document.clone();
    for pointer in [
        "/manifests/0/config/digest",
        "/manifests/0/layers/0/ztoc/digest",
    ] {
        *edited.pointer_mut(pointer).expect("a digest") = absent.clone();
    }
    for line in [&edited, &document] {
        prepared.tool().stdin(line.to_string()).run().succeeds();
        let pushed = prepared.registry.manifest("app", "v1-soci");
        let digest = image::digest(pushed.expect("the tag").bytes());
        assert_eq!(json!(digest), document["converted"]["digest"]);
    }
    let stored = prepared.registry.digests();
    assert!(!stored.contains(absent.as_str().expect("text")));
    for pointer in [
        "/manifests/0/index/v2/digest",
        "/manifests/0/layers/0/ztoc/digest",
    ] {
        let digest = document.pointer(pointer).and_then(Value::as_str);
        assert!(stored.contains(digest.expect("a digest")), "{pointer}");
    }
}

#[test]
fn pushes_several_documents_in_their_order() {
    let prepared = Prepared::new();
    let mut other = prepared.document();
    other["mine"] = json!(2);
    let lines = format!("{}\n  \n{other}\n", prepared.document());
    let finished = prepared.tool().stdin(lines).run().succeeds();
    let documents = finished.documents();
    let mine: Vec<&Value> = documents.iter().map(|document| &document["mine"]).collect();
    assert_eq!(mine, [&Value::Null, &json!(2)]);
}

/// Fields of the user beside those of an earlier push stay as they are, byte for byte, when the
/// image is pushed again.
#[test]
fn keeps_fields_of_the_user_in_an_earlier_push() {
    let prepared = Prepared::new();
    let push = |line: String| {
        let finished = prepared.tool().stdin(line).run().succeeds();
        finished.text().trim_end().to_owned()
    };
    let first = push(prepared.document().to_string());
    let mine = r#""mine":[12345678901234567890123,4.19e36,1.10,{"\u00e9":-0}]"#;
    let mut edited = first.clone();
    for begin in [r#""push":{"#, r#""tags":[{"#, r#""indexes":[{"#] {
        assert!(edited.contains(begin), "{begin} in {edited}");
        edited = edited.replacen(begin, &format!("{begin}{mine},"), 1);
    }
    for dry_run in ["false", "true"] {
        let tool = prepared.tool().env("SOCI_DRY_RUN", dry_run);
        let finished = tool.stdin(edited.clone()).run().succeeds();
        let second = finished.text();
        assert_eq!(second.matches(mine).count(), 3, "{second}");
        let document: Value = serde_json::from_str(second).expect("JSON");
        let own = document["push"]["dryRun"].as_bool().unwrap_or_default();
        assert_eq!(own.to_string(), dry_run, "{document}");
    }
}

#[test]
fn rejects_bad_values_of_options() {
    let sandbox = Sandbox::new();
    let tool = |arguments: [&str; 2]| soci_tool(&sandbox).args(arguments).run();
    tool(["--existing-index", "x"]).ends_with(2).says("skip");
    tool(["--max-concurrent-uploads", "0"]).ends_with(2);
    assert!(!sandbox.store().exists(), "a usage error makes no store");
}
