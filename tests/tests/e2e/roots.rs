//! Roots of every kind through the whole pipe, and runs over the output of earlier runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};
use soci_testkit::{
    image::{self, Image, Layer},
    process::Sandbox,
    registry::Registry,
};

use crate::read_back::{BlobSource as _, Layout, Repository, SOCI_V2, array, text};
use crate::stages::{Stages, blob_file, files_below, layer};

const OCI: &str = "application/vnd.oci.image";

/// What a registry holds of the repository `app`.
#[derive(Debug, Eq, PartialEq)]
struct Catalogue {
    /// The digest that each tag names.
    tags: BTreeMap<String, String>,
    /// The digests of all blobs and manifests, by the names of their files.
    digests: BTreeSet<String>,
}

impl Catalogue {
    fn of(registry: &Registry) -> Self {
        let repository = Repository {
            registry,
            name: "app",
        };
        let resolve = |tag: String| {
            let digest = image::digest(&registry.manifest("app", &tag).body);
            (tag, digest)
        };
        let components = files_below(&registry.data());
        let components = components.iter().flat_map(|file| file.components());
        let names = components.map(|part| part.as_os_str().to_string_lossy().into_owned());
        let is_digest = |name: &String| name.len() == 64;
        Self {
            tags: repository.tags().into_iter().map(resolve).collect(),
            digests: names.filter(is_digest).collect(),
        }
    }
}

/// Starts both kinds of registries.
fn registries() -> [Registry; 2] {
    [Registry::distribution(), Registry::olareg()]
}

/// Two platforms, of which one has an attestation.
fn two_platforms() -> [Image; 2] {
    [
        Image::new("linux/amd64").layer(layer(1, 30_000)).attested(),
        Image::new("linux/arm64").layer(layer(2, 20_000)),
    ]
}

fn publish(registry: &Registry, images: &[Image], tag: &str) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(&folder, images);
    registry.push(&folder, &format!("app:{tag}"));
}

/// Pushes a Helm chart.
fn publish_chart(registry: &Registry, tag: &str) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("chart");
    let image = Image::new("linux/amd64").layer(Layer::gzip(&[("Chart.yaml", b"name: x")]));
    let root = image::write_layout(&folder, &[image]);
    let mut manifest = Layout(&folder).json(&root);
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into();
    manifest["layers"][0]["mediaType"] =
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip".into();
    let root = write_blob(&folder, &format!("{OCI}.manifest.v1+json"), &manifest);
    write_root(&folder, root);
    registry.push(&folder, &format!("app:{tag}"));
}

