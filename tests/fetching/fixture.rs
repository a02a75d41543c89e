//! A registry that is about to fail, and an image of one layer in it.

use soci_testkit::{
    faulty::{Entry, Fault, Faulty, Rule, Setup},
    image::{self, Image, Layer, random_layer},
    process::{Finished, Sandbox, Tool},
    store::assert_no_secret,
    store::{assert_sound, blob_file, cached_ztocs},
};

/// The offset in bytes at which most faults cut the layer.
pub(crate) const LAYER_CUT: usize = 64 << 10;

/// The seconds for which a tool with short timeouts waits for bytes.
const SHORT_TIMEOUT: &str = "0.5";

/// A registry with an image `app:v1` of one layer, and a sandbox to run the tool in.
pub(crate) struct Fixture {
    pub(crate) registry: Faulty,
    pub(crate) sandbox: Sandbox,
    /// The layer's digest.
    pub(crate) layer: String,
    /// The layer's size in bytes.
    pub(crate) size: usize,
    /// The seconds for which the tool waits for bytes.
    timeout: &'static str,
}

impl Fixture {
    /// Starts a registry without faults, with a layer of 256 KiB.
    pub(crate) fn new() -> Self {
        Self::of(Faulty::setup())
    }

    pub(crate) fn of(setup: Setup) -> Self {
        Self::with_layer(setup, random_layer(1, 256 << 10))
    }

    pub(crate) fn with_layer(setup: Setup, layer: Layer) -> Self {
        let sandbox = Sandbox::new();
        let registry = setup.start();
        let layout = sandbox.path().join("image");
        image::write_layout(&layout, &[Image::new("linux/amd64").layer(layer)]);
        registry.push(&layout, "app:v1");
        let manifest = registry.manifest("app", "v1").expect("the image").json();
        let layer = &manifest["layers"][0];
        let size = layer["size"].as_u64().expect("a size");
        Self {
            layer: layer["digest"].as_str().expect("a digest").to_owned(),
            size: usize::try_from(size).expect("a small size"),
            registry,
            sandbox,
            timeout: "60",
        }
    }

    /// Lets the tool wait for bytes no longer than [`SHORT_TIMEOUT`].
    pub(crate) fn with_short_timeouts(self) -> Self {
        Self {
            timeout: SHORT_TIMEOUT,
            ..self
        }
    }

    /// Removes all faults, clears the log of requests, and makes an empty sandbox.
    pub(crate) fn reset(&mut self) {
        // Requests of the last run that are still in flight must not be counted for the next one.
        self.registry.settle();
        self.registry.clear_rules();
        self.registry.clear_requests();
        self.sandbox = Sandbox::new();
    }

    pub(crate) fn reference(&self) -> String {
        format!("{}/app:v1", self.registry.host())
    }

    /// Returns the path of the layer's blob in the registry.
    pub(crate) fn blob(&self) -> String {
        format!("/v2/app/blobs/{}", self.layer)
    }

    /// Sets short waits between retries, the timeouts and the registry's certificate.
    pub(crate) fn configure(&self, tool: Tool) -> Tool {
        let tool = tool
            .env("SOCI_RETRY_WAIT", "0.005")
            .env("SOCI_IDLE_TIMEOUT", self.timeout)
            .env("SOCI_FIRST_BYTE_TIMEOUT", self.timeout);
        if self.registry.url().starts_with("https") {
            tool.env("SOCI_CA_FILE", self.registry.ca_file())
                .env("SOCI_PLAIN_HTTP", "false")
        } else {
            tool
        }
    }

    /// Returns the tool, about to fetch the layer.
    pub(crate) fn fetch(&self) -> Tool {
        let tool = crate::layer_fetch(&self.sandbox, &self.registry, &self.reference());
        self.configure(tool)
    }

    /// Fetches the layer while faults befall the requests.
    pub(crate) fn fetch_with(&self, rules: impl IntoIterator<Item = Rule>) -> Finished {
        let tool = self.fetch();
        for rule in rules {
            self.registry.rule(rule);
        }
        tool.run()
    }

    /// Returns a rule for requests for the layer's blob.
    pub(crate) fn on_blob(&self, fault: Fault) -> Rule {
        Rule::on("GET", &self.blob(), fault)
    }

    /// Returns the requests for the layer.
    pub(crate) fn requests(&self) -> Vec<Entry> {
        self.registry.requests_to("GET", &self.blob())
    }

    /// Returns the first byte that each request for the layer asked for.
    pub(crate) fn offsets(&self) -> Vec<usize> {
        let first = |entry: &Entry| entry.request.range().map_or(0, |(first, _)| first);
        self.requests().iter().map(first).collect()
    }

    /// Returns how many bytes of the layer the registry sent.
    pub(crate) fn bytes_sent(&self) -> usize {
        self.registry.bytes_sent("GET", &self.blob())
    }

    /// Asserts that the tool failed, and left neither the layer nor a ztoc behind.
    #[track_caller]
    pub(crate) fn assert_failed(&self, finished: Finished, code: i32) -> Finished {
        let subject = format!("{}: error: {}: ", finished.name, self.reference());
        let finished = finished.ends_with(code).says(&subject);
        finished.writes_only_its_failure();
        assert_sound(&self.sandbox.store());
        assert_no_secret(&self.sandbox, &[&finished]);
        assert_eq!(cached_ztocs(&self.sandbox), 0, "a ztoc is in the cache");
        assert!(!self.holds_layer(), "the layer is in the store");
        finished
    }

    /// Asserts that the tool fetched the layer, and every byte of it right.
    #[track_caller]
    pub(crate) fn assert_fetched(&self, finished: Finished) {
        let mut documents = finished.succeeds().documents();
        assert_eq!(documents.len(), 1, "{documents:?}");
        assert_sound(&self.sandbox.store());
        crate::assert_layer_used(self, &documents.remove(0));
    }

    pub(crate) fn holds_layer(&self) -> bool {
        let digest = self.layer.as_str().into();
        blob_file(&self.sandbox.store(), &digest).exists()
    }
}
