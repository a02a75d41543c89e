//! The Makefile and the scripts of `docs/pipes.md`, with images that fail.

use std::fs;

use serde_json::Value;
use soci_testkit::{
    image::{self, Image},
    process::{Sandbox, Tool},
    registry::Registry,
    workspace,
};

use crate::read_back::{Repository, assert_pushed};
use crate::stages::{layer, only_document, shell};

/// Returns the block of `docs/pipes.md` in a language that contains `text`.
#[track_caller]
fn block(language: &str, text: &str) -> String {
    let page = workspace::root().join("docs/pipes.md");
    let page = fs::read_to_string(page).expect("docs/pipes.md");
    let start = format!("```{language}\n");
    let blocks = page.split(&start).skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.contains(text));
    block.expect("a block with this text").to_owned()
}

/// Pushes an image of one layer.
fn publish(registry: &Registry, name: &str, seed: u64) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(
        &folder,
        &[Image::new("linux/amd64").layer(layer(seed, 3000))],
    );
    registry.push(&folder, name);
}

/// Asserts that the last line of stdout is the document of a push to `app`, and that the registry
/// has what it names under the tag `v1-soci`.
#[track_caller]
fn assert_app_is_pushed(registry: &Registry, stdout: &str) -> Value {
    let line = stdout.lines().last().expect("a document");
    let document = serde_json::from_str(line).expect("a document");
    let name = "app";
    let repository = Repository { registry, name };
    assert_pushed(&repository, &document, Some(&repository.tag("v1-soci")));
    document
}

/// The Makefile leaves no file of a step that failed, and notices a tag that was moved.
#[test]
fn the_makefile_survives_failures_and_a_moved_tag() {
    let registry = Registry::distribution();
    let sandbox = Sandbox::new();
    sandbox.write("Makefile", block("make", "soci-pull"));
    let reference = format!("{}/app:v1", registry.host());
    let make = || shell(&sandbox, "make push IMAGE=\"$1\"").arg(&reference);
    let fails = |make: Tool, tool: &str, file: &str| {
        let ended = make.run().ends_with(2);
        ended.says(&format!("{tool}: error: {reference}: "));
        assert!(!sandbox.path().join(file).exists(), "{file} stays");
    };
    fails(make(), "soci-pull", "image.json");
    publish(&registry, "app:v1", 1);
    let required = make().env("SOCI_MIN_LAYER_SIZE", "10MiB");
    let required = required.env("SOCI_REQUIRE_LAYERS", "true");
    fails(required, "soci-plan", "plan.json");
    let first = assert_app_is_pushed(&registry, make().run().succeeds().text());
    publish(&registry, "app:v1", 2);
    let second = assert_app_is_pushed(&registry, make().run().succeeds().text());
    assert_ne!(first["converted"], second["converted"]);
}

/// The recipes list what failed and what was done, and try again what failed.
#[test]
fn the_recipes_find_what_failed() {
    let registry = Registry::distribution();
    publish(&registry, "good:v1", 1);
    let sandbox = Sandbox::new();
    let pipe = "soci-pull \"$@\" | soci-plan | soci-index | soci-push > pushed.json";
    let [missing, good] = ["app:v1", "good:v1"].map(|name| format!("{}/{name}", registry.host()));
    let pushed = shell(&sandbox, pipe).args([&missing, &good]).run();
    pushed.ends_with(80);
    publish(&registry, "app:v1", 2);
    let ended = shell(&sandbox, &block("sh", "select(.error)")).run();
    let text = ended.succeeds().text().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with(&format!("{missing}: ")), "{text}");
    assert_eq!(lines[1], good);
    assert_app_is_pushed(&registry, &text);
}

/// The scripts that edit and read documents pass failed images on.
#[test]
fn the_scripts_with_jq_pass_failures_on() {
    let registry = Registry::distribution();
    let sandbox = Sandbox::new();
    let edit = || {
        let reference = format!("{}/app:v1", registry.host());
        shell(&sandbox, &block("sh", "\"excluded\"")).env("IMAGE", reference)
    };
    let ended = edit().run().ends_with(80);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let failed = only_document(ended.documents());
    assert_eq!(failed["error"]["stage"], "soci-pull");
    publish(&registry, "app:v1", 1);
    assert_app_is_pushed(&registry, edit().run().succeeds().text());
    sandbox.write("plan.json", format!("{failed}\n"));
    let ended = shell(&sandbox, &block("sh", "soci-index < plan.json")).run();
    assert_eq!((ended.text(), &*ended.stderr), ("", ""));
}
