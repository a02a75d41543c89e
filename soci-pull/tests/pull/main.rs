//! Runs `soci-pull` alone, on layouts in a sandbox and against a registry in this process that
//! misbehaves on purpose.
//!
//! Rows such as C3 in a test's documentation are those of the table in `docs/reliability.md`.

mod archives;
mod auth;
mod docker_archives;
#[path = "../../../tests/every_tool/suite.rs"]
mod every_tool;
#[path = "../../../tests/fetching/suite.rs"]
mod fetching;
mod helpers;
mod hostile;
mod layouts;
mod links;
mod manifests;
mod messages;
mod network;
mod references;
#[path = "../../../tests/registry_access/suite.rs"]
mod registry_access;
mod roots;
mod sha512;
mod sharing;
mod signals;
mod special_files;
#[path = "../../../tests/every_tool/stores.rs"]
mod stores;
mod verbosity;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use soci_testkit::{
    document::DocumentBuilder,
    faulty::{Faulty, app, registry_with_layers},
    image::{self, Image, random_layer},
    message::assert_clear_errors,
    process::{Finished, Sandbox, Tool},
    store::assert_sound,
};

/// What the tool says when there is nothing to read.
const NO_INPUT: &str = "no reference is given";

/// How many requests are sent at most before a pull without credentials is denied.
const MOST_DENIED_REQUESTS: usize = 2;

/// How often a pull shows a wrong password at most.
const MOST_WRONG_PASSWORDS: usize = 1;

/// Returns `soci-pull`.
fn soci_tool(sandbox: &Sandbox) -> Tool {
    let tool = sandbox.program(cargo_bin!("soci-pull"));
    tool.env("SOCI_RETRY_WAIT", "0.005")
}

/// Returns the document of the image `app:v1` of a registry.
fn input(sandbox: &Sandbox, registry: &Faulty) -> Vec<u8> {
    DocumentBuilder::new(sandbox, &app(registry)).pulled(registry)
}

/// Returns `soci-pull`, about to store the layer of an image.
fn layer_fetch(sandbox: &Sandbox, _registry: &Faulty, reference: &str) -> Tool {
    soci_tool(sandbox).args(["--layers", reference])
}

/// Returns `soci-pull` for an image by a reference, with the most verbose log.
fn access(sandbox: &Sandbox, _registry: &Faulty, reference: &str) -> Tool {
    soci_tool(sandbox).arg(reference).env("SOCI_VERBOSE", "2")
}

/// Asserts that the layer is in the store.
#[track_caller]
fn assert_layer_used(fixture: &fetching::Fixture, document: &Value) {
    assert!(fixture.holds_layer(), "{document}");
}

/// Returns a sandbox with the layout `image` of two layers, and a registry with the same image.
fn layout_and_registry() -> (Sandbox, Faulty) {
    let sandbox = Sandbox::new();
    let layout = sandbox.path().join("image");
    let image = Image::new("linux/amd64")
        .layer(random_layer(1, 20_000))
        .layer(random_layer(2, 3000));
    image::write_layout(&layout, &[image]);
    let registry = Faulty::start();
    registry.push(&layout, "app:v1");
    (sandbox, registry)
}

/// Asserts that a pull failed with this status and these texts, and left nothing half-done.
#[track_caller]
fn assert_fails(sandbox: &Sandbox, finished: Finished, code: i32, says: &[&str]) -> Finished {
    let finished = finished.ends_with(code);
    let finished = says
        .iter()
        .fold(finished, |finished, text| finished.says(text));
    finished.writes_only_its_failure();
    assert_clear_errors(&finished);
    assert_sound(&sandbox.store());
    finished
}
