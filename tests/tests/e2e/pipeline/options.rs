//! What `soci-push` does with a repository that has another index already.

use serde_json::Value;
use soci_testkit::{image, process::Sandbox, registry::Registry};

use super::{publish, reference, registries, simple};
use crate::read_back::{BlobSource as _, Repository};
use crate::stages::{Run, Stages};

/// Pushes the indexes of an image, and then those of the same image by another builder.
fn push_twice(registry: &Registry, existing: &[&str]) -> (Value, Run) {
    publish(registry, &simple(1));
    let sandbox = Sandbox::new();
    let first = Stages::of(&sandbox, &[reference(registry)])
        .run()
        .succeeds_for_one();
    let stages = Stages::of(&sandbox, &[reference(registry)]).push(existing);
    let second = stages.run_with(|tool| tool.env("SOCI_BUILD_TOOL_IDENTIFIER", "another builder"));
    (first, second)
}

fn referrers(registry: &Registry, document: &Value) -> Vec<Value> {
    let repository = Repository {
        registry,
        name: "app",
    };
    let found = repository.referrers(&document["manifests"][0]["descriptor"]);
    found
        .into_iter()
        .map(|entry| entry["digest"].clone())
        .collect()
}

#[test]
fn warns_of_an_existing_index_by_default() {
    for (registry, _) in registries() {
        let (first, second) = push_twice(&registry, &[]);
        let second =
            second.says("the image already has another SOCI index of version 1; the new one is pushed beside it");
        let second = second.succeeds_for_one();
        let mut found = referrers(&registry, &second);
        let digest = |document: &Value| document["manifests"][0]["index"]["v1"]["digest"].clone();
        let mut both = vec![digest(&first), digest(&second)];
        for list in [&mut found, &mut both] {
            list.sort_by_key(ToString::to_string);
        }
        assert_eq!(found, both);
    }
}

#[test]
fn skips_an_image_with_an_existing_index() {
    for (registry, _) in registries() {
        let (first, second) = push_twice(&registry, &["--existing-index", "skip"]);
        let second = second
            .says("it is kept, and no other one is pushed")
            .succeeds_for_one();
        let kept = first["manifests"][0]["index"]["v1"]["digest"].clone();
        assert_eq!(referrers(&registry, &second), [kept]);
        assert_eq!(second["push"]["referrers"], "none");
        // For version 2 the tag is moved to the new image.
        let repository = Repository {
            registry: &registry,
            name: "app",
        };
        assert_eq!(
            image::digest(&repository.raw("v1-soci")),
            second["converted"]["digest"]
        );
    }
}

#[test]
fn allows_an_existing_index_without_a_warning() {
    for (registry, _) in registries() {
        let (_, second) = push_twice(&registry, &["--existing-index", "allow"]);
        let stderr = second.stderr();
        assert!(!stderr.contains("warning"), "{stderr}");
        let second = second.succeeds_for_one();
        assert_eq!(referrers(&registry, &second).len(), 2);
    }
}
