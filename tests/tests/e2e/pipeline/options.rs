//! What `soci-push` does with a place that has an index already, with tags, and in a dry run.

use serde_json::{Value, json};
use soci_testkit::{image, process::Sandbox, registry::Registry};

use super::{publish, reference, registries, simple, two_platforms};
use crate::read_back::{Place as _, Repository, assert_pushed};
use crate::stages::{Run, Stages, indexed, stage};

/// Pushes an index of version 1, and then what another builder made of the same image.
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
fn another_index_is_pushed_beside_the_one_that_is_there_with_a_warning() {
    for (registry, _) in registries() {
        let (first, second) = push_twice(&registry, &[]);
        let second =
            second.says("the image has an index of version 1; another one is pushed beside it");
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
fn another_index_is_left_out_where_that_is_asked_for() {
    for (registry, _) in registries() {
        let (first, second) = push_twice(&registry, &["--existing-index", "skip"]);
        let second = second.says("left as it is").succeeds_for_one();
        let kept = first["manifests"][0]["index"]["v1"]["digest"].clone();
        assert_eq!(referrers(&registry, &second), [kept]);
        assert_eq!(second["push"]["referrers"], "none");
        // Version 2 is another matter: the tag follows.
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
fn another_index_is_pushed_without_a_word_where_that_is_allowed() {
    for (registry, _) in registries() {
        let (_, second) = push_twice(&registry, &["--existing-index", "allow"]);
        let stderr = second.stderr();
        assert!(!stderr.contains("warning"), "{stderr}");
        let second = second.succeeds_for_one();
        assert_eq!(referrers(&registry, &second).len(), 2);
    }
}

#[test]
fn tags_are_filled_in() {
    let registry = Registry::distribution();
    let root = publish(&registry, &two_platforms());
    let sandbox = Sandbox::new();
    let tags = [
        "--tag", "{tag}-x", "--tag", "{arch}", "--tag", "{digest}", "--tag", "{tag}-x",
    ];
    let stages = Stages::of(&sandbox, &[reference(&registry)]).push(&tags);
    let document = stages
        .plan(&["--platform", "linux/arm64"])
        .run()
        .succeeds_for_one();
    let repository = Repository {
        registry: &registry,
        name: "app",
    };
    let hex = root["digest"]
        .as_str()
        .unwrap()
        .trim_start_matches("sha256:");
    let full = |tag: &str| format!("{}/app:{tag}", registry.host());
    assert_eq!(
        document["push"]["tags"],
        json!([full("v1-x"), full("arm64"), full(hex)])
    );
    for tag in ["v1-x", "arm64", hex] {
        assert_eq!(
            image::digest(&repository.raw(tag)),
            document["converted"]["digest"]
        );
    }
    assert!(
        !repository.tags().contains(&"v1-soci".to_owned()),
        "{:?}",
        repository.tags()
    );
}

#[test]
fn a_tag_that_cannot_be_is_refused_before_anything_is_written() {
    let registry = Registry::distribution();
    publish(&registry, &simple(1));
    let sandbox = Sandbox::new();
    let before = writes(&registry);
    let run = Stages::of(&sandbox, &[reference(&registry)])
        .push(&["--tag", "{nothing}"])
        .run();
    let documents = run.says("tag `{nothing}`").ends_with([0, 0, 0, 2]);
    assert!(documents.is_empty());
    assert_eq!(writes(&registry), before);
}

/// Counts the requests of a registry's log that are not for reading.
fn writes(registry: &Registry) -> usize {
    let log = registry.log();
    let written = |line: &&str| {
        ["POST", "PUT", "PATCH", "DELETE"].iter().any(|method| {
            line.contains(&format!("\"{method} "))
                || line.contains(&format!("http.request.method={method}"))
        })
    };
    log.lines().filter(written).count()
}

#[test]
fn a_dry_run_writes_nothing_and_tells_what_it_would() {
    let registry = Registry::distribution();
    publish(&registry, &two_platforms());
    let before = writes(&registry);
    assert!(
        before > 0,
        "the log names each request:\n{}",
        registry.log()
    );
    let sandbox = Sandbox::new();
    let stages = || Stages::of(&sandbox, &[reference(&registry)]);
    let dry = stages().push(&["--dry-run"]).run().succeeds_for_one();
    assert_eq!(writes(&registry), before, "{}", registry.log());
    let repository = Repository {
        registry: &registry,
        name: "app",
    };
    assert_eq!(repository.tags(), ["v1"]);
    let real = stages().run().succeeds_for_one();
    assert!(writes(&registry) > before);
    for field in ["uploaded", "existing", "bytes", "tags", "repository"] {
        assert_eq!(dry["push"][field], real["push"][field], "{field}");
    }
    assert_eq!(dry["push"]["dryRun"], true);
    assert!(real["push"].get("dryRun").is_none());
    assert_pushed(&repository, &real, Some(&repository.tag("v1-soci")));
}

#[test]
fn a_push_can_be_run_again_alone_from_a_file() {
    let registry = Registry::distribution();
    publish(&registry, &simple(1));
    let sandbox = Sandbox::new();
    let line = indexed(&sandbox, &reference(&registry));
    let pushed = stage(&sandbox, "soci-push")
        .stdin(line.clone())
        .run()
        .succeeds();
    let document = crate::stages::one(pushed.documents());
    let repository = Repository {
        registry: &registry,
        name: "app",
    };
    assert_pushed(&repository, &document, Some(&repository.tag("v1-soci")));
    // What was pushed can be pushed again, be it from the line before or after.
    for line in [line, pushed.stdout] {
        let again = stage(&sandbox, "soci-push").stdin(line).run().succeeds();
        assert_eq!(again.documents()[0]["push"]["uploaded"], 0);
    }
}
