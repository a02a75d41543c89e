//! Pushes to real registries, across networks, and from many pipelines. `soci-push` has its own
//! tests of a single push.

mod killed;
mod networks;
mod throttled;

use std::path::PathBuf;

use serde_json::Value;
use soci_testkit::{
    faulty::Faulty,
    image::{self, Image},
    process::{Finished, Sandbox, Tool, pipeline},
};

use crate::read_back::text;
use crate::stages::{layer, only_document, stage};

/// A first wait before a retry, in seconds, that costs the tests no time.
const WAIT: &str = "0.005";

/// An image that was indexed once, to be pushed to any registry from the same store.
struct Indexed {
    sandbox: Sandbox,
    /// The line that `soci-push` reads.
    line: String,
    /// The registry in the line.
    host: String,
}

impl Indexed {
    fn of(images: &[Image]) -> Self {
        Self::with(images, |tool| tool)
    }

    /// Indexes an image in the name of a builder.
    fn by(builder: &str, images: &[Image]) -> Self {
        Self::with(images, |tool| {
            tool.env("SOCI_BUILD_TOOL_IDENTIFIER", builder)
        })
    }

    /// Indexes all platforms of an image.
    fn for_all_platforms(images: &[Image]) -> Self {
        Self::with(images, |tool| tool.env("SOCI_ALL_PLATFORMS", "true"))
    }

    /// Indexes an image, with settings for each stage.
    fn with(images: &[Image], set: impl Fn(Tool) -> Tool) -> Self {
        let sandbox = Sandbox::new();
        image::write_layout(&sandbox.path().join("image"), images);
        let registry = Faulty::start();
        registry.push(&sandbox.path().join("image"), "app:v1");
        let reference = format!("{}/app:v1", registry.host());
        let tools = [
            stage(&sandbox, "soci-pull").arg(reference),
            stage(&sandbox, "soci-plan"),
            stage(&sandbox, "soci-index"),
        ];
        let mut line = Vec::new();
        for ended in pipeline(tools.map(set)) {
            line = ended.succeeds().stdout;
        }
        Self {
            sandbox,
            line: String::from_utf8(line).expect("text"),
            host: registry.host(),
        }
    }

    fn folder(&self) -> PathBuf {
        self.sandbox.path().join("image")
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.line).expect("a document")
    }

    /// Returns the digest of the index of version 1, of the first platform.
    fn version_1(&self) -> String {
        text(&self.document()["manifests"][0]["index"]["v1"]["digest"]).to_owned()
    }

    /// Returns the fallback tag of the first platform.
    fn fallback_tag(&self) -> String {
        text(&self.document()["manifests"][0]["descriptor"]["digest"]).replace(':', "-")
    }

    /// Puts the image into a registry.
    fn publish(&self, registry: &Faulty) {
        registry.push(&self.folder(), "app:v1");
    }

    /// Returns `soci-push` with the document, for a registry of another name.
    fn push_to(&self, host: &str) -> Tool {
        let line = self.line.replace(&self.host, host);
        stage(&self.sandbox, "soci-push")
            .stdin(line)
            .env("SOCI_RETRY_WAIT", WAIT)
    }

    /// Puts the image into a registry and returns `soci-push` for it.
    fn push(&self, registry: &Faulty) -> Tool {
        self.publish(registry);
        self.push_to(&registry.host())
    }
}

/// One platform with two layers.
fn simple() -> [Image; 1] {
    [Image::new("linux/amd64")
        .layer(layer(1, 3000))
        .layer(layer(2, 4000))]
}

/// Returns the one document that a push wrote.
#[track_caller]
fn pushed(ended: Finished) -> Value {
    only_document(ended.succeeds().documents())
}

/// Asserts that a push failed with this status and one error, and wrote only its failure.
#[track_caller]
fn assert_fails(ended: Finished, code: i32) -> Finished {
    let ended = ended.ends_with(code);
    ended.writes_only_its_failure();
    let errors = ended.stderr.lines();
    let errors =
        errors.filter(|line| line.starts_with("soci-push: ") && line.contains("/app:v1: "));
    assert_eq!(errors.count(), 1, "{}", ended.stderr);
    ended
}
