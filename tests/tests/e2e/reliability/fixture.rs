//! A registry that is about to fail, an image in it, and tools that wait shortly.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock},
};

use serde_json::Value;
use soci_testkit::{
    faulty::{Entry, Fault, Faulty, Rule, Setup},
    image::{self, Image, Layer},
    process::{Finished, Sandbox, Tool},
};

use crate::stages::{assert_sound, blob_file, indexed, layer, layers, notes, one, stage};

/// The tools that fetch layers: one into the store, one to index them as they come.
pub(super) const FETCHERS: [&str; 2] = ["soci-pull", "soci-index"];

/// Where the layer breaks, in bytes.
pub(super) const CUT: usize = 64 << 10;

/// Seconds for which impatient tools wait for bytes.
pub(super) const PATIENCE: &str = "0.5";

/// A registry with an image `app:v1` of one layer, and a place to run the tools in.
pub(super) struct Fixture {
    pub(super) registry: Faulty,
    pub(super) sandbox: Sandbox,
    /// The layer's digest.
    pub(super) layer: String,
    /// The layer's size.
    pub(super) size: usize,
    /// What `soci-index` is to read, and the store that belongs to it.
    planned: OnceLock<(Vec<u8>, Sandbox)>,
    /// Seconds for which the tools wait for bytes.
    patience: &'static str,
}

impl Fixture {
    /// A registry that keeps to the specification, and a layer of 256 KiB.
    pub(super) fn new() -> Self {
        Self::of(Faulty::setup())
    }

    pub(super) fn of(setup: Setup) -> Self {
        Self::with_layer(setup, layer(1, 256 << 10))
    }

