//! Row A: credentials that are missing, wrong, expired or asked for by somebody else.

pub(crate) mod aws;
pub(crate) mod helpers;
mod places;

use std::path::Path;

use soci_testkit::{
    faulty::{Fault, Faulty, Reply, Rule, Setup},
    image::{self, Image},
    process::{Finished, Sandbox, Tool},
};

use crate::{
    reliability::secrets::assert_no_canary,
    stages::{Stages, assert_sound, indexed, layer, planned, stage},
};

pub(crate) const USER: &str = "AWS";
pub(crate) const PASSWORD: &str = "canary-password";

/// Puts an image with layers of these sizes into a registry, as `app:v1`.
pub(crate) fn push_image(registry: &Faulty, layers: &[usize]) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    write_image(&folder, layers);
    registry.push(&folder, "app:v1");
}

fn write_image(folder: &Path, layers: &[usize]) {
    let mut image = Image::new("linux/amd64");
    for (seed, length) in (1..).zip(layers) {
        image = image.layer(layer(seed, *length));
    }
    image::write_layout(folder, &[image]);
}

/// Starts a registry with such an image in it.
pub(crate) fn holding(setup: Setup, layers: &[usize]) -> Faulty {
    let registry = setup.start();
    push_image(&registry, layers);
    registry
}

/// Returns the image's reference in a registry.
pub(crate) fn app(registry: &Faulty) -> String {
    format!("{}/app:v1", registry.host())
}

/// Lets a tool wait no longer than it must.
pub(crate) fn quick(tool: Tool) -> Tool {
    tool.env("SOCI_RETRY_WAIT", "0.005")
}

/// Lets a tool know the registries' password.
pub(crate) fn logged_in(tool: Tool) -> Tool {
    quick(tool)
        .env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
}

/// Returns a pull of an image, which talks as much as it can.
pub(crate) fn pull(sandbox: &Sandbox, reference: &str) -> Tool {
    let tool = stage(sandbox, "soci-pull").arg(reference);
    quick(tool).env("SOCI_VERBOSE", "2")
}

/// Returns a push to a registry of what was indexed from another one, which holds the same.
pub(crate) fn push(sandbox: &Sandbox, open: &Faulty, to: &Faulty) -> Tool {
    let line = indexed(sandbox, &app(open));
    let tool = stage(sandbox, "soci-push").args(["--to", &app(to)]);
    quick(tool).env("SOCI_VERBOSE", "2").stdin(line)
}

/// Asserts how a tool failed, and that it left nothing behind and told no secret.
#[track_caller]
pub(crate) fn assert_fails(sandbox: &Sandbox, ended: Finished, code: i32, says: &[&str]) {
    let mut ended = ended.ends_with(code);
    for text in says {
        ended = ended.says(text);
    }
    assert!(ended.stdout.is_empty(), "{}", ended.text());
    assert_sound(&sandbox.store());
    assert_no_canary(sandbox, &[&ended]);
}

#[test]
fn a1_no_credentials_anywhere() {
    for setup in [
        Faulty::setup().basic(USER, PASSWORD),
        Faulty::setup().bearer(USER, PASSWORD),
    ] {
        let open = holding(Faulty::setup(), &[3000]);
        let registry = setup.sharing(&open).start();
        let sandbox = Sandbox::new();
        let host = registry.host();
        let tried = [
            host.as_str(),
            "denied",
            "SOCI_USERNAME and SOCI_PASSWORD: not set",
            ".docker/config.json`: not found",
            "docker login",
        ];
        let ended = pull(&sandbox, &app(&registry)).run();
        assert_fails(&sandbox, ended, 77, &tried);
        assert!(registry.count("*", "/v2/*") <= 2, "{}", registry.log());
        let before = registry.requests().len();
        let ended = push(&sandbox, &open, &registry).run();
        assert_fails(&sandbox, ended, 77, &tried);
        let after = registry.requests().len();
        assert!(after - before <= 4, "{}", registry.log());
    }
}

