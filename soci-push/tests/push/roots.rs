//! Images of which nothing is to be indexed: no images at all, and what an earlier run has made.

use serde_json::{Value, json};
use soci_testkit::{
    document::tag_names,
    faulty::{Contents, Faulty},
    image,
    store::blob_json,
};

use crate::{ANY_REGISTRY, IndexedImage, OCI_INDEX, pushed, soci_tool, text, two_layers};

/// Returns the document of an image after a run: what the tag `v1-soci` names is pulled and
/// planned, and each of its image manifests is converted already.
fn document_of_converted(indexed: &IndexedImage, host: &str) -> Value {
    let mut document: Value = serde_json::from_str(&indexed.line_for(host)).expect("JSON");
    document["image"] = format!("{host}/app:v1-soci").into();
    document["root"] = document["converted"].clone();
    document["unchanged"] = true.into();
    let converted = blob_json(&indexed.sandbox.store(), &document["converted"]["digest"]);
    let [image, soci_index] = &converted["manifests"].as_array().expect("manifests")[..] else {
        panic!("expected an image and its SOCI index: {converted}");
    };
    let entry = &mut document["manifests"][0];
    entry["descriptor"] = image.clone();
    entry["sociIndex"] = soci_index.clone();
    entry["plan"] = json!({"action": "skip", "reason": "already-converted"});
    entry.as_object_mut().expect("an object").remove("index");
    document
}

/// Removes the manifest's decision to index it.
fn skip_manifest(document: &mut Value, reason: &str) {
    let entry = &mut document["manifests"][0];
    entry["plan"] = json!({"action": "skip", "reason": reason});
    entry.as_object_mut().expect("an object").remove("index");
    document["converted"] = Value::Null;
}

/// Makes the document that of an image without a layer to index.
fn skip_layers(document: &mut Value) {
    document["manifests"][0]["index"] = Value::Null;
    document["converted"] = Value::Null;
}

#[test]
fn passes_what_is_no_image_through_without_a_tag() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let before = Contents::of(&registry);
    let host = registry.host();
    let mut document: Value = serde_json::from_str(&image.line_for(&host)).expect("JSON");
    skip_manifest(&mut document, "not-an-image");
    let elsewhere = format!("--to={host}/other:v1");
    for arguments in [&[][..], &["--tag=lazy"], &[&elsewhere]] {
        let tool = soci_tool(&image.sandbox).args(arguments);
        let finished = tool.stdin(document.to_string()).run().says("unchanged");
        let document = pushed(finished);
        assert_eq!(document["unchanged"], true);
        assert_eq!(tag_names(&document), json!([]));
        assert_eq!(document["push"]["uploaded"], 0);
    }
    assert_eq!(Contents::of(&registry), before);
    assert!(registry.tags("other").is_empty());
    assert_eq!(registry.count("PUT|POST|PATCH", "*"), 0);
}

#[test]
fn leaves_a_converted_image_as_it_is() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let before = image.contents_without_faults(&registry);
    let converted = document_of_converted(&image, &registry.host());
    registry.clear_requests();
    for arguments in [&[][..], &["--tag={tag}-soci"], &["--tag={digest}"]] {
        let tool = soci_tool(&image.sandbox).args(arguments);
        let document = pushed(tool.stdin(converted.to_string()).run());
        assert_eq!(document["unchanged"], true);
        let tag = format!("{}/app:v1-soci", registry.host());
        assert_eq!(tag_names(&document), json!([tag]));
    }
    assert_eq!(registry.requests().len(), 0, "{}", registry.log());
    // A tag that is not derived from another one is set.
    let tool = soci_tool(&image.sandbox).arg("--tag=live");
    pushed(tool.stdin(converted.to_string()).run());
    let mut after = Contents::of(&registry);
    let live = after.tags.remove("live");
    assert_eq!(live.as_deref(), converted["root"]["digest"].as_str());
    assert_eq!(after, before);
}

/// A platform is added to a converted image under its tag, unless another run has moved the tag.
#[test]
fn does_not_move_back_a_tag_to_which_it_adds_a_platform() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let line = image.line_for(&registry.host());
    let mut document: Value = serde_json::from_str(&line).expect("JSON");
    let mut other = document["manifests"][0].clone();
    other["sociIndex"] = other["descriptor"].clone();
    other["plan"] = json!({"action": "skip", "reason": "already-converted"});
    other.as_object_mut().expect("an object").remove("index");
    let manifests = document["manifests"].as_array_mut().expect("manifests");
    manifests.push(other);
    let push = || soci_tool(&image.sandbox).stdin(document.to_string()).run();
    let elsewhere = registry.put_manifest("app", OCI_INDEX, "{}");
    registry.tag("app", "v1", &elsewhere);
    let finished = push().ends_with(75).says("cannot set the tag `v1`");
    finished.says(&elsewhere).says("run the tools again");
    assert_eq!(registry.tags("app")["v1"], elsewhere);
    registry.tag("app", "v1", text(&document["root"]["digest"]));
    pushed(push());
    let converted = text(&document["converted"]["digest"]);
    assert_eq!(registry.tags("app")["v1"], converted);
    assert_eq!(registry.tags("app").len(), 1, "no other tag is made");
    pushed(push());
}

