//! What holds for every tool: its arguments, its input and output, and signals.
//!
//! The tests of each tool include this module, so every test here runs for each of the four. The
//! including crate provides `soci_tool`, which returns its tool without arguments, and `input`,
//! which returns a document that the tool reads for the image `app:v1` of a registry, and writes
//! what belongs to it into the sandbox's store.

mod arguments;
mod documents;
mod failures;
mod output;
mod terminal;
mod unsafe_text;
mod variables;

use soci_testkit::{
    faulty::Faulty,
    image::{self, Image, random_layer},
    process::{Finished, Sandbox, Tool},
    store::files_below,
};

/// A document for the tool, the store that belongs to it, and the registry with the image.
pub(crate) struct Prepared {
    pub(crate) sandbox: Sandbox,
    pub(crate) registry: Faulty,
    /// The line that the tool reads.
    pub(crate) line: Vec<u8>,
}

impl Prepared {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        let image = Image::new("linux/amd64")
            .layer(random_layer(1, 20_000))
            .layer(random_layer(2, 3000));
        image::write_layout(&layout, &[image]);
        let registry = Faulty::start();
        registry.push(&layout, "app:v1");
        let line = crate::input(&sandbox, &registry);
        Self {
            sandbox,
            registry,
            line,
        }
    }

    /// Returns the document.
    pub(crate) fn document(&self) -> serde_json::Value {
        serde_json::from_slice(&self.line).expect("a document")
    }

    /// Returns the tool.
    pub(crate) fn tool(&self) -> Tool {
        crate::soci_tool(&self.sandbox)
    }

    /// Runs the tool on a line that it must reject as bad data, without a request and without a
    /// change of the store.
    #[track_caller]
    pub(crate) fn assert_rejected(&self, line: impl Into<Vec<u8>>) -> Finished {
        let requests = self.registry.requests().len();
        let files = files_below(&self.sandbox.store());
        let finished = self.tool().stdin(line).run().ends_with(65);
        finished.writes_only_its_failure();
        assert_eq!(self.registry.requests().len(), requests, "{finished:?}");
        assert_eq!(files_below(&self.sandbox.store()), files, "{finished:?}");
        finished
    }
}
