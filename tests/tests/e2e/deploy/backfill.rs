//! The commands of `docs/backfill.md`.

use std::fs;

use serde_json::json;
use soci_testkit::{
    process::{Finished, Sandbox},
    registry::Registry,
    workspace,
};

use super::{digest_of, publish, trust_plain_http, with_bin, write_program};
use crate::stages::shell;

/// Returns the commands of the page that contain `text`, with `registry.example` replaced.
#[track_caller]
fn commands(text: &str, host: &str) -> String {
    let page = workspace::root().join("docs/backfill.md");
    let page = fs::read_to_string(page).expect("the page");
    let blocks = page.split("```sh\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.contains(text));
    let block = block.unwrap_or_else(|| panic!("no commands with `{text}`"));
    block.replace("registry.example", host)
}

/// A folder in which the commands of the page are run.
struct Backfill {
    sandbox: Sandbox,
    registry: Registry,
}

impl Backfill {
    fn new() -> Self {
        Self {
            sandbox: Sandbox::new(),
            registry: Registry::distribution(),
        }
    }

    #[track_caller]
    fn run(&self, text: &str) -> Finished {
        let host = self.registry.host();
        trust_plain_http(&self.sandbox, &self.registry);
        shell(&self.sandbox, &commands(text, &host)).run()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.sandbox.path().join(name)).expect("a file")
    }

    fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }
}

/// A run that was stopped goes on with what is not done: no request is sent for a finished image,
/// and what failed is tried again.
#[test]
fn a_backfill_goes_on_where_it_was() {
    let backfill = Backfill::new();
    let registry = &backfill.registry;
    let first = publish(registry, "app:v1", 1);
    let second = publish(registry, "app:v2", 2);
    backfill.run("skopeo list-tags").succeeds();
    assert_eq!(backfill.lines("references.txt"), [&*first, &second]);

    let third = format!("{}/app:v3", registry.host());
    let made = format!("{first}-soci\n{}/app:sha256-0a.sig\n", registry.host());
    let references = backfill.read("references.txt") + &third + "\n" + &made;
    backfill.sandbox.write("references.txt", references);
    backfill.run("finished.txt").ends_with(80);
    assert_eq!(backfill.lines("todo.txt"), [&*first, &second, &third]);
    digest_of(registry, "app", "v2-soci");
    let failed = backfill.run("select(.error) |").succeeds();
    assert!(failed.text().starts_with(&third), "{}", failed.text());

    // What a killed run has written of a document.
    let stopped = backfill.read("pushed.jsonl") + "{\"version\":1,\"image\":\"";
    backfill.sandbox.write("pushed.jsonl", stopped);
    publish(registry, "app:v3", 3);
    let before = registry.log().len();
    backfill.run("finished.txt").succeeds();
    assert_eq!(backfill.lines("todo.txt"), [&*third]);
    digest_of(registry, "app", "v3-soci");
    let requests = &registry.log()[before..];
    for done in ["/manifests/v1 ", "/manifests/v2 "] {
        assert!(!requests.contains(done), "{requests}");
    }

    let before = registry.log().len();
    let ended = backfill.run("finished.txt").ends_with(66);
    ended.says("no reference is given");
    assert!(!registry.log()[before..].contains("/manifests/v3 "));
}

/// The plan of what is left is shown, and nothing is pushed by that.
#[test]
fn the_rest_of_a_backfill_can_be_planned() {
    let backfill = Backfill::new();
    let image = publish(&backfill.registry, "app:v1", 1);
    backfill.sandbox.write("todo.txt", format!("{image}\n"));
    let report = backfill.run("soci-report").succeeds();
    assert!(report.text().contains(&image), "{}", report.text());
    assert_eq!(backfill.registry.manifest("app", "v1-soci").status, 404);
}

/// The list of ECR's images leaves out small and old ones, and has all tags of the others.
#[test]
fn the_list_of_ecr_is_filtered() {
    let sandbox = Sandbox::new();
    let image = |size: u64, pushed: &str, tags: &[&str]| {
        json!({
            "registryId": "123456789012",
            "repositoryName": "app",
            "imageDigest": format!("sha256:{}", "1".repeat(64)),
            "imageTags": tags,
            "imageSizeInBytes": size,
            "imagePushedAt": pushed,
        })
    };
    let answer = json!({"imageDetails": [
        image(300_000_000, "2026-07-01T10:00:00+00:00", &["v1", "latest"]),
        image(30_000_000, "2026-07-01T10:00:00+00:00", &["small"]),
        image(300_000_000, "2025-07-01T10:00:00+00:00", &["old"]),
    ]});
    write_program(&sandbox, "aws", &format!("#!/bin/sh\necho '{answer}'\n"));
    let block = commands("describe-images", "registry.example");
    let shell = sandbox.program("sh").args(["-ec", &block]);
    with_bin(&sandbox, shell).run().succeeds();
    let list = fs::read_to_string(sandbox.path().join("references.txt")).expect("a list");
    let host = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    assert_eq!(list, format!("{host}/app:v1\n{host}/app:latest\n"));
}
