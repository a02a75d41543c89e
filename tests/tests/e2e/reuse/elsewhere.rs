//! Other sources of reuse: layouts, archives, other repositories, and references that do not exist.

use serde_json::Value;
use soci_testkit::{
    document::remove_reuse,
    image::{self, Image},
    process::Sandbox,
    registry::Registry,
};

use super::{
    assert_built, assert_same_result, five_layers, index_with_empty_store, publish, with_force,
    without_force,
};
use crate::stages::Stages;

#[test]
fn reuses_from_layouts_and_archives() {
    for (to, version) in [
        ("oci:cache", "v2"),
        ("oci:cache", "both"),
        ("oci-archive:cache.tar", "v2"),
        ("oci-archive:cache.tar", "both"),
    ] {
        let sandbox = Sandbox::new();
        image::write_layout(
            &sandbox.path().join("before"),
            &[five_layers("linux/amd64", 3)],
        );
        image::write_layout(
            &sandbox.path().join("after"),
            &[five_layers("linux/amd64", 30)],
        );
        let stages = Stages::of(&sandbox, &["oci:before"]).plan(&["--index-version", version]);
        stages.push(&["--to", to]).run().succeeds();
        let (kind, name) = to.split_once(':').expect("a transport");
        let from = format!("{kind}:{}:latest-soci", sandbox.path().join(name).display());
        let plan = ["--reuse-from", from.as_str()];
        let after = format!("oci:{}:latest", sandbox.path().join("after").display());
        let run = index_with_empty_store(&after, &plan, without_force);
        let stderr = run.stderr();
        let document = run.succeeds_for_one();
        assert_built(&stderr, &document, &[2]);
        assert_same_result(
            &document,
            &index_with_empty_store(&after, &plan, with_force).succeeds_for_one(),
        );
    }
}

#[test]
fn reuses_the_index_in_the_layout_of_the_image() {
    for version in ["v1", "v2"] {
        let sandbox = Sandbox::new();
        image::write_layout(
            &sandbox.path().join("image"),
            &[five_layers("linux/amd64", 3)],
        );
        let image = format!("oci:{}", sandbox.path().join("image").display());
        let plan = ["--index-version", version];
        let mut first = index_with_empty_store(&image, &plan, without_force).succeeds_for_one();
        // The layout holds two images now, so a reference needs a name.
        let named = format!("{image}:latest");
        let run = index_with_empty_store(&named, &plan, without_force);
        let stderr = run.stderr();
        let mut second = run.succeeds_for_one();
        assert_built(&stderr, &second, &[]);
        remove_reuse(&mut first);
        remove_reuse(&mut second);
        assert_eq!(first["manifests"], second["manifests"]);
        assert_eq!(first["converted"], second["converted"]);
    }
}

#[test]
fn searches_several_references_until_every_layer_is_found() {
    let registry = Registry::olareg();
    let mut references = Vec::new();
    for (tag, seed) in [("one", 1), ("two", 2), ("three", 3)] {
        let image = Image::new("linux/amd64").layer(crate::stages::layer(seed, 50_000));
        let reference = publish(&registry, tag, &[image]);
        index_with_empty_store(&reference, &[], without_force).succeeds();
        references.push(reference);
    }
    let layers = [1, 2, 3].map(|seed| crate::stages::layer(seed, 50_000));
    let image = Image::new("linux/amd64").layers(layers);
    let image = publish(&registry, "all", &[image]);
    let from = references.join(",");
    let run = index_with_empty_store(&image, &[], |tool| tool.env("SOCI_REUSE_FROM", &from));
    let stderr = run.stderr();
    let document = run.succeeds_for_one();
    assert_built(&stderr, &document, &[]);
    assert_eq!(document["plan"]["reuseFrom"], serde_json::json!(references));
}

#[test]
fn warns_of_a_reference_that_does_not_exist() {
    let registry = Registry::distribution();
    let image = publish(&registry, "v1", &[five_layers("linux/amd64", 3)]);
    let host = registry.host();
    let all = [0, 1, 2, 3, 4];
    let mut made: Option<Value> = None;
    for from in [
        format!("{host}/app:v0"),
        format!("{host}/other/repository:v0"),
        // No server listens on this port.
        "127.0.0.1:1/app:v0".to_owned(),
        "oci:nowhere".to_owned(),
        "oci-archive:nowhere.tar:v0".to_owned(),
    ] {
        let run = index_with_empty_store(
            &image,
            &["--reuse-from", &from, "--index-version", "v2"],
            |tool| {
                // One run must not find what another one pushed.
                tool.env("SOCI_TAG", "{tag}-of-this-run")
                    .env("SOCI_DRY_RUN", "true")
                    .env("SOCI_RETRY_WAIT", "0.005")
            },
        );
        let run = run.says("warning: no index can be reused").says(&from);
        let stderr = run.stderr();
        let warnings = stderr.matches("warning: no index can be reused").count();
        assert_eq!(warnings, 1, "{stderr}");
        let document = run.succeeds_for_one();
        let built = stderr.matches(": built (").count();
        assert_eq!(built, all.len(), "{stderr}");
        let converted = &made.get_or_insert_with(|| document.clone())["converted"];
        assert_eq!(converted, &document["converted"]);
    }
}