#[test]
fn copies_a_converted_image_with_its_soci_indexes() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.contents_without_faults(&registry);
    let converted = document_of_converted(&image, &registry.host());
    let mirror = Faulty::start();
    let to = format!("--to={}/app", mirror.host());
    let tool = || {
        soci_tool(&image.sandbox)
            .arg(&to)
            .stdin(converted.to_string())
    };
    let document = pushed(tool().run());
    let tag = format!("{}/app:v1-soci", mirror.host());
    assert_eq!(tag_names(&document), json!([tag]));
    assert!(mirror.broken("app", "v1-soci").is_empty());
    let contents = Contents::of(&mirror);
    assert_eq!(contents.tags["v1-soci"], text(&converted["root"]["digest"]));
    // A single manifest takes its SOCI index along, although no index lists it.
    let mut single = converted.clone();
    single["root"] = converted["manifests"][0]["descriptor"].clone();
    single["converted"] = single["root"].clone();
    let other = format!("--to={}/other:v1", mirror.host());
    let tool = soci_tool(&image.sandbox).arg(&other);
    pushed(tool.stdin(single.to_string()).run());
    let soci_index = text(&converted["manifests"][0]["sociIndex"]["digest"]);
    assert!(mirror.manifest("other", soci_index).is_some());
    assert!(mirror.broken("other", soci_index).is_empty());
}

#[test]
fn does_not_tag_an_image_without_layers_to_index_twice() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let line = image.line_for(&registry.host());
    let mut document: Value = serde_json::from_str(&line).expect("JSON");
    skip_layers(&mut document);
    let push = |document: &Value, tags: &str| {
        let tool = soci_tool(&image.sandbox).env("SOCI_TAG", tags);
        pushed(tool.stdin(document.to_string()).run())
    };
    let tags = "{tag}-soci,{tag}-soci-{arch}";
    push(&document, tags);
    let expected = ["v1", "v1-soci", "v1-soci-amd64"];
    let names = || registry.tags("app").into_keys().collect::<Vec<_>>();
    assert_eq!(names(), expected);
    for tag in &expected[1..] {
        document["image"] = format!("{}/app:{tag}", registry.host()).into();
        let document = push(&document, tags);
        assert_eq!(document["unchanged"], true);
        let kept = format!("{}/app:{tag}", registry.host());
        assert_eq!(tag_names(&document), json!([kept]));
        assert_eq!(names(), expected);
    }
    // A tag that only looks like a derived one is that of an image of the user.
    let digest = &registry.tags("app")["v1"];
    registry.tag("app", "mine-soci", digest);
    document["image"] = format!("{}/app:mine-soci", registry.host()).into();
    push(&document, "{tag}-soci");
    assert!(names().contains(&"mine-soci-soci".to_owned()));
}

/// Nested image indexes are pushed before the root that lists them.
#[test]
fn pushes_nested_indexes_of_the_converted_image() {
    let indexed = IndexedImage::of(&two_layers());
    let mut document: Value = serde_json::from_str(&indexed.line).expect("JSON");
    let store = indexed.sandbox.store();
    let inner = document["converted"].clone();
    let outer = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [inner]});
    let outer = outer.to_string();
    let digest = image::digest(outer.as_bytes());
    let path = store.join("blobs").join(digest.replace(':', "/"));
    std::fs::write(path, &outer).expect("a store");
    document["converted"] = json!({"mediaType": OCI_INDEX, "digest": digest, "size": outer.len()});
    let registry = Faulty::start();
    indexed.publish(&registry);
    let line = document.to_string().replace(ANY_REGISTRY, &registry.host());
    for to in ["app", "other"] {
        let to = format!("--to={}/{to}", registry.host());
        pushed(
            soci_tool(&indexed.sandbox)
                .arg(to)
                .stdin(line.clone())
                .run(),
        );
    }
    for name in ["app", "other"] {
        assert_eq!(registry.tags(name)["v1-soci"], digest);
        assert!(registry.broken(name, "v1-soci").is_empty(), "{name}");
    }
}