/// Writes a manifest or index into a layout and returns its descriptor.
fn write_blob(folder: &Path, media_type: &str, content: &Value) -> Value {
    let bytes = content.to_string().into_bytes();
    let digest = json!(image::digest(&bytes));
    fs::write(blob_file(folder, &digest), &bytes).expect("a layout");
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

/// Makes a manifest or index the only image of a layout, with the name `latest`.
fn write_root(folder: &Path, mut root: Value) {
    root["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let index = json!({"schemaVersion": 2, "manifests": [root]});
    fs::write(folder.join("index.json"), index.to_string()).expect("a layout");
}

/// Runs the pipe over all tags of a repository on a new machine, and returns the documents by tag.
#[track_caller]
fn run_over_all_tags(registry: &Registry, plan: &[&str]) -> BTreeMap<String, Value> {
    let repository = Repository {
        registry,
        name: "app",
    };
    let tags = repository.tags();
    let prefix = format!("{}/app:", registry.host());
    let references: Vec<String> = tags.iter().map(|tag| format!("{prefix}{tag}")).collect();
    let sandbox = Sandbox::new();
    let documents = Stages::of(&sandbox, &references)
        .plan(plan)
        .run()
        .succeeds();
    assert_eq!(documents.len(), tags.len());
    tags.into_iter().zip(documents).collect()
}

/// A nightly job over all tags of a repository makes nothing new from the second night on.
#[test]
fn runs_over_all_tags_settle() {
    for registry in registries() {
        publish(&registry, &two_platforms(), "v1");
        publish(
            &registry,
            &[Image::new("linux/amd64").layer(layer(3, 1000))],
            "small",
        );
        let zstd = Layer::zstd(&[("app", &[7; 9000])]);
        publish(&registry, &[Image::new("linux/amd64").layer(zstd)], "zstd");
        publish_chart(&registry, "chart");
        let plan = ["--all-platforms", "--min-layer-size", "5kB"];
        run_over_all_tags(&registry, &plan);
        let first = Catalogue::of(&registry);
        assert_ne!(first.tags["v1-soci"], first.tags["v1"]);
        assert_eq!(first.tags["small-soci"], first.tags["small"]);
        assert!(!first.tags.contains_key("chart-soci"));
        for night in 2..=3 {
            let documents = run_over_all_tags(&registry, &plan);
            assert_eq!(Catalogue::of(&registry), first, "night {night}");
            for (tag, document) in documents {
                let is_own = !["v1", "small", "zstd"].contains(&tag.as_str());
                assert_eq!(document["unchanged"] == true, is_own, "{tag}: {document}");
                assert_eq!(document["push"]["uploaded"], 0, "{tag}");
            }
        }
        // Neither does another version of the index make something of a converted image.
        for version in ["v1", "v2"] {
            let tag = format!("{}/app:v1-soci", registry.host());
            let version = ["--all-platforms", "--index-version", version];
            let sandbox = Sandbox::new();
            let stages = Stages::of(&sandbox, &[tag]).plan(&version);
            stages.run().succeeds();
            assert_eq!(Catalogue::of(&registry), first);
        }
    }
}

#[test]
fn manifests_of_a_converted_image_are_unchanged_by_digest() {
    for registry in registries() {
        publish(&registry, &two_platforms(), "v1");
        let sandbox = Sandbox::new();
        let image = format!("{}/app:v1", registry.host());
        let all = ["--all-platforms"];
        Stages::of(&sandbox, &[image]).plan(&all).run().succeeds();
        let before = Catalogue::of(&registry);
        let repository = Repository {
            registry: &registry,
            name: "app",
        };
        let converted = repository.tag("v1-soci");
        let listed = array(&converted["manifests"]).iter();
        let mut digests: Vec<&str> = listed.map(|entry| text(&entry["digest"])).collect();
        digests.push(&before.tags["v1-soci"]);
        for digest in digests {
            let reference = format!("{}/app@{digest}", registry.host());
            let sandbox = Sandbox::new();
            let stages = Stages::of(&sandbox, &[reference]).plan(&all);
            let document = stages.run().succeeds_for_one();
            assert_eq!(document["unchanged"], true, "{document}");
            assert_eq!(Catalogue::of(&registry), before);
        }
    }
}

#[test]
fn a_platform_is_added_to_a_converted_image_under_its_tag() {
    for registry in registries() {
        publish(&registry, &two_platforms(), "v1");
        let run = |tag: &str, platform: &str| {
            let reference = format!("{}/app:{tag}", registry.host());
            let sandbox = Sandbox::new();
            let plan = ["--platform", platform, "--index-version", "v2"];
            let stages = Stages::of(&sandbox, &[reference]).plan(&plan);
            stages.run().succeeds_for_one()
        };
        run("v1", "linux/amd64");
        let repository = Repository {
            registry: &registry,
            name: "app",
        };
        let soci_indexes = || {
            let converted = repository.tag("v1-soci");
            let entries = array(&converted["manifests"]).iter();
            let ours = entries.filter(|entry| entry["artifactType"] == SOCI_V2);
            ours.map(|entry| text(&entry["digest"]).to_owned())
                .collect::<Vec<_>>()
        };
        let first = soci_indexes();
        assert_eq!(first.len(), 1);
        let document = run("v1-soci", "linux/arm64");
        assert!(document.get("unchanged").is_none());
        assert_eq!(soci_indexes()[..1], first);
        assert_eq!(soci_indexes().len(), 2);
        assert_eq!(repository.tags(), ["v1", "v1-soci"]);
        repository.can_be_copied("v1-soci");
        let before = Catalogue::of(&registry);
        let document = run("v1-soci", "linux/amd64,linux/arm64");
        assert_eq!(document["unchanged"], true);
        assert_eq!(Catalogue::of(&registry), before);
    }
}

/// Writes a layout whose root lists an index for each platform.
fn write_nested(folder: &Path) {
    let root = image::write_layout(folder, &two_platforms());
    let list = Layout(folder).json(&root);
    let index_type = format!("{OCI}.index.v1+json");
    let nested = array(&list["manifests"]).iter().map(|manifest| {
        let index = json!({"schemaVersion": 2, "mediaType": index_type, "manifests": [manifest]});
        let mut entry = write_blob(folder, &index_type, &index);
        entry["platform"] = manifest["platform"].clone();
        entry
    });
    let nested: Vec<Value> = nested.collect();
    let root = json!({"schemaVersion": 2, "mediaType": index_type, "manifests": nested});
    write_root(folder, write_blob(folder, &index_type, &root));
}

/// Asserts that each image of a converted image of nested indexes names the SOCI index beside it.
/// Returns how many there are.
#[track_caller]
fn count_converted(repository: &Repository<'_>, root: &Value) -> usize {
    let mut converted = 0;
    for nested in array(&root["manifests"]) {
        let index = repository.json(nested);
        let [image, soci_index] = array(&index["manifests"]) else {
            continue;
        };
        assert_eq!(soci_index["artifactType"], SOCI_V2);
        assert_eq!(
            repository.json(image)["annotations"]["com.amazon.soci.index-digest"],
            soci_index["digest"]
        );
        repository.json(soci_index);
        converted += 1;
    }
    converted
}

#[test]
fn nested_indexes_are_converted_and_copied() {
    for registry in registries() {
        let sandbox = Sandbox::new();
        write_nested(&sandbox.path().join("image"));
        let to = format!("{}/app:v1", registry.host());
        let run = |reference: &str, to: &str| {
            let stages = Stages::of(&sandbox, &[reference]).plan(&["--all-platforms"]);
            stages.push(&["--to", to]).run().succeeds_for_one()
        };
        let document = run("oci:image", &to);
        let repository = Repository {
            registry: &registry,
            name: "app",
        };
        let manifests = array(&document["manifests"]);
        let planned = manifests.iter().map(|entry| text(&entry["plan"]["action"]));
        assert_eq!(planned.collect::<Vec<_>>(), ["index", "skip", "index"]);
        let root = registry.manifest("app", "v1").json();
        assert_eq!(count_converted(&repository, &root), 2);
        // From one registry to another, and once more: the copy is unchanged.
        let mirror = Registry::olareg();
        let copy = format!("{}/app", mirror.host());
        let document = run(&to, &copy);
        assert_eq!(document["unchanged"], true);
        assert_eq!(
            registry.manifest("app", "v1").json(),
            mirror.manifest("app", "v1").json()
        );
        let repository = Repository {
            registry: &mirror,
            name: "app",
        };
        assert_eq!(count_converted(&repository, &root), 2);
    }
}

/// A layout with one image stays a layout with one image after a run.
#[test]
fn the_only_image_of_a_layout_stays_the_only_one() {
    for (write, plan) in [
        (
            (|folder: &Path| drop(image::write_layout(folder, &two_platforms()))) as fn(&Path),
            "0",
        ),
        (write_nested, "0"),
        (
            |folder: &Path| drop(image::write_layout(folder, &two_platforms()[1..])),
            "1GiB",
        ),
    ] {
        let sandbox = Sandbox::new();
        write(&sandbox.path().join("image"));
        let run = || {
            let plan = ["--all-platforms", "--min-layer-size", plan];
            let stages = Stages::of(&sandbox, &["oci:image"]).plan(&plan);
            stages.run().succeeds_for_one()
        };
        let first = run();
        let tags = Layout(&sandbox.path().join("image")).entries();
        for _ in 0..2 {
            let again = run();
            assert_eq!(again["root"], first["root"]);
            assert_eq!(again["push"]["uploaded"], 0);
            assert_eq!(Layout(&sandbox.path().join("image")).entries(), tags);
        }
    }
}