    pub(super) fn with_layer(setup: Setup, layer: Layer) -> Self {
        let sandbox = Sandbox::new();
        let registry = setup.start();
        let folder = sandbox.path().join("image");
        image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer)]);
        registry.push(&folder, "app:v1");
        let manifest = registry.manifest("app", "v1").expect("the image").json();
        let layer = &manifest["layers"][0];
        let size = layer["size"].as_u64().expect("a size");
        Self {
            layer: layer["digest"].as_str().expect("a digest").to_owned(),
            size: usize::try_from(size).expect("a small size"),
            registry,
            sandbox,
            planned: OnceLock::new(),
            patience: "60",
        }
    }

    /// Lets the tools wait for bytes no longer than [`PATIENCE`].
    pub(super) fn impatient(self) -> Self {
        Self {
            patience: PATIENCE,
            ..self
        }
    }

    /// Takes all faults away, forgets all requests, and makes a place to run the tools in as if nothing had been.
    pub(super) fn renew(&mut self) {
        // What a tool asked for and did not wait for is not to be taken for the next one's.
        self.registry.settle();
        self.registry.clear_rules();
        self.registry.clear_requests();
        self.sandbox = Sandbox::new();
    }

    pub(super) fn reference(&self) -> String {
        format!("{}/app:v1", self.registry.host())
    }

    /// Returns where the layer's blob is in the registry.
    pub(super) fn blob(&self) -> String {
        format!("/v2/app/blobs/{}", self.layer)
    }

    /// Returns a tool that waits shortly.
    pub(super) fn tool(&self, name: &str) -> Tool {
        let tool = stage(&self.sandbox, name).env("SOCI_RETRY_WAIT", "0.005");
        let tool = tool
            .env("SOCI_IDLE_TIMEOUT", self.patience)
            .env("SOCI_FIRST_BYTE_TIMEOUT", self.patience);
        if self.registry.url().starts_with("https") {
            tool.env("SOCI_CA_FILE", self.registry.ca_file())
                .env("SOCI_PLAIN_HTTP", "false")
        } else {
            tool
        }
    }

    /// Returns `soci-pull` for the image without its layer.
    pub(super) fn pull(&self) -> Tool {
        self.tool("soci-pull").arg(self.reference())
    }

    /// Returns one of [`FETCHERS`], about to fetch the layer. Faults that are added from then on befall it.
    pub(super) fn fetch(&self, fetcher: &str) -> Tool {
        if fetcher == "soci-pull" {
            return self.pull().arg("--layers");
        }
        let (line, prepared) = self.planned.get_or_init(|| {
            let sandbox = Sandbox::new();
            let here = |tool: Tool| tool.env("SOCI_STORE", sandbox.store());
            let pulled = here(self.pull()).run().succeeds();
            let planned = here(self.tool("soci-plan")).stdin(pulled.stdout).run();
            (planned.succeeds().stdout, sandbox)
        });
        let copy = self.sandbox.program("cp").arg("-a");
        copy.arg(prepared.store())
            .arg(self.sandbox.store())
            .run()
            .succeeds();
        self.tool(fetcher).stdin(line.clone())
    }

    /// Fetches the layer by a tool while faults befall the requests for it.
    pub(super) fn fetch_under(
        &self,
        fetcher: &str,
        rules: impl IntoIterator<Item = Rule>,
    ) -> Finished {
        let tool = self.fetch(fetcher);
        for rule in rules {
            self.registry.rule(rule);
        }
        tool.run()
    }

    /// Returns a rule for the layer's blob.
    pub(super) fn on_blob(&self, fault: Fault) -> Rule {
        Rule::on("GET", &self.blob(), fault)
    }

    /// Returns the requests for the layer.
    pub(super) fn asked(&self) -> Vec<Entry> {
        self.registry.requests_to("GET", &self.blob())
    }

    /// Returns where the requests for the layer started to read.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let first = |entry: &Entry| entry.request.range().map_or(0, |(first, _)| first);
        self.asked().iter().map(first).collect()
    }

    /// Returns how many bytes of the layer went out.
    pub(super) fn sent(&self) -> usize {
        self.registry.bytes_sent("GET", &self.blob())
    }

    /// Asserts that a tool failed, and left nothing that is half-done.
    #[track_caller]
    pub(super) fn fails(&self, ended: Finished, code: i32) -> Finished {
        let subject = format!("{}: {}: ", ended.name, self.reference());
        let ended = ended.ends_with(code).says(&subject);
        assert!(ended.stdout.is_empty(), "{:?}", ended.text());
        assert_sound(&self.sandbox.store());
        assert_eq!(notes(&self.sandbox), 0, "a layer is remembered");
        assert!(!self.holds_layer(), "a layer is kept");
        ended
    }

    /// Asserts that a tool fetched the layer, and every byte of it right.
    #[track_caller]
    pub(super) fn fetched(&self, ended: Finished) {
        let fetcher = ended.name.clone();
        let document = one(ended.succeeds().documents());
        assert_sound(&self.sandbox.store());
        if fetcher == "soci-pull" {
            assert!(self.holds_layer(), "{document}");
        } else {
            assert_eq!(ztoc(&document), self.ztoc_without_faults());
        }
    }

    fn holds_layer(&self) -> bool {
        let digest = Value::from(self.layer.as_str());
        blob_file(&self.sandbox.store(), &digest).exists()
    }

    /// Returns the digest of the ztoc that the layer has where nothing fails.
    pub(super) fn ztoc_without_faults(&self) -> String {
        static KNOWN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().expect("no panic");
        let ztoc = known.entry(self.layer.clone()).or_insert_with(|| {
            let well = Faulty::setup().sharing(&self.registry).start();
            let sandbox = Sandbox::new();
            let line = indexed(&sandbox, &format!("{}/app:v1", well.host()));
            ztoc(&serde_json::from_slice(&line).expect("a document"))
        });
        ztoc.clone()
    }
}

/// Returns the digest of a document's only ztoc.
pub(super) fn ztoc(document: &Value) -> String {
    let digest = layers(document)[0]["ztoc"]["digest"].as_str();
    digest.expect("a ztoc").to_owned()
}
