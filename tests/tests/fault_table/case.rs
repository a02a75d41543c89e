//! The rows of the table, and the registry and sandbox of each.

use std::fs;

use serde_json::Value;
use soci_testkit::{
    faulty::{Faulty, Setup},
    image::{self, Image, Layer},
    process::{Finished, Sandbox, Tool, pipeline},
};

/// The offset in the layer at which transfers break, in bytes.
pub(crate) const CUT: usize = 64 << 10;
/// An address of a private network.
pub(crate) const PRIVATE: &str = "10.0.0.2";
/// The address of the metadata service of cloud machines, which issues their credentials.
pub(crate) const METADATA: &str = "169.254.169.254";
pub(crate) const USER: &str = "AWS";
pub(crate) const PASSWORD: &str = "canary-password";

/// A fault, and the required outcome.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) required: &'static str,
    pub(crate) run: fn() -> Outcome,
}

/// The outcome of our tools for a fault.
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    /// The exit status.
    pub(crate) code: i32,
    /// A description of each deviation from the required outcome.
    pub(crate) wrong: Vec<String>,
}

impl Outcome {
    pub(crate) fn new(ended: &Finished, code: i32, requests: usize) -> Self {
        let mut outcome = Self::of_part(ended, code, requests);
        let line: Value = serde_json::from_slice(&ended.stdout).unwrap_or_default();
        let tells_failure = line["error"]["exit"] == ended.code() && line["root"].is_null();
        outcome.check(
            code == 0 || tells_failure,
            "a tool that fails does not write a failed image",
        );
        outcome
    }

    /// Returns the outcome of a push that may publish a part of the image, which the document on
    /// stdout then tells.
    pub(crate) fn of_part(ended: &Finished, code: i32, requests: usize) -> Self {
        let mut outcome = Self {
            requests,
            code: ended.code(),
            wrong: Vec::new(),
        };
        outcome.check(
            ended.code() == code,
            &format!("exit status should be {code}: {}", ended.stderr),
        );
        outcome.check(!ended.stderr.contains(PASSWORD), "the password is shown");
        outcome
    }

    /// Adds a message to `wrong` unless the condition holds.
    pub(crate) fn check(&mut self, condition: bool, message: &str) {
        if !condition {
            self.wrong.push(message.to_owned());
        }
    }

    /// Checks the number of requests.
    pub(crate) fn expect_requests(mut self, expected: usize) -> Self {
        let message = format!("{} requests instead of {expected}", self.requests);
        self.check(self.requests == expected, &message);
        self
    }
}

/// A registry with an image of one layer, and a sandbox for the tools.
pub(crate) struct Case {
    pub(crate) registry: Faulty,
    pub(crate) sandbox: Sandbox,
    /// The digest of the layer.
    pub(crate) layer: String,
    /// The idle timeout of the tools, in seconds.
    pub(crate) idle_timeout: &'static str,
}

impl Case {
    pub(crate) fn new(setup: Setup) -> Self {
        let sandbox = Sandbox::new();
        let registry = setup.start();
        let layer = Layer::gzip(&[("srv/data", &image::noise(1, 256 << 10))]);
        let folder = sandbox.path().join("image");
        image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer)]);
        registry.push(&folder, "app:v1");
        let manifest = registry.manifest("app", "v1").expect("the image").json();
        let layer = manifest["layers"][0]["digest"].as_str().expect("a digest");
        Self {
            layer: layer.to_owned(),
            registry,
            sandbox,
            idle_timeout: "30",
        }
    }

    /// Returns a tool with short waiting times.
    pub(crate) fn tool(&self, name: &str) -> Tool {
        let tool = self.sandbox.tool(name).env("SOCI_MIN_LAYER_SIZE", "0");
        tool.env("SOCI_RETRY_WAIT", "0.02")
            .env("SOCI_IDLE_TIMEOUT", self.idle_timeout)
    }

    pub(crate) fn reference(&self) -> String {
        format!("{}/app:v1", self.registry.host())
    }

    /// Returns the path of the layer's blob in the registry.
    pub(crate) fn blob_path(&self) -> String {
        format!("/v2/app/blobs/{}", self.layer)
    }

    /// Returns whether the store has the layer, and its bytes match the digest.
    pub(crate) fn has_layer(&self) -> bool {
        let blob = self.layer.replace(':', "/");
        let bytes = fs::read(self.sandbox.store().join("blobs").join(blob));
        bytes.is_ok_and(|bytes| image::digest(&bytes) == self.layer)
    }

    /// Indexes the image, and returns the input for `soci-push`.
    pub(crate) fn indexed(&self) -> Vec<u8> {
        let tools = [
            self.tool("soci-pull").arg(self.reference()),
            self.tool("soci-plan"),
            self.tool("soci-index"),
        ];
        let ended = pipeline(tools).into_iter().map(Finished::succeeds);
        let documents: Vec<Vec<u8>> = ended.map(|ended| ended.stdout).collect();
        documents.concat()
    }
}
