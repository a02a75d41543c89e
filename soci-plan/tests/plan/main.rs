//! Runs `soci-plan` alone, on documents that are made by `soci_testkit::document`.
//!
//! Rows such as H3 in a test's documentation are those of the table in `docs/reliability.md`.

mod decisions;
#[path = "../../../tests/every_tool/suite.rs"]
mod every_tool;
mod options;
#[path = "../../../tests/every_tool/stages.rs"]
mod stages;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use soci_testkit::{
    document::DocumentBuilder,
    faulty::Faulty,
    image::{self, Image},
    process::{Finished, Sandbox, Tool},
};

/// What the tool says when there is nothing to read.
const NO_INPUT: &str = "no document on stdin";

/// Returns `soci-plan`, which plans layers of every size.
fn soci_tool(sandbox: &Sandbox) -> Tool {
    let tool = sandbox.program(cargo_bin!("soci-plan"));
    tool.env("SOCI_MIN_LAYER_SIZE", "0")
}

/// Returns the document of the image `app:v1` of a registry.
fn input(sandbox: &Sandbox, registry: &Faulty) -> Vec<u8> {
    let reference = format!("{}/app:v1", registry.host());
    DocumentBuilder::new(sandbox, &reference).pulled(registry)
}

/// An image, and the document that `soci-pull` writes for it.
struct Pulled {
    sandbox: Sandbox,
    line: Vec<u8>,
}

impl Pulled {
    fn of(images: &[Image]) -> Self {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        image::write_layout(&layout, images);
        let line = DocumentBuilder::new(&sandbox, "oci:image").pulled(layout.as_path());
        Self { sandbox, line }
    }

    /// Plans the image.
    fn plan(&self, arguments: &[&str]) -> Finished {
        let tool = soci_tool(&self.sandbox).args(arguments);
        tool.stdin(self.line.clone()).run()
    }

    /// Plans the image, which must succeed, and returns the document.
    #[track_caller]
    fn planned(&self, arguments: &[&str]) -> Value {
        let mut documents = self.plan(arguments).succeeds().documents();
        assert_eq!(documents.len(), 1, "{documents:?}");
        documents.remove(0)
    }
}
