//! Where the images of a run are pushed: tags in the destination, and images that would replace
//! each other.

use serde_json::{Value, json};
use soci_testkit::{document::tag_names, faulty::Faulty};

use crate::{IndexedImage, pushed, two_layers};

/// Returns the lines for `images` such as `app:v1`, which all have the content of `image`, and puts
/// them into the registry.
fn several(image: &IndexedImage, registry: &Faulty, images: &[&str]) -> String {
    let line = |name: &&str| {
        registry.push(&image.layout(), name);
        let mut document = image.document();
        document["image"] = json!(format!("{}/{name}", registry.host()));
        document.to_string() + "\n"
    };
    images.iter().map(line).collect()
}

#[test]
fn fills_in_the_tag_of_the_destination() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let lines = several(&image, &registry, &["app:v1", "app:v2"]);
    let to = format!("{}/copy:{{tag}}-{{arch}}", registry.host());
    let push = image.push(&registry).args(["--to", &to]).stdin(lines);
    let documents = push.run().succeeds().documents();
    for (document, tag) in documents.iter().zip(["v1-amd64", "v2-amd64"]) {
        let full = format!("{}/copy:{tag}", registry.host());
        assert_eq!(tag_names(document), json!([full]));
    }
    let tags: Vec<String> = registry.tags("copy").into_keys().collect();
    assert_eq!(tags, ["v1-amd64", "v2-amd64"]);
}

/// The second of two images with one destination is refused before anything of it is pushed.
#[test]
fn refuses_a_second_image_for_the_same_tag() {
    let image = IndexedImage::of(&two_layers());
    for (to, says_template) in [("copy:fast", true), ("copy", false)] {
        let registry = Faulty::start();
        let names = if says_template {
            ["app:v1", "app:v2"]
        } else {
            ["app:v1", "other:v1"]
        };
        let lines = several(&image, &registry, &names);
        let to = format!("{}/{to}", registry.host());
        let push = image.push(&registry).args(["--to", &to]).stdin(lines);
        let finished = push.run().ends_with(2);
        assert_eq!(finished.done().len(), 1);
        assert_eq!(finished.documents()[1]["error"]["exit"], 2);
        let names = names.map(|name| format!("`{}/{name}`", registry.host()));
        let finished = finished.says(&names.join(" and "));
        let template = format!("`--to {}/copy:{{tag}}`", registry.host());
        assert_eq!(finished.stderr.contains(&template), says_template);
        assert_eq!(registry.tags("copy").len(), 1);
        let before = registry.count("POST|PUT|PATCH", "*");
        let line = several(&image, &registry, &["app:v1"]);
        let push = image.push(&registry).args(["--to", &to]).stdin(line);
        push.run().succeeds();
        assert_eq!(registry.count("POST|PUT|PATCH", "*"), before);
    }
}

/// An image that failed in an earlier stage takes no tag.
#[test]
fn gives_the_tag_of_a_failed_image_to_the_next_one() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let lines = several(&image, &registry, &["app:v1", "app:v2"]);
    let (first, second) = lines.split_once('\n').expect("two lines");
    let mut failed: Value = serde_json::from_str(first).expect("a document");
    failed["error"] = json!({"stage": "soci-index", "exit": 65, "message": "damaged"});
    let to = format!("{}/copy:fast", registry.host());
    let push = image.push(&registry).args(["--to", &to]);
    let finished = push
        .stdin(format!("{failed}\n{second}"))
        .run()
        .ends_with(65);
    assert_eq!(finished.documents()[0], failed);
    assert_eq!(finished.done()[0]["push"]["tags"][0]["tag"], to);
}

#[test]
fn refuses_a_second_image_for_the_same_name_in_a_layout() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let lines = several(&image, &registry, &["app:v1", "other:v1", "app:v2"]);
    let push = image.push(&registry).args(["--to", "oci:all"]).stdin(lines);
    let finished = push.run().ends_with(2);
    let finished = finished.says("`oci:all:v1-soci` is the destination of both");
    assert_eq!(finished.done().len(), 2, "the others are pushed");
}

/// Returns the document of an image whose plan asks only for version 1.
fn version_1_only(image: &IndexedImage, registry: &Faulty) -> Value {
    let line = image.line_for(&registry.host());
    let mut document: Value = serde_json::from_str(&line).expect("a document");
    document["plan"]["indexVersion"] = json!("v1");
    document
        .as_object_mut()
        .expect("an object")
        .remove("converted");
    for entry in document["manifests"].as_array_mut().expect("manifests") {
        let index = entry["index"].as_object_mut().expect("indexes");
        index.remove("v2");
    }
    document
}

/// A copied image keeps the tag that the user named if it is not converted.
#[test]
fn copies_an_image_with_version_1_under_the_named_tag() {
    let image = IndexedImage::of(&two_layers());
    let (from, to) = (Faulty::start(), Faulty::start());
    image.publish(&from);
    let line = version_1_only(&image, &from).to_string();
    let target = format!("{}/copy:v9", to.host());
    let push = image.push(&from).args(["--to", &target]).stdin(line);
    let document = pushed(push.run());
    assert_eq!(tag_names(&document), json!([target]));
    assert_eq!(document["push"]["referrers"], "api");
    let tags = to.tags("copy");
    assert_eq!(tags.len(), 1, "{tags:?}");
    assert_eq!(json!(tags["v9"]), document["root"]["digest"]);
    assert!(to.broken("copy", "v9").is_empty());
    assert!(to.manifest("copy", &image.version_1()).is_some());
    // In its own repository, and without a named tag, the image stays as it is.
    let line = version_1_only(&image, &from).to_string();
    let document = pushed(image.push(&from).stdin(line).run());
    assert_eq!(tag_names(&document), json!([]));
    assert_eq!(from.tags("app").len(), 1);
}
