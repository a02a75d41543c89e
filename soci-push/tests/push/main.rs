//! Runs `soci-push` alone, against a registry in this process that misbehaves on purpose.
//!
//! What it reads is made by `soci_testkit::document`, so that no other tool has to run. Rows such
//! as E8 in a test's documentation are those of the table in `docs/reliability.md`.

mod auth;
mod crash;
mod documents;
#[path = "../../../tests/every_tool/suite.rs"]
mod every_tool;
mod hostile;
mod kept;
mod layouts;
mod lookups;
mod manifests;
mod mounts;
mod options;
mod races;
mod referrers;
#[path = "../../../tests/registry_access/suite.rs"]
mod registry_access;
mod result;
mod roots;
mod sha512;
mod signals;
mod single_posts;
#[path = "../../../tests/every_tool/stages.rs"]
mod stages;
#[path = "../../../tests/every_tool/stores.rs"]
mod stores;
mod targets;
mod uploads;
mod versions;

use std::path::PathBuf;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use soci_testkit::{
    document::DocumentBuilder,
    faulty::{Contents, Faulty, app, registry_with_layers},
    image::{self, Image, random_layer},
    message::assert_clear_errors,
    process::{Finished, Sandbox, Tool},
    store::assert_sound,
};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A first wait before a retry, in seconds, that costs the tests no time.
const RETRY_WAIT: &str = "0.005";

/// The registry in a document that is not yet for any registry.
const ANY_REGISTRY: &str = "registry.invalid";

/// What the tool says when there is nothing to read.
const NO_INPUT: &str = "no document on stdin";

/// How many requests are sent at most before a push without credentials is denied.
///
/// Two blobs are pushed at the same time, and each is looked for by a `HEAD` and a `GET` before it
/// is sent.
const MOST_DENIED_REQUESTS: usize = 6;

/// How often a push shows a wrong password at most.
const MOST_WRONG_PASSWORDS: usize = 1;

/// Returns `soci-push`.
fn soci_tool(sandbox: &Sandbox) -> Tool {
    let tool = sandbox.program(cargo_bin!("soci-push"));
    tool.env("SOCI_RETRY_WAIT", RETRY_WAIT)
}

/// Returns the indexed document of the image `app:v1` of a registry.
fn input(sandbox: &Sandbox, registry: &Faulty) -> Vec<u8> {
    DocumentBuilder::new(sandbox, &app(registry)).indexed(registry)
}

/// Returns `soci-push` for the image of a registry by a reference, with the most verbose log.
fn access(sandbox: &Sandbox, registry: &Faulty, reference: &str) -> Tool {
    let line = DocumentBuilder::new(sandbox, reference).indexed(registry);
    soci_tool(sandbox).stdin(line).env("SOCI_VERBOSE", "2")
}

/// An image with its SOCI indexes in a store, to be pushed to any registry.
struct IndexedImage {
    sandbox: Sandbox,
    /// The line that `soci-push` reads, for [`ANY_REGISTRY`].
    line: String,
}

impl IndexedImage {
    fn of(images: &[Image]) -> Self {
        Self::by("soci-index", images)
    }

    /// Indexes an image with the name of a build tool.
    fn by(build_tool: &str, images: &[Image]) -> Self {
        Self::build(images, |sandbox, reference, registry| {
            let document = DocumentBuilder::new(sandbox, reference);
            document.build_tool_identifier(build_tool).indexed(registry)
        })
    }

    /// Indexes every platform of an image.
    fn of_all_platforms(images: &[Image]) -> Self {
        Self::build(images, |sandbox, reference, registry| {
            let document = DocumentBuilder::new(sandbox, reference);
            document.all_platforms().indexed(registry)
        })
    }

    fn build(images: &[Image], index: impl FnOnce(&Sandbox, &str, &Faulty) -> Vec<u8>) -> Self {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        image::write_layout(&layout, images);
        let reference = format!("{ANY_REGISTRY}/app:v1");
        let registry = Faulty::start();
        registry.push(&layout, "app:v1");
        let line = index(&sandbox, &reference, &registry);
        let line = String::from_utf8(line).expect("text");
        Self { sandbox, line }
    }

