//! The last line about each image says what to deploy.

use serde_json::{Value, json};
use soci_testkit::{
    faulty::{Fault, Faulty, Rule},
    image::{Image, random_layer},
    process::Finished,
    terminal,
};

use crate::{IndexedImage, soci_tool, text, two_layers};

/// Returns the last line on stderr.
#[track_caller]
fn last_line(finished: &Finished) -> &str {
    finished.stderr.lines().last().expect("a line on stderr")
}

/// Returns the part of the line that says what to deploy, of an image with one platform.
fn deployment(host: &str, document: &Value) -> String {
    let converted = text(&document["converted"]["digest"]);
    let version_1 = text(&document["manifests"][0]["index"]["v1"]["digest"]);
    format!("{host}/app:v1-soci@{converted} (v2) and {version_1} (v1)")
}

#[test]
fn the_last_line_names_tags_digests_and_layers() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let host = registry.host();
    let deployment = deployment(&host, &image.document());
    for (arguments, verb) in [
        (&["--dry-run"][..], "would push"),
        (&[], "pushed"),
        (&[], "already pushed"),
    ] {
        let finished = image.push(&registry).args(arguments).run().succeeds();
        let line = last_line(&finished);
        let start = format!("soci-push: {host}/app:v1: {verb} {deployment}: 2 of 2 layers, 7.");
        assert!(line.starts_with(&start), "{line}\n{start}");
        assert!(line.contains(" KiB, ztocs "), "{line}");
    }
    // --quiet leaves errors.
    let quiet = image.push(&registry).arg("--quiet").run().succeeds();
    assert_eq!(quiet.stderr, "");
}

#[test]
fn the_last_line_tells_several_indexes_of_version_1_from_each_other() {
    let images = ["linux/amd64", "linux/arm64"];
    let images = images.map(|platform| Image::new(platform).layer(random_layer(1, 3000)));
    let image = IndexedImage::of_all_platforms(&images);
    let registry = Faulty::start();
    let finished = image.push(&registry).run().succeeds();
    let line = last_line(&finished);
    let document = image.document();
    for (position, platform) in ["linux/amd64", "linux/arm64"].iter().enumerate() {
        let version_1 = text(&document["manifests"][position]["index"]["v1"]["digest"]);
        let part = format!("{version_1} (v1, {platform})");
        assert!(line.contains(&part), "{line}\n{part}");
    }
    assert!(line.contains(": 1 of 1 layer, "), "{line}");
}

#[test]
fn the_last_line_tells_why_layers_are_skipped() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let mut document: Value =
        serde_json::from_str(&image.line_for(&registry.host())).expect("JSON");
    let layer = &mut document["manifests"][0]["layers"][0];
    layer["plan"] = json!({"action": "skip", "reason": "unsupported-compression"});
    layer["descriptor"]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd");
    layer.as_object_mut().expect("a layer").remove("ztoc");
    let tool = soci_tool(&image.sandbox).stdin(document.to_string());
    let finished = tool.run().succeeds();
    let line = last_line(&finished);
    assert!(line.contains(": 1 of 2 layers, "), "{line}");
    let end = ", 1 skipped: unsupported-compression (zstd)";
    assert!(line.ends_with(end), "{line}");
}

/// Nothing was indexed, so that the tag names the image itself.
#[test]
fn the_last_line_says_if_the_image_is_not_converted() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let host = registry.host();
    let mut document: Value = serde_json::from_str(&image.line_for(&host)).expect("JSON");
    document["manifests"][0]["index"] = Value::Null;
    document["converted"] = Value::Null;
    for layer in document["manifests"][0]["layers"]
        .as_array_mut()
        .expect("layers")
    {
        layer["plan"] = json!({"action": "skip", "reason": "below-min-layer-size"});
    }
    let tool = soci_tool(&image.sandbox).stdin(document.to_string());
    let finished = tool.run().succeeds();
    let line = last_line(&finished);
    let root = text(&document["root"]["digest"]);
    let start = format!(
        "soci-push: {host}/app:v1: pushed {host}/app:v1-soci@{root} (not converted): 0 of 2 layers, "
    );
    assert!(line.starts_with(&start), "{line}");
    let end = ", 2 skipped: below-min-layer-size";
    assert!(line.ends_with(end), "{line}");
}

#[test]
fn the_last_line_names_what_an_unchanged_image_keeps() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let host = registry.host();
    let mut document: Value = serde_json::from_str(&image.line_for(&host)).expect("JSON");
    let entry = &mut document["manifests"][0];
    entry["plan"] = json!({"action": "skip", "reason": "not-an-image"});
    entry.as_object_mut().expect("an entry").remove("index");
    document["converted"] = Value::Null;
    let tool = soci_tool(&image.sandbox).stdin(document.to_string());
    let finished = tool.run().succeeds();
    let expected = format!("soci-push: {host}/app:v1: unchanged: nothing to push: not-an-image");
    assert_eq!(last_line(&finished), expected);
}

/// The line comes after the errors, so that it is the last one.
#[test]
fn the_last_line_tells_a_part_from_the_whole() {
    let image = IndexedImage::of(&two_layers());
    let version_1 = format!("*/manifests/{}", image.version_1());
    let refusal = Fault::error(400, "MANIFEST_INVALID", "refused");
    let registry = Faulty::setup()
        .rule(Rule::on("PUT", &version_1, refusal))
        .start();
    let finished = image.push(&registry).run().ends_with(76);
    let line = last_line(&finished);
    let host = registry.host();
    let converted = image.document()["converted"]["digest"].clone();
    let converted = text(&converted);
    let start = format!(
        "soci-push: {host}/app:v1: pushed in part {host}/app:v1-soci@{converted} (v2): 2 of 2 layers, "
    );
    assert!(line.starts_with(&start), "{line}");
}

/// At a terminal, the summary on stdout says it, and stderr does not repeat it.
#[test]
fn a_terminal_shows_the_result_once() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let host = registry.host();
    let line = image.line_for(&host).into_bytes();
    let document = image.document();
    let converted = text(&document["converted"]["digest"]);
    let tag = format!("{host}/app:v1-soci@{converted} (v2)");
    let finished = terminal::run(&image.sandbox, soci_tool(&image.sandbox), &line, "");
    let shown = finished.succeeds();
    assert_eq!(shown.text().matches(&tag).count(), 1, "{}", shown.text());
    let deploy = format!("{host}/app:v1: pushed\n  deploy    {tag}\n            sha256:");
    assert!(shown.text().contains(&deploy), "{}", shown.text());
    for row in ["  platform  linux/amd64\n", "  layers    2 of 2 layers, "] {
        assert!(shown.text().contains(row), "{row}: {}", shown.text());
    }
    // stderr is the only one that says it if stdout is a file.
    let tool = soci_tool(&image.sandbox);
    let shown = terminal::run(&image.sandbox, tool, &line, "> output");
    assert!(shown.text().contains(&tag), "{}", shown.text());
}
