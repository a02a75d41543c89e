//! Pushes to other destinations than the image's own repository: a repository, a registry, a
//! layout, an archive.

use std::fs;

use soci_testkit::{document::tag_names, process::Sandbox, registry::Registry};

use super::{publish, reference, registries, simple, two_platforms};
use crate::read_back::{BlobSource as _, Layout, Repository, array, assert_pushed, skopeo};
use crate::stages::{Stages, assert_sound};

#[test]
fn copies_the_image_to_another_repository() {
    for (registry, referrers) in registries() {
        let root = publish(&registry, &two_platforms());
        let sandbox = Sandbox::new();
        let to = format!("{}/team/lazy", registry.host());
        let stages = Stages::of(&sandbox, &[reference(&registry)]).push(&["--to", &to]);
        let document = stages.plan(&["--all-platforms"]).run().succeeds_for_one();
        assert_eq!(document["push"]["repository"], to);
        assert_eq!(document["push"]["referrers"], referrers);
        let lazy = Repository {
            registry: &registry,
            name: "team/lazy",
        };
        assert_pushed(&lazy, &document, Some(&lazy.tag("v1-soci")));
        lazy.can_be_copied("v1-soci");
        // The original image was copied as well, because the indexes of version 1 refer to it.
        let original = root["digest"].as_str().unwrap();
        assert_eq!(registry.manifest("team/lazy", original).status, 200);
        let app = Repository {
            registry: &registry,
            name: "app",
        };
        assert_eq!(
            app.tags(),
            ["v1"],
            "the image's own repository is left alone"
        );
        app.can_be_copied("v1");
    }
}

#[test]
fn mounts_blobs_within_a_registry() {
    let registry = Registry::distribution();
    publish(&registry, &simple(1));
    let sandbox = Sandbox::new();
    let to = format!("{}/team/lazy:fast", registry.host());
    let stages = Stages::of(&sandbox, &[reference(&registry)]).push(&["--to", &to]);
    let document = stages.run().succeeds_for_one();
    assert_eq!(tag_names(&document), serde_json::json!([to]));
    let lazy = Repository {
        registry: &registry,
        name: "team/lazy",
    };
    assert_eq!(&lazy.tags()[..1], ["fast"]);
    lazy.can_be_copied("fast");
    let layer = document["manifests"][0]["layers"][0]["descriptor"]["size"].as_u64();
    let sent = document["push"]["bytes"].as_u64();
    let manifests_and_ztocs = |repository: &Repository<'_>| {
        let index = &document["manifests"][0]["index"];
        let mut sum = document["converted"]["size"].as_u64().unwrap() + 2;
        for version in ["v1", "v2"] {
            sum += index[version]["size"].as_u64().unwrap();
        }
        let converted = repository.tag("fast");
        let original = document["root"]["size"].as_u64().unwrap();
        sum + converted["manifests"][0]["size"].as_u64().unwrap()
            + original
            + document["manifests"][0]["layers"][0]["ztoc"]["size"]
                .as_u64()
                .unwrap()
    };
    assert_eq!(
        sent,
        Some(manifests_and_ztocs(&lazy)),
        "the layer of {layer:?} bytes was not sent"
    );
}

#[test]
fn copies_the_image_to_another_registry() {
    let from = Registry::distribution();
    let to = Registry::olareg();
    publish(&from, &two_platforms());
    let sandbox = Sandbox::new();
    let target = format!("{}/copy:lazy", to.host());
    let stages = Stages::of(&sandbox, &[reference(&from)]).push(&["--to", &target]);
    let document = stages.run().succeeds_for_one();
    let copy = Repository {
        registry: &to,
        name: "copy",
    };
    assert_pushed(&copy, &document, Some(&copy.tag("lazy")));
    copy.can_be_copied("lazy");
    assert_eq!(document["push"]["referrers"], "api");
    // A second push finds everything.
    let stages = Stages::of(&sandbox, &[reference(&from)]).push(&["--to", &target]);
    assert_eq!(stages.run().succeeds_for_one()["push"]["uploaded"], 0);
}

#[test]
fn copies_the_image_to_a_layout() {
    let registry = Registry::distribution();
    let root = publish(&registry, &two_platforms());
    let sandbox = Sandbox::new();
    let stages = Stages::of(&sandbox, &[reference(&registry)]).push(&["--to", "oci:out"]);
    let document = stages.run().succeeds_for_one();
    let folder = sandbox.path().join("out");
    let layout = Layout(&folder);
    let named = layout.named("v1-soci");
    assert_eq!(named["digest"], document["converted"]["digest"]);
    assert_pushed(&layout, &document, Some(&layout.json(&named)));
    assert_sound(&folder);
    // The layout also holds the subject of the index of version 1.
    assert_eq!(array(&layout.json(&root)["manifests"]).len(), 4);
    let source = format!("oci:{}:v1-soci", folder.display());
    let target = format!("oci:{}", sandbox.path().join("copy").display());
    skopeo(&sandbox, &["copy", "--all", &source, &target]).succeeds();
}

#[test]
fn copies_the_image_to_an_archive() {
    let registry = Registry::distribution();
    publish(&registry, &two_platforms());
    let sandbox = Sandbox::new();
    let to = "oci-archive:out.tar:lazy";
    let stages = Stages::of(&sandbox, &[reference(&registry)]).push(&["--to", to]);
    let document = stages.run().succeeds_for_one();
    let folder = sandbox.path().join("unpacked");
    fs::create_dir(&folder).unwrap();
    let tar = sandbox
        .program("tar")
        .args(["-xf", "out.tar", "-C", "unpacked"]);
    tar.run().succeeds();
    let layout = Layout(&folder);
    let named = layout.named("lazy");
    assert_pushed(&layout, &document, Some(&layout.json(&named)));
    assert_sound(&folder);
    let archive = to.replace(
        "out.tar",
        &sandbox.path().join("out.tar").display().to_string(),
    );
    let target = format!("oci:{}", sandbox.path().join("copy").display());
    skopeo(&sandbox, &["copy", "--all", &archive, &target]).succeeds();
}
