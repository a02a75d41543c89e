//! Several images in one run.

use soci_testkit::{
    image::{self, Image},
    process::Sandbox,
    registry::Registry,
};

use super::simple;
use crate::read_back::{Repository, assert_pushed, text};
use crate::stages::{Stages, assert_sound, layer, stage};

fn publish_as(registry: &Registry, images: &[Image], name: &str) {
    let sandbox = Sandbox::new();
    image::write_layout(&sandbox.path().join("image"), images);
    registry.push(&sandbox.path().join("image"), name);
}

#[test]
fn each_is_written_and_pushed_in_the_order_given() {
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
fn the_first_failure_gives_the_status_and_the_others_are_done() {
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
    let run = run.says(&format!("soci-pull: {}: ", references[0]));
    let run = run.says(&format!("soci-plan: {}: ", references[2]));
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

#[test]
fn of_several_failures_in_one_stage_the_first_counts() {
    let registry = Registry::distribution();
    publish_as(&registry, &simple(1), "good:v1");
    let host = registry.host();
    let sandbox = Sandbox::new();
    let malformed = format!("{host}/UPPER:v1");
    let absent = format!("{host}/good:v2");
    let good = format!("{host}/good:v1");
    for (references, code) in [
        ([&malformed, &absent, &good], 2),
        ([&absent, &malformed, &good], 80),
    ] {
        let pull = stage(&sandbox, "soci-pull").args(references);
        let ended = pull.run().ends_with(code).says(&absent).says(&malformed);
        assert_eq!(ended.documents().len(), 1);
    }
}

#[test]
fn references_come_one_a_line_from_stdin_too() {
    let registry = Registry::distribution();
    publish_as(&registry, &simple(1), "a:v1");
    publish_as(&registry, &simple(2), "b:v1");
    let host = registry.host();
    let sandbox = Sandbox::new();
    let lines = format!("{host}/a:v1\n\n  {host}/b:v1  \n");
    let pulled = stage(&sandbox, "soci-pull").stdin(lines).run().succeeds();
    let documents = pulled.documents();
    let images: Vec<&str> = documents
        .iter()
        .map(|document| text(&document["image"]))
        .collect();
    assert_eq!(images, [format!("{host}/a:v1"), format!("{host}/b:v1")]);
    // What was pulled can be pulled again: a line that is a document is taken as well.
    let again = stage(&sandbox, "soci-pull")
        .stdin(pulled.stdout)
        .run()
        .succeeds();
    assert_eq!(again.documents(), documents);
}
