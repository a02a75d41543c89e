//! Layers that were indexed before: with an empty store, their ztocs are reused from existing
//! indexes.

mod elsewhere;
mod origin;
mod refused;

use std::time::{Duration, Instant};

use serde_json::Value;
use soci_testkit::{
    document::remove_reuse,
    image::{self, Image, Layer},
    process::{Sandbox, Tool},
    registry::Registry,
};

use crate::read_back::{Repository, assert_pushed};
use crate::stages::{Run, Stages, assert_sound, layer, layers, stage};

/// Five layers, of which only the third depends on `seed`.
fn five_layers(platform: &str, seed: u64) -> Image {
    let image = Image::new(platform);
    [1, 2, seed, 4, 5]
        .into_iter()
        .fold(image, |image, seed| image.layer(layer(seed, 100_000)))
}

/// Pushes an image to `app:TAG` and returns its reference.
fn publish(registry: &Registry, tag: &str, images: &[Image]) -> String {
    let sandbox = Sandbox::new();
    image::write_layout(&sandbox.path().join("image"), images);
    registry.push(&sandbox.path().join("image"), &format!("app:{tag}"));
    format!("{}/app:{tag}", registry.host())
}

/// Indexes an image with an empty store, with settings for each tool.
#[track_caller]
fn index_with_empty_store(reference: &str, plan: &[&str], set: impl Fn(Tool) -> Tool) -> Run {
    let sandbox = Sandbox::new();
    let run = Stages::of(&sandbox, &[reference]).plan(plan).run_with(set);
    assert_sound(&sandbox.store());
    run
}

fn with_force(tool: Tool) -> Tool {
    tool.env("SOCI_FORCE", "true")
}

fn without_force(tool: Tool) -> Tool {
    tool
}

/// Asserts that two documents have the same result, whether or not ztocs were reused.
#[track_caller]
fn assert_same_result(one: &Value, other: &Value) {
    let [one, other] = [one, other].map(|document| {
        let mut document = document.clone();
        remove_reuse(&mut document);
        document
    });
    for field in ["image", "root", "plan", "manifests", "converted"] {
        assert_eq!(one[field], other[field], "{field}");
    }
}

/// Returns the positions of the layers that a registry has sent since `log`, each with the bytes
/// that were sent.
fn sent(registry: &Registry, log: usize, document: &Value) -> Vec<(usize, u64)> {
    let log = &registry.log()[log..];
    let bytes = |digest: &str| -> u64 {
        let request = format!("\"GET /v2/app/blobs/{digest} HTTP/1.1\" 200 ");
        let lines = log.lines().filter_map(|line| line.split_once(&request));
        lines
            .map(|(_, rest)| {
                let bytes = rest.split(' ').next().expect("a number of bytes");
                bytes.parse::<u64>().expect("a number of bytes")
            })
            .sum()
    };
    let layers = layers(document).into_iter().enumerate();
    let sent = layers.map(|(at, layer)| {
        let digest = layer["descriptor"]["digest"].as_str().expect("a digest");
        (at, bytes(digest))
    });
    sent.filter(|(_, bytes)| *bytes > 0).collect()
}

/// Returns layers of a document by their positions, each with its size.
fn with_sizes(document: &Value, positions: &[usize]) -> Vec<(usize, u64)> {
    let layers = layers(document);
    let size = |at: &usize| layers[*at]["descriptor"]["size"].as_u64().expect("a size");
    positions.iter().map(|at| (*at, size(at))).collect()
}

/// Asserts which layers the run has read, by their positions, and that it reused the others.
#[track_caller]
fn assert_built(stderr: &str, document: &Value, positions: &[usize]) {
    let (mut read, mut reused) = (0, 0);
    for (at, layer) in layers(document).into_iter().enumerate() {
        let is_built = positions.contains(&at);
        let count = if is_built { &mut read } else { &mut reused };
        *count += layer["descriptor"]["size"].as_u64().expect("a size");
        assert_eq!(layer["reused"] == "soci-index", !is_built, "{layer}");
        let layer = layer["descriptor"]["digest"].as_str().expect("a digest");
        let says = |what: &str| {
            let line =
                |line: &&str| line.contains(what) && line.contains(&format!("layer={layer}"));
            stderr.lines().any(|text| line(&text))
        };
        assert_eq!(
            says(": built ("),
            positions.contains(&at),
            "layer {at}:\n{stderr}"
        );
        assert_eq!(
            says(": reused ("),
            !positions.contains(&at),
            "layer {at}:\n{stderr}"
        );
    }
    let timing = &document["timing"]["index"];
    assert_eq!(
        (&timing["bytes"], &timing["reused"]),
        (&read.into(), &reused.into())
    );
}

#[test]
fn a_rebuild_downloads_only_the_layer_that_changed() {
    let registry = Registry::distribution();
    let before = publish(&registry, "v0", &[five_layers("linux/amd64", 3)]);
    index_with_empty_store(&before, &[], without_force).succeeds();
    let after = publish(&registry, "v1", &[five_layers("linux/amd64", 30)]);
    let plan = ["--reuse-from", before.as_str()];

    let log = registry.log().len();
    let run = index_with_empty_store(&after, &plan, without_force);
    let stderr = run.stderr();
    let reused = run.succeeds_for_one();
    assert_eq!(sent(&registry, log, &reused), with_sizes(&reused, &[2]));
    assert_built(&stderr, &reused, &[2]);
    assert_eq!(reused["plan"]["reuseFrom"], serde_json::json!([before]));
    let repository = Repository {
        registry: &registry,
        name: "app",
    };
    assert_pushed(&repository, &reused, Some(&repository.tag("v1-soci")));

    let log = registry.log().len();
    let scratch = index_with_empty_store(&after, &plan, with_force).succeeds_for_one();
    let all = with_sizes(&scratch, &[0, 1, 2, 3, 4]);
    assert_eq!(sent(&registry, log, &scratch), all);
    assert_same_result(&reused, &scratch);
    assert_eq!(scratch["push"]["uploaded"], 0, "the same bytes: {scratch}");
}

