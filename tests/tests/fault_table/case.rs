//! A row of the table, and what it is run with.

use std::fs;

use soci_testkit::{
    faulty::{Faulty, Setup},
    image::{self, Image, Layer},
    process::{Finished, Sandbox, Tool, pipeline},
};

/// Where the layer breaks, in bytes.
pub(crate) const CUT: usize = 64 << 10;
/// An address of a private network.
pub(crate) const PRIVATE: &str = "10.0.0.2";
/// Where cloud machines keep their own credentials.
pub(crate) const METADATA: &str = "169.254.169.254";
pub(crate) const USER: &str = "AWS";
pub(crate) const PASSWORD: &str = "canary-password";

/// A fault, and what becomes of it.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) must: &'static str,
    pub(crate) run: fn() -> Ours,
}

/// What ours did, and what of it was wrong.
pub(crate) struct Ours {
    pub(crate) requests: usize,
    pub(crate) code: i32,
    pub(crate) wrong: Vec<String>,
}

impl Ours {
    pub(crate) fn new(ended: &Finished, code: i32, requests: usize) -> Self {
        let mut ours = Self {
            requests,
            code: ended.code(),
            wrong: Vec::new(),
        };
        ours.check(
            ended.code() == code,
            &format!("exit status is not {code}: {}", ended.stderr),
        );
        let silent = code == 0 || ended.stdout.is_empty();
        ours.check(silent, "a failure leaves something on stdout");
        ours.check(!ended.stderr.contains(PASSWORD), "the password is shown");
        ours
    }

    /// Notes what is wrong unless something holds.
    pub(crate) fn check(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.wrong.push(otherwise.to_owned());
        }
    }

    pub(crate) fn requests(mut self, expected: usize) -> Self {
        let message = format!("{} requests and not {expected}", self.requests);
        self.check(self.requests == expected, &message);
        self
    }
}

/// A registry with an image of one layer, and a place to run the tools in.
pub(crate) struct Case {
    pub(crate) registry: Faulty,
    pub(crate) sandbox: Sandbox,
    pub(crate) layer: String,
    /// Seconds for which the tools wait for bytes.
    pub(crate) patience: &'static str,
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
            patience: "30",
        }
    }

    /// Returns a tool that waits shortly.
    pub(crate) fn tool(&self, name: &str) -> Tool {
        let tool = self.sandbox.tool(name).env("SOCI_MIN_LAYER_SIZE", "0");
        tool.env("SOCI_RETRY_WAIT", "0.02")
            .env("SOCI_IDLE_TIMEOUT", self.patience)
    }

    pub(crate) fn reference(&self) -> String {
        format!("{}/app:v1", self.registry.host())
    }

    /// Returns where the layer's blob is in the registry.
    pub(crate) fn blob(&self) -> String {
        format!("/v2/app/blobs/{}", self.layer)
    }

    /// Says whether the store holds the layer, as its digest says.
    pub(crate) fn has_layer(&self) -> bool {
        let blob = self.layer.replace(':', "/");
        let bytes = fs::read(self.sandbox.store().join("blobs").join(blob));
        bytes.is_ok_and(|bytes| image::digest(&bytes) == self.layer)
    }

    /// Indexes the image and returns what `soci-push` is to read.
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
