//! Several images in one run.

use soci_testkit::{
    image::{self, Image},
    process::Sandbox,
    registry::Registry,
};

use super::simple;
use crate::read_back::{Repository, assert_pushed, text};
use crate::stages::{Stages, assert_sound, layer};

fn publish_as(registry: &Registry, images: &[Image], name: &str) {
    let sandbox = Sandbox::new();
    image::write_layout(&sandbox.path().join("image"), images);
    registry.push(&sandbox.path().join("image"), name);
}

#[test]
fn pushes_several_images_in_their_order() {
    let registry = Registry::distribution();
    let names: Vec<String> = (1..=3).map(|at| format!("team/app-{at}")).collect();
    for (name, seed) in names.iter().zip(1..) {
        publish_as(&registry, &simple(seed), &format!("{name}:v1"));
    }
    let references: Vec<String> = names
        .iter()
        .map(|name| format!("{}/{name}:v1", registry.host()))
        .collect();
    let sandbox = Sandbox::new();
    let documents = Stages::of(&sandbox, &references).run().succeeds();
    let images: Vec<&str> = documents
        .iter()
        .map(|document| text(&document["image"]))
        .collect();
    assert_eq!(images, references);
    for (document, name) in documents.iter().zip(&names) {
        let repository = Repository {
            registry: &registry,
            name,
        };
        assert_pushed(&repository, document, Some(&repository.tag("v1-soci")));
    }
}

#[test]
fn pushes_the_other_images_after_a_failure() {
    let registry = Registry::distribution();
    publish_as(&registry, &simple(1), "good:v1");
    publish_as(
        &registry,
        &[Image::new("windows/amd64").layer(layer(2, 100))],
        "other:v1",
    );
    publish_as(&registry, &simple(3), "last:v1");
    let host = registry.host();
    let references =
        ["absent:v1", "good:v1", "other:v1", "last:v1"].map(|name| format!("{host}/{name}"));
    let sandbox = Sandbox::new();
    let run = Stages::of(&sandbox, &references).run();
    let run = run.says(&format!("soci-pull: error: {}: ", references[0]));
    let run = run.says(&format!("soci-plan: error: {}: ", references[2]));
    let documents = run.ends_with([80, 81, 0, 0]);
    assert_eq!(documents.len(), 2);
    for (document, name) in documents.iter().zip(["good", "last"]) {
        let repository = Repository {
            registry: &registry,
            name,
        };
        assert_pushed(&repository, document, Some(&repository.tag("v1-soci")));
    }
    assert_sound(&sandbox.store());
}
