//! Runs `soci-push` alone, against a registry in this process that misbehaves on purpose.
//!
//! What it reads is made by `soci_testkit::document`, so that no other tool has to run. Rows such as E8 in a test's
//! documentation are those of the table in `docs/reliability.md`.

mod crash;
mod manifests;
mod mounts;
mod races;
mod referrers;
mod uploads;

use std::path::PathBuf;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use soci_testkit::{
    document::DocumentBuilder,
    faulty::{Contents, Faulty},
    image::{self, Image, random_layer},
    process::{Finished, Sandbox, Tool},
};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A first wait before a retry, in seconds, that costs the tests no time.
const RETRY_WAIT: &str = "0.005";

/// The registry in a document that is not yet for any registry.
const ANY_REGISTRY: &str = "registry.invalid";

/// Returns `soci-push`.
fn soci_push(sandbox: &Sandbox) -> Tool {
    let tool = sandbox.program(cargo_bin!("soci-push"));
    tool.env("SOCI_RETRY_WAIT", RETRY_WAIT)
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
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        image::write_layout(&layout, images);
        let reference = format!("{ANY_REGISTRY}/app:v1");
        let document = DocumentBuilder::new(&sandbox, &reference).build_tool_identifier(build_tool);
        let line = String::from_utf8(document.indexed(layout.as_path())).expect("text");
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

    /// Puts the image into a registry.
    fn publish(&self, registry: &Faulty) {
        registry.push(&self.layout(), "app:v1");
    }

    /// Returns the line that `soci-push` reads, for the image in a registry.
    fn line_for(&self, host: &str) -> String {
        self.line.replace(ANY_REGISTRY, host)
    }

    /// Returns `soci-push` with the document of the image in a registry.
    fn push_to(&self, host: &str) -> Tool {
        soci_push(&self.sandbox).stdin(self.line_for(host))
    }

    /// Puts the image into a registry and returns `soci-push` for it.
    fn push(&self, registry: &Faulty) -> Tool {
        self.publish(registry);
        self.push_to(&registry.host())
    }

    /// Returns the contents of a registry without faults after a push.
    fn undisturbed(&self, registry: &Faulty) -> Contents {
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

/// Asserts that a push failed with this status, one error, and no document.
#[track_caller]
fn assert_fails(finished: Finished, code: i32) -> Finished {
    let finished = finished.ends_with(code);
    assert!(finished.stdout.is_empty(), "{finished:?}");
    let errors = finished.stderr.lines();
    let errors =
        errors.filter(|line| line.starts_with("soci-push: ") && line.contains("/app:v1: "));
    assert_eq!(errors.count(), 1, "{}", finished.stderr);
    finished
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