#[test]
fn indexes_an_image_once_for_every_version_and_registry() {
    for registry in [Registry::distribution(), Registry::olareg()] {
        for (seed, version) in [(10, "v1"), (20, "v2"), (30, "both")] {
            let image = publish(&registry, version, &[five_layers("linux/amd64", seed)]);
            let plan = ["--index-version", version];
            let first = index_with_empty_store(&image, &plan, with_force).succeeds_for_one();
            let log = registry.log().len();
            let run = index_with_empty_store(&image, &plan, without_force);
            let stderr = run.stderr();
            let second = run.succeeds_for_one();
            assert_built(&stderr, &second, &[]);
            assert_eq!(sent(&registry, log, &second), []);
            assert_same_result(&first, &second);
            assert_eq!(second["push"]["uploaded"], 0, "{second}");
            if version != "v1" {
                let converted = format!("{image}-soci");
                let run = index_with_empty_store(&converted, &plan, without_force);
                assert_eq!(run.succeeds_for_one()["unchanged"], true, "{converted}");
            }
        }
    }
}

#[test]
fn a_moved_tag_reuses_the_layers_of_its_last_image() {
    for registry in [Registry::distribution(), Registry::olareg()] {
        let first = publish(&registry, "latest", &[five_layers("linux/amd64", 3)]);
        index_with_empty_store(&first, &[], without_force).succeeds();
        publish(&registry, "latest", &[five_layers("linux/amd64", 30)]);
        let run = index_with_empty_store(&first, &[], without_force);
        let stderr = run.stderr();
        let document = run.succeeds_for_one();
        assert_built(&stderr, &document, &[2]);
        assert_same_result(
            &document,
            &index_with_empty_store(&first, &[], with_force).succeeds_for_one(),
        );
    }
}

#[test]
fn each_platform_reuses_its_own_layers() {
    for registry in [Registry::distribution(), Registry::olareg()] {
        let images = |seed| {
            let arm64 = Image::new("linux/arm64").layer(layer(7, 100_000));
            [
                five_layers("linux/amd64", seed).attested(),
                arm64.layer(Layer::plain(&[("app", b"arm64")])),
            ]
        };
        let before = publish(&registry, "v0", &images(3));
        index_with_empty_store(&before, &["--all-platforms"], without_force).succeeds();
        let after = publish(&registry, "v1", &images(30));
        let plan = ["--all-platforms", "--reuse-from", before.as_str()];
        let run = index_with_empty_store(&after, &plan, without_force);
        let stderr = run.stderr();
        let document = run.succeeds_for_one();
        let changed = |at: usize| layers(&document)[at]["descriptor"]["digest"].clone();
        let built: Vec<&str> = stderr
            .lines()
            .filter(|line| line.contains(": built ("))
            .collect();
        assert_eq!(built.len(), 1, "{stderr}");
        assert!(
            built[0].contains(changed(2).as_str().expect("a digest")),
            "{stderr}"
        );
        assert_same_result(
            &document,
            &index_with_empty_store(&after, &plan, with_force).succeeds_for_one(),
        );
    }
}

#[test]
fn a_search_takes_few_requests() {
    let registry = Registry::distribution();
    let before = publish(&registry, "v0", &[five_layers("linux/amd64", 3)]);
    index_with_empty_store(&before, &[], without_force).succeeds();
    let after = publish(&registry, "v1", &[five_layers("linux/amd64", 30)]);
    let requests = |plan: &[&str], set: fn(Tool) -> Tool| {
        let sandbox = Sandbox::new();
        let pulled = stage(&sandbox, "soci-pull").arg(&after).run().succeeds();
        let planned = stage(&sandbox, "soci-plan").args(plan).stdin(pulled.stdout);
        let planned = planned.run().succeeds();
        let log = registry.log().len();
        let index = stage(&sandbox, "soci-index").stdin(planned.stdout);
        set(index).run().succeeds();
        // Once this request is in the log, all earlier ones are.
        let marker = registry.get("/v2/marker/tags/list", &[]);
        marker.expect("a registry that runs");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !registry.log()[log..].contains("/v2/marker/tags/list HTTP/1.0\"") {
            assert!(Instant::now() < deadline, "the log is not written");
            std::thread::yield_now();
        }
        registry.log()[log..].matches(" HTTP/1.1\" ").count()
    };
    assert_eq!(requests(&[], with_force), 5, "the layers");
    // The converted image, and the referrers of the manifest by API and by tag.
    assert_eq!(requests(&[], without_force), 5 + 3);
    // Four ztocs instead of four layers. The converted image takes a request for its index, its
    // SOCI index and its referrers.
    assert_eq!(
        requests(&["--reuse-from", &before], without_force),
        5 + 3 + 5
    );
}