#[test]
fn a2_a_wrong_password_is_tried_once() {
    for setup in [
        Faulty::setup().basic(USER, PASSWORD),
        Faulty::setup().bearer(USER, PASSWORD),
    ] {
        let open = holding(Faulty::setup(), &[3000]);
        let registry = setup.sharing(&open).start();
        let sandbox = Sandbox::new();
        let wrong = |tool| logged_in(tool).env("SOCI_PASSWORD", "canary-wrong");
        let shown = || {
            let entries = registry.requests().into_iter();
            let shown = entries.filter(|entry| entry.request.header("authorization").is_some());
            shown.count()
        };
        let ended = wrong(pull(&sandbox, &app(&registry))).run();
        assert_fails(&sandbox, ended, 77, &["denied", "authentication required"]);
        assert_eq!(shown(), 1, "{}", registry.log());
        let ended = wrong(push(&sandbox, &open, &registry)).run();
        assert_fails(&sandbox, ended, 77, &["denied", "authentication required"]);
        // For each of two blobs at a time: to look for it, which means nothing where it fails, and to send it.
        assert!(shown() <= 1 + 2 * 2, "{}", registry.log());
    }
}

#[test]
fn a3_token_expires_in_mid_run() {
    let registry = holding(
        Faulty::setup().bearer(USER, PASSWORD).token_uses(2),
        &[3000, 4000],
    );
    let sandbox = Sandbox::new();
    let ended = logged_in(pull(&sandbox, &app(&registry)))
        .arg("--layers")
        .run()
        .succeeds();
    assert_no_canary(&sandbox, &[&ended]);
    assert_sound(&sandbox.store());
    // The manifest, the configuration and two layers.
    assert_eq!(registry.tokens_given(), 2, "{}", registry.log());
    let layers = registry.requests_to("GET", "*/blobs/*");
    let layers = layers.iter().filter(|entry| entry.status == Some(200));
    assert_eq!(layers.count(), 3, "{}", registry.log());
}

#[test]
fn a3_token_expires_in_mid_blob() {
    let length = 3 << 20;
    let registry = holding(
        Faulty::setup().bearer(USER, PASSWORD).token_uses(3),
        &[length],
    );
    let sandbox = Sandbox::new();
    let line = {
        let open = Faulty::setup().sharing(&registry).start();
        let line = String::from_utf8(planned(&sandbox, &app(&open))).expect("a document");
        line.replace(&open.host(), &registry.host())
    };
    // Two look for indexes that there are, and the third use of the token is the layer.
    let cut = Fault::reset_after(1 << 20);
    registry.rule(Rule::on("GET", "*/blobs/*", cut).once());
    let tool = stage(&sandbox, "soci-index").stdin(line);
    let ended = logged_in(tool).env("SOCI_VERBOSE", "2").run().succeeds();
    assert_no_canary(&sandbox, &[&ended]);
    assert_sound(&sandbox.store());
    let resumed = registry.requests_to("GET", "*/blobs/*");
    let resumed = resumed.iter().filter(|entry| entry.status == Some(206));
    assert_eq!(resumed.count(), 1, "{}", registry.log());
    assert_eq!(registry.tokens_given(), 2, "{}", registry.log());
    assert!(registry.bytes_sent("GET", "*/blobs/*") < length + (64 << 10));
}

#[test]
fn a3_requests_that_fail_together_share_one_token() {
    // Two look for indexes that there are, and each layer comes in two pieces: that is two tokens of five uses.
    let registry = holding(
        Faulty::setup().bearer(USER, PASSWORD).token_uses(5),
        &[300_000; 4],
    );
    let open = Faulty::setup().sharing(&registry).start();
    let sandbox = Sandbox::new();
    let line = String::from_utf8(planned(&sandbox, &app(&open))).expect("a document");
    let cut = Fault::reset_after(100_000);
    let is_whole = |request: &soci_testkit::faulty::Request| {
        request.header("range").is_none() && request.header("authorization").is_some()
    };
    registry.rule(Rule::on("GET", "*/blobs/*", cut).when(is_whole));
    let tool = stage(&sandbox, "soci-index").stdin(line.replace(&open.host(), &registry.host()));
    let ended = logged_in(tool).env("SOCI_JOBS", "4").run().succeeds();
    assert_no_canary(&sandbox, &[&ended]);
    assert_eq!(registry.tokens_given(), 2, "{}", registry.log());
}

