//! Tokens that expire while layers are read.

use soci_testkit::{
    faulty::{Fault, Faulty, Request, Rule},
    process::{Sandbox, Tool},
    store::assert_no_secret,
    store::assert_sound,
};

use crate::{input, registry_with_layers, soci_tool};

const USER: &str = "AWS";
const PASSWORD: &str = "canary-password";

/// Returns `soci-index` for the image of a registry, with the registry's user and password.
fn index(sandbox: &Sandbox, registry: &Faulty) -> Tool {
    let tool = soci_tool(sandbox).stdin(input(sandbox, registry));
    tool.env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
        .env("SOCI_VERBOSE", "2")
}

/// A3: a token that expires in the middle of a layer is renewed, and the layer resumes where it
/// broke.
#[test]
fn renews_a_token_that_expires_in_a_layer() {
    let length = 3 << 20;
    let setup = Faulty::setup().bearer(USER, PASSWORD).token_uses(3);
    let registry = registry_with_layers(setup, &[length]);
    let sandbox = Sandbox::new();
    // Two requests look for existing indexes; the third use of the token is for the layer.
    let cut = Fault::reset_after(1 << 20);
    registry.rule(Rule::on("GET", "*/blobs/*", cut).once());
    let finished = index(&sandbox, &registry).run().succeeds();
    assert_no_secret(&sandbox, &[&finished]);
    assert_sound(&sandbox.store());
    let resumed = registry.requests_to("GET", "*/blobs/*");
    let resumed = resumed.iter().filter(|entry| entry.status == Some(206));
    assert_eq!(resumed.count(), 1, "{}", registry.log());
    assert_eq!(registry.tokens_given(), 2, "{}", registry.log());
    assert!(registry.bytes_sent("GET", "*/blobs/*") < length + (64 << 10));
}

/// A3: requests whose token expired at the same time share one new token.
#[test]
fn shares_a_new_token_among_requests() {
    // Two requests look for existing indexes, and each of four layers takes two: two tokens of five
    // uses.
    let setup = Faulty::setup().bearer(USER, PASSWORD).token_uses(5);
    let registry = registry_with_layers(setup, &[300_000; 4]);
    let cut = Fault::reset_after(100_000);
    let is_first = |request: &Request| {
        request.header("range").is_none() && request.header("authorization").is_some()
    };
    registry.rule(Rule::on("GET", "*/blobs/*", cut).when(is_first));
    let sandbox = Sandbox::new();
    let tool = index(&sandbox, &registry).env("SOCI_JOBS", "4");
    let finished = tool.run().succeeds();
    assert_no_secret(&sandbox, &[&finished]);
    assert_eq!(registry.tokens_given(), 2, "{}", registry.log());
}

/// A1: a registry whose ztocs are reused does not get the password of the image's registry.
#[test]
fn sends_no_password_to_the_registry_of_another_image() {
    for setup in [
        Faulty::setup().basic(USER, PASSWORD),
        Faulty::setup().bearer(USER, PASSWORD),
    ] {
        let registry = registry_with_layers(setup.clone(), &[300_000]);
        let other = registry_with_layers(setup, &[300_000]);
        let sandbox = Sandbox::new();
        let line = input(&sandbox, &registry);
        let mut document: serde_json::Value = serde_json::from_slice(&line).expect("a document");
        document["plan"]["reuseFrom"] = serde_json::json!([format!("{}/app:v1", other.host())]);
        other.clear_requests();
        let finished = index(&sandbox, &registry)
            .stdin(format!("{document}\n"))
            .run()
            .succeeds();
        assert_no_secret(&sandbox, &[&finished]);
        assert!(!other.requests().is_empty());
        for entry in other.requests() {
            assert_eq!(entry.request.header("authorization"), None);
        }
    }
}
