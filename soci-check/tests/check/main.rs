//! Runs `soci-check` alone, on layouts in a sandbox and against a registry in this process.

#[path = "../../../tests/every_tool/suite.rs"]
mod every_tool;
mod flips;
mod goldens;
mod memory;
mod registry;
mod report;
mod rules;
#[path = "../../../tests/every_tool/stores.rs"]
mod stores;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use soci_testkit::{
    document::DocumentBuilder,
    faulty::{Faulty, app},
    golden,
    process::{Sandbox, Tool},
};

/// What the tool says when there is nothing to read.
const NO_INPUT: &str = "no reference is given";

/// Returns `soci-check`.
fn soci_tool(sandbox: &Sandbox) -> Tool {
    let tool = sandbox.program(cargo_bin!("soci-check"));
    tool.env("SOCI_RETRY_WAIT", "0.005")
}

/// Returns the document of the image `app:v1` of a registry. The image has no SOCI index, which is
/// only a warning.
fn input(sandbox: &Sandbox, registry: &Faulty) -> Vec<u8> {
    DocumentBuilder::new(sandbox, &app(registry)).pulled(registry)
}

/// What the reference made of the image `single-arch`: the original with its SOCI index of version
/// 1, and the converted image.
struct Golden {
    sandbox: Sandbox,
    folder: PathBuf,
}

impl Golden {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let folder = golden::unpack_images(sandbox.path()).join("single-arch");
        Self { sandbox, folder }
    }

    /// Pushes the converted image to a registry as `app:v1-soci`.
    fn push_converted(&self, registry: &Faulty) {
        registry.push(&self.folder.join("v2"), "app:v1-soci");
        registry.put_blob("app", b"{}".to_vec());
    }

    /// Pushes the original to a registry as `app:v1`, with its SOCI index of version 1.
    fn push_version_1(&self, registry: &Faulty) {
        registry.push(&self.folder.join("layout"), "app:v1");
        let run = self.folder.join("v1");
        for blob in blobs(&run) {
            registry.put_blob("app", blob);
        }
        registry.put_blob("app", b"{}".to_vec());
        let soci_index = fs::read(run.join("soci-index.json")).expect("a SOCI index");
        registry.put_manifest(
            "app",
            "application/vnd.oci.image.manifest.v1+json",
            soci_index,
        );
    }

    /// Returns the digest of the first ztoc of the converted image.
    fn ztoc(&self) -> String {
        let image = fs::read(self.folder.join("image.json")).expect("image.json");
        let image: Value = serde_json::from_slice(&image).expect("JSON");
        text(&image["runs"][0]["ztocs"][0]).to_owned()
    }
}

/// Returns the blobs of a folder of the reference.
fn blobs(folder: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder.join("blobs/sha256")).expect("blobs");
    let read = |file: std::io::Result<fs::DirEntry>| {
        fs::read(file.expect("a readable folder").path()).expect("a blob")
    };
    files.map(read).collect()
}

/// Returns the rules of the findings of a document, with their severity.
fn rules(document: &Value) -> Vec<(&str, &str)> {
    let findings = document["check"]["findings"].as_array();
    let findings = findings.unwrap_or_else(|| panic!("no findings: {document}"));
    let mut rules = Vec::new();
    for finding in findings {
        rules.push((text(&finding["severity"]), text(&finding["rule"])));
    }
    rules
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