#[test]
fn a3_a_push_outlives_its_token() {
    let open = holding(Faulty::setup(), &[3000]);
    let registry = Faulty::setup().bearer(USER, PASSWORD).token_uses(3).start();
    let sandbox = Sandbox::new();
    let run = Stages::of(&sandbox, &[app(&open)])
        .push(&["--to", &app(&registry)])
        .run_with(logged_in);
    run.succeeds();
    let pushed = registry.tags("app");
    assert_eq!(pushed.keys().collect::<Vec<_>>(), ["v1"]);
    for entry in registry.requests_to("PUT", "*/manifests/*") {
        assert!(
            matches!(entry.status, Some(201 | 401)),
            "{}",
            registry.log()
        );
    }
}

#[test]
fn a5_a_denial_is_not_tried_again() {
    let open = holding(Faulty::setup(), &[3000]);
    let registry = Faulty::setup().basic(USER, PASSWORD).sharing(&open).start();
    registry.fault(
        "GET|HEAD|PUT|POST",
        "*/app/*",
        Fault::error(403, "DENIED", "the policy of the repository says no"),
    );
    let sandbox = Sandbox::new();
    let ended = logged_in(pull(&sandbox, &app(&registry))).run();
    let says = ["DENIED", "the policy of the repository says no"];
    assert_fails(&sandbox, ended, 77, &says);
    let asked = registry.requests().len();
    assert!(asked <= 2, "{}", registry.log());
    let ended = logged_in(push(&sandbox, &open, &registry)).run();
    assert_fails(&sandbox, ended, 77, &["DENIED"]);
}

/// Returns the refusal of a token whose scope is too narrow.
fn insufficient(registry: &Faulty) -> Fault {
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"faulty\",scope=\"repository:app:pull,push\",error=\"insufficient_scope\"",
        registry.url()
    );
    let refusal = Reply::error(401, "UNAUTHORIZED", "insufficient scope");
    Fault::reply(refusal.header("WWW-Authenticate", challenge))
}

/// Returns the scopes of all tokens that were asked for.
fn scopes(registry: &Faulty) -> Vec<String> {
    let tokens = registry.requests_to("GET", "/token").into_iter();
    let scope = tokens.map(|token| token.request.parameter("scope"));
    scope.flatten().collect()
}

const READING: &str = "repository:app:pull";
const WRITING: &str = "repository:app:pull,push";

#[test]
fn a6_a_push_gets_one_new_token_where_the_scope_does_not_suffice() {
    let open = holding(Faulty::setup(), &[3000]);
    let registry = Faulty::setup().bearer(USER, PASSWORD).start();
    let fault = insufficient(&registry);
    registry.rule(Rule::on("PUT", "*/manifests/*", fault).once());
    let sandbox = Sandbox::new();
    let push = push(&sandbox, &open, &registry);
    let ended = logged_in(push).run().succeeds();
    assert_no_canary(&sandbox, &[&ended]);
    // One to look, one to write, and one that replaces the latter.
    assert_eq!(scopes(&registry), [READING, WRITING, WRITING]);
}

#[test]
fn a6_a_pull_gets_the_scope_that_the_registry_wants_of_it() {
    let registry = holding(Faulty::setup().bearer(USER, PASSWORD), &[3000]);
    let fault = insufficient(&registry);
    registry.rule(
        Rule::on("GET", "*/manifests/*", fault.clone())
            .skip(1)
            .once(),
    );
    let sandbox = Sandbox::new();
    let ended = logged_in(pull(&sandbox, &app(&registry))).run().succeeds();
    assert_no_canary(&sandbox, &[&ended]);
    assert_eq!(scopes(&registry), [READING, WRITING]);
    // One that never has enough is not asked for ever.
    registry.fault("GET", "*/manifests/*", fault);
    let sandbox = Sandbox::new();
    let ended = logged_in(pull(&sandbox, &app(&registry))).run();
    assert_fails(&sandbox, ended, 77, &["insufficient scope"]);
    assert!(scopes(&registry).len() <= 4, "{}", registry.log());
}
