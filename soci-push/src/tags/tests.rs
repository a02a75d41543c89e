use super::*;
use soci_document::{ManifestDecision, ManifestReason};
use soci_oci::Descriptor;

fn tags_of(templates: &[&str], to: Option<&str>, image: &str) -> Result<Vec<String>, Failure> {
    name_tags(templates, to, &document_of(image))
}

/// Returns the document of an image that was converted.
fn document_of(image: &str) -> Document {
    let root = Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"");
    let mut descriptor = root.clone();
    descriptor.platform = Some("linux/arm64".parse().expect("a platform"));
    let manifests =
        serde_json::json!([{"descriptor": descriptor, "plan": {"action": "index"}, "layers": []}]);
    let value = serde_json::json!({"version": 1, "image": image, "root": root, "manifests": manifests, "converted": root});
    serde_json::from_value(value).expect("a document")
}

fn name_tags(
    templates: &[&str],
    to: Option<&str>,
    document: &Document,
) -> Result<Vec<String>, Failure> {
    let templates: Vec<String> = templates.iter().map(ToString::to_string).collect();
    let destination = parse_destination(to.unwrap_or(document.image.as_str()), document)?;
    let naming = TagNaming {
        templates: &templates,
        to,
        destination: &destination,
        image: document.image.reference(),
    };
    naming.tags_of(document)
}

/// Returns the tags of an image that is converted already.
fn tags_of_converted(templates: &[&str], to: Option<&str>, image: &str) -> Vec<String> {
    let mut document = document_of(image);
    let entry = &mut document.manifests[0];
    entry.soci_index = Some(document.root.clone());
    entry.plan = Some(ManifestDecision::Skip {
        reason: Some(ManifestReason::AlreadyConverted),
    });
    name_tags(templates, to, &document).expect("tags")
}

#[test]
fn are_kept_if_the_image_is_converted_already() {
    let image = "r.example/a:v1-soci";
    assert_eq!(tags_of_converted(&[], None, image), ["v1-soci"]);
    let templates = ["{tag}-soci", "{tag}-soci-{arch}", "lazy"];
    assert_eq!(
        tags_of_converted(&templates, None, image),
        ["v1-soci", "lazy"]
    );
    let in_place = Some("r.example/a:{tag}-soci");
    assert_eq!(tags_of_converted(&[], in_place, image), ["v1-soci"]);
    let untagged = format!("r.example/a@{}", soci_oci::Digest::of(b""));
    assert!(tags_of_converted(&["{digest}"], None, &untagged).is_empty());
    let elsewhere = Some("r.example/b");
    assert_eq!(tags_of_converted(&[], elsewhere, image), ["v1-soci"]);
    assert_eq!(
        tags_of_converted(&["{tag}-{arch}"], elsewhere, image),
        ["v1-soci-arm64"]
    );
}

#[test]
fn name_the_tag_from_which_they_are_derived() {
    let original_tags = |templates: &[&str], image: &str| {
        let document = document_of(image);
        let templates: Vec<String> = templates.iter().map(ToString::to_string).collect();
        let naming = TagNaming {
            templates: &templates,
            to: None,
            destination: document.image.reference(),
            image: document.image.reference(),
        };
        naming.original_tags(&document)
    };
    assert_eq!(original_tags(&[], "r.example/a:v1-soci"), ["v1"]);
    assert!(original_tags(&[], "r.example/a:v1").is_empty());
    assert!(original_tags(&["{tag}", "lazy"], "r.example/a:v1-soci").is_empty());
    let templates = ["x-{tag}", "{tag}-soci-{arch}"];
    assert_eq!(
        original_tags(&templates, "r.example/a:v1-soci-arm64"),
        ["v1"]
    );
}

#[test]
fn are_derived_from_the_tag_of_the_image() {
    assert_eq!(
        tags_of(&[], None, "r.example/a:v1").expect("tags"),
        ["v1-soci"]
    );
    assert_eq!(tags_of(&[], None, "oci:dir:v1").expect("tags"), ["v1-soci"]);
    let full = "oci:dir:docker.io/library/a:v1";
    assert_eq!(
        tags_of(&[], None, full).expect("tags"),
        ["docker.io/library/a:v1-soci"]
    );
    assert_eq!(
        tags_of(&[], Some("r.example/a"), full).expect("tags"),
        ["v1-soci"]
    );
    assert_eq!(
        tags_of(&["{tag}", "{tag}-{arch}", "{tag}"], None, "r.example/a:v1").expect("tags"),
        ["v1", "v1-arm64"]
    );
}

#[test]
fn are_taken_from_a_destination_that_names_one() {
    assert_eq!(
        tags_of(&[], Some("r.example:5000/b:lazy"), "r.example/a:v1").expect("tags"),
        ["lazy"]
    );
    assert_eq!(
        tags_of(&[], Some("r.example:5000/b"), "r.example/a:v1").expect("tags"),
        ["v1-soci"]
    );
    assert_eq!(
        tags_of(&[], Some("oci:dir:lazy"), "r.example/a:v1").expect("tags"),
        ["lazy"]
    );
    assert_eq!(
        tags_of(&["x"], Some("r.example/b:lazy"), "r.example/a:v1").expect("tags"),
        ["x"]
    );
}

#[test]
fn are_filled_in_in_the_destination() {
    let image = "r.example/a:v1";
    for (to, tag) in [
        ("r.example:5000/b:{tag}", "v1"),
        ("r.example/b:x-{tag}-{arch}", "x-v1-arm64"),
        ("b:{tag}", "v1"),
        ("[::1]:5000/b:{tag}", "v1"),
        ("oci:dir:{tag}", "v1"),
        ("oci-archive:a.tar:{arch}", "arm64"),
    ] {
        assert_eq!(tags_of(&[], Some(to), image).expect(to), [tag], "{to}");
    }
    for to in ["r.example/b:{other}", "r.example/b:{tag}{tag", "oci:d:{x}"] {
        let failure = tags_of(&[], Some(to), image).expect_err(to);
        assert_eq!(failure.exit, Exit::Usage, "{to}");
    }
}

#[test]
fn of_an_image_that_is_not_converted_are_those_that_the_user_named() {
    let mut document = document_of("r.example/a:v1");
    document.converted = Indexing::Pending;
    for (templates, to, tags) in [
        (&[][..], None, &[][..]),
        (&[], Some("r.example/b"), &[]),
        (&[], Some("r.example/b:v1"), &["v1"]),
        (&[], Some("r.example/b:{tag}"), &["v1"]),
        (&["x"], Some("r.example/b"), &["x"]),
        (&["x"], None, &[]),
    ] {
        let named = name_tags(templates, to, &document).expect("tags");
        assert_eq!(named, tags, "{templates:?} {to:?}");
    }
}

#[test]
fn are_rejected_if_they_are_malformed_or_cannot_be_filled_in() {
    let digest = soci_oci::Digest::of(b"");
    assert!(
        tags_of(&[], None, &format!("r.example/a@{digest}"))
            .expect("no tag")
            .is_empty()
    );
    assert_eq!(
        tags_of(&["{tag}"], None, &format!("r.example/a@{digest}"))
            .expect_err("no tag")
            .exit,
        Exit::Usage
    );
    for bad in ["", "a b", "../a", "-a", "{other}"] {
        assert_eq!(
            tags_of(&[bad], None, "r.example/a:v1").expect_err(bad).exit,
            Exit::Usage
        );
    }
}
