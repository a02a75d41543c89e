//! Runs `soci-index` alone, on layouts in a sandbox and against a registry in this process that
//! misbehaves on purpose.
//!
//! The plans that it reads are made by `soci_testkit::document`, so that no other tool has to run.
//! Rows such as D1 in a test's documentation are those of the table in `docs/reliability.md`.

mod adaptive;
mod documents;
#[path = "../../../tests/every_tool/suite.rs"]
mod every_tool;
#[path = "../../../tests/fetching/suite.rs"]
mod fetching;
mod layers;
mod limits;
mod odd_layers;
mod reuse;
mod sha512;
mod signals;
#[path = "../../../tests/every_tool/stages.rs"]
mod stages;
mod store;
#[path = "../../../tests/every_tool/stores.rs"]
mod stores;
mod tokens;
mod traffic;

use std::{collections::BTreeMap, sync::Mutex};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use soci_testkit::{
    document::{DocumentBuilder, ImageSource},
    faulty::{Faulty, app, registry_with_layers},
    process::{Finished, Sandbox, Tool},
};

/// What the tool says when there is nothing to read.
const NO_INPUT: &str = "no document on stdin";

/// Returns `soci-index`.
fn soci_tool(sandbox: &Sandbox) -> Tool {
    let tool = sandbox.program(cargo_bin!("soci-index"));
    tool.env("SOCI_RETRY_WAIT", "0.005")
}

/// Returns a plan for the image `app:v1` of a registry.
fn input(sandbox: &Sandbox, registry: &Faulty) -> Vec<u8> {
    planned(sandbox, registry, &app(registry))
}

/// Returns a plan for an image, and writes its manifests to the store.
fn planned(sandbox: &Sandbox, source: &(impl ImageSource + ?Sized), reference: &str) -> Vec<u8> {
    DocumentBuilder::new(sandbox, reference).planned(source)
}

/// Returns `soci-index`, about to index the layer of an image.
fn layer_fetch(sandbox: &Sandbox, registry: &Faulty, reference: &str) -> Tool {
    soci_tool(sandbox).stdin(planned(sandbox, registry, reference))
}

/// Asserts that the layer has the ztoc that it has without faults.
#[track_caller]
fn assert_layer_used(fixture: &fetching::Fixture, document: &Value) {
    assert_eq!(ztoc_of(document), ztoc_without_faults(fixture));
}

/// Returns the digest of a document's only ztoc.
fn ztoc_of(document: &Value) -> String {
    let digest = document["manifests"][0]["layers"][0]["ztoc"]["digest"].as_str();
    digest
        .unwrap_or_else(|| panic!("no ztoc in {document}"))
        .to_owned()
}

/// Returns the digest of the ztoc that a layer gets from a registry without faults.
fn ztoc_without_faults(fixture: &fetching::Fixture) -> String {
    static KNOWN: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().expect("no panic");
    let ztoc = known.entry(fixture.layer.clone()).or_insert_with(|| {
        let registry = Faulty::setup().sharing(&fixture.registry).start();
        let sandbox = Sandbox::new();
        let tool = soci_tool(&sandbox).stdin(input(&sandbox, &registry));
        ztoc_of(&only_document(&tool.run()))
    });
    ztoc.clone()
}

/// Returns the one document that a successful run wrote.
#[track_caller]
fn only_document(finished: &Finished) -> Value {
    let mut documents = finished.clone().succeeds().documents();
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0)
}