    fn layout(&self) -> PathBuf {
        self.sandbox.path().join("image")
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.line).expect("a document")
    }

    /// Returns the digest of the SOCI index of version 1 of the first platform.
    fn version_1(&self) -> String {
        text(&self.document()["manifests"][0]["index"]["v1"]["digest"]).to_owned()
    }

    /// Returns the fallback tag of the first platform's referrers.
    fn fallback_tag(&self) -> String {
        text(&self.document()["manifests"][0]["descriptor"]["digest"]).replace(':', "-")
    }

    /// Pushes the image to a registry.
    fn publish(&self, registry: &Faulty) {
        registry.push(&self.layout(), "app:v1");
    }

    /// Returns the line that `soci-push` reads, for the image in a registry.
    fn line_for(&self, host: &str) -> String {
        self.line.replace(ANY_REGISTRY, host)
    }

    /// Returns `soci-push` with the document of the image in a registry.
    fn push_to(&self, host: &str) -> Tool {
        soci_tool(&self.sandbox).stdin(self.line_for(host))
    }

    /// Pushes the image to a registry and returns `soci-push` for it.
    fn push(&self, registry: &Faulty) -> Tool {
        self.publish(registry);
        self.push_to(&registry.host())
    }

    /// Returns the contents of a registry without faults after a push.
    fn contents_without_faults(&self, registry: &Faulty) -> Contents {
        self.push(registry).run().succeeds();
        Contents::of(registry)
    }
}

/// One platform with two layers.
fn two_layers() -> [Image; 1] {
    [Image::new("linux/amd64")
        .layer(random_layer(1, 3000))
        .layer(random_layer(2, 4000))]
}

/// Returns the one document that a successful push wrote.
#[track_caller]
fn pushed(finished: Finished) -> Value {
    let mut documents = finished.succeeds().documents();
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0)
}

/// Pushes to a registry that requires the user `user` with the password `canary-password`. Asserts
/// that the push succeeds and does not show the password.
#[track_caller]
fn push_with_password(image: &IndexedImage, registry: &Faulty) {
    let push = image.push(registry).env("SOCI_USERNAME", "user");
    let ended = push
        .env("SOCI_PASSWORD", "canary-password")
        .env("SOCI_VERBOSE", "2")
        .run();
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    ended.succeeds();
}

/// Asserts that no request to a registry has credentials.
#[track_caller]
fn assert_without_credentials(registry: &Faulty) {
    let mut sent = registry.requests();
    sent.retain(|sent| sent.request.header("authorization").is_some());
    assert!(sent.is_empty(), "{}", registry.log());
}

/// Asserts that a push failed with this status and these texts, and wrote only its failure.
#[track_caller]
fn assert_fails(sandbox: &Sandbox, finished: Finished, code: i32, says: &[&str]) -> Finished {
    let finished = finished.ends_with(code);
    let finished = says
        .iter()
        .fold(finished, |finished, text| finished.says(text));
    finished.writes_only_its_failure();
    assert_clear_errors(&finished);
    assert_sound(&sandbox.store());
    finished
}

/// Asserts that a push failed with this status and one error, and wrote only its failure.
#[track_caller]
fn assert_push_fails(finished: Finished, code: i32) -> Finished {
    let finished = finished.ends_with(code);
    assert_clear_errors(&finished);
    finished.writes_only_its_failure();
    assert_eq!(count_errors(&finished), 1, "{}", finished.stderr);
    finished
}

/// Asserts that a push failed with this status and one error, and wrote one document, because a
/// part of the image was pushed. Returns the document too.
#[track_caller]
fn assert_partly_pushed(finished: Finished, code: i32) -> (Finished, Value) {
    let finished = finished.ends_with(code);
    assert_eq!(count_errors(&finished), 1, "{}", finished.stderr);
    let mut documents = finished.documents();
    assert_eq!(documents.len(), 1, "{documents:?}");
    let document = documents.remove(0);
    let error = &document["error"];
    assert_eq!(error["exit"], code, "{document}");
    assert_eq!(error["stage"], "soci-push", "{document}");
    assert!(
        finished.stderr.contains(text(&error["message"])),
        "{document}"
    );
    (finished, document)
}

/// Counts the errors about the image.
fn count_errors(finished: &Finished) -> usize {
    let lines = finished.stderr.lines();
    let lines = lines.filter(|line| line.starts_with("soci-push: error: "));
    lines.filter(|line| line.contains("/app:v1: ")).count()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
