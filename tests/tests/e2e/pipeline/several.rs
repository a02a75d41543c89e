//! Several images in one run.

use serde_json::json;
use soci_testkit::{
    image::{self, Image},
    process::Sandbox,
    registry::Registry,
};

use super::simple;
use crate::read_back::{Repository, assert_pushed, text};
use crate::stages::{Stages, assert_sound, layer, shell};

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
    let documents = run.ends_with([80, 80, 80, 80]);
    let images: Vec<&str> = documents
        .iter()
        .map(|document| text(&document["image"]))
        .collect();
    assert_eq!(images, references);
    let error = |at: usize| {
        (
            &documents[at]["error"]["stage"],
            &documents[at]["error"]["exit"],
        )
    };
    assert_eq!(error(0), (&json!("soci-pull"), &json!(80)));
    assert_eq!(error(2), (&json!("soci-plan"), &json!(81)));
    for (document, name) in [(&documents[1], "good"), (&documents[3], "last")] {
        let repository = Repository {
            registry: &registry,
            name,
        };
        assert_pushed(&repository, document, Some(&repository.tag("v1-soci")));
    }
    assert_sound(&sandbox.store());
}

/// H9: the status of the last stage is that of the pipe.
#[test]
fn a_failure_is_the_status_of_a_pipe_without_pipefail() {
    let registry = Registry::distribution();
    publish_as(&registry, &simple(1), "a:v1");
    publish_as(&registry, &simple(2), "b:v1");
    let references = ["a:v1", "missing:v1", "b:v1"];
    let references = references.map(|name| format!("{}/{name}", registry.host()));
    let pipe = |sandbox: &Sandbox, first: &str, rest: &str| {
        let script = format!("{first} | soci-plan | {rest} soci-index | soci-push");
        shell(sandbox, &script).args(&references).run()
    };
    let sandbox = Sandbox::new();
    let ended = pipe(&sandbox, "soci-pull \"$@\"", "").ends_with(80);
    let said = ended.stderr.matches("missing:v1").count();
    assert_eq!(said, 1, "{}", ended.stderr);
    let errors = ended.stderr.matches("error: ").count();
    assert_eq!(errors, 1, "{}", ended.stderr);
    let documents = ended.documents();
    let images: Vec<&str> = documents
        .iter()
        .map(|document| text(&document["image"]))
        .collect();
    assert_eq!(images, references);
    for (document, name) in [(&documents[0], "a"), (&documents[2], "b")] {
        let registry = &registry;
        let repository = Repository { registry, name };
        assert_pushed(&repository, document, Some(&repository.tag("v1-soci")));
    }
    // jq between two stages passes failures on, and the recipes of docs/pipes.md find them.
    let ended = pipe(&sandbox, "printf '%s\\n' \"$@\" | soci-pull", "jq -c . |").ends_with(80);
    let select = |filter: &str| {
        let jq = sandbox.program("jq").args(["-r", filter]);
        jq.stdin(ended.stdout.clone()).run().succeeds().stdout
    };
    let failed = select("select(.error) | .image");
    assert_eq!(failed, format!("{}\n", references[1]).into_bytes());
    let done = select("select(.error | not) | .image");
    let expected = format!("{}\n{}\n", references[0], references[2]);
    assert_eq!(done, expected.into_bytes());
}

/// H1, H9: a stage that fails as a whole, and a pipe without an image, have one message and one
/// status.
#[test]
fn the_failure_of_a_stage_is_told_once() {
    let registry = Registry::distribution();
    publish_as(&registry, &simple(1), "a:v1");
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let reference = format!("{}/a:v1", registry.host());
    for (script, code) in [
        (
            "soci-pull \"$1\" | soci-plan | soci-index --store file | soci-push",
            73,
        ),
        (
            "soci-pull --store file \"$1\" | soci-plan | soci-index | soci-push",
            73,
        ),
        (
            "soci-pull \"$1\" | soci-plan --prefetch-files-json none | soci-index | soci-push",
            78,
        ),
        (
            "soci-pull </dev/null | soci-plan | soci-index | soci-push",
            66,
        ),
        ("true | soci-plan | soci-index | soci-push", 66),
        (
            "soci-pull \"$1\" | soci-plan | soci-index | soci-push --to 'A B'",
            2,
        ),
        (
            "soci-pull \"$1\" | soci-plan < . | soci-index | soci-push",
            74,
        ),
        (
            "soci-pull \"$1\" | head -c 99 | soci-plan | soci-index | soci-push",
            65,
        ),
    ] {
        let ended = shell(&sandbox, script).arg(&reference).run();
        let errors = ended.stderr.matches("error: ").count();
        assert_eq!(errors, 1, "{script}: {}", ended.stderr);
        let failed = ended.ends_with(code).documents();
        assert_eq!(failed.len(), 1, "{script}: {failed:?}");
        assert_eq!(failed[0]["error"]["exit"], code, "{script}: {failed:?}");
    }
}
