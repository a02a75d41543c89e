//! `-v`, which tells the decisions of a run, and `-vv`, which tells every request, as text and as
//! JSON.

use serde_json::Value;
use soci_testkit::{
    canary::assert_hidden,
    faulty::{Fault, Faulty, Rule},
    process::{Finished, Sandbox, Tool},
};

use crate::{
    app,
    registry_access::{PASSWORD, USER, logged_in},
    registry_with_layers, soci_tool,
};

/// Returns a pull of the image of a registry with its layers.
fn pull(sandbox: &Sandbox, registry: &Faulty, options: &[&str]) -> Tool {
    let tool = soci_tool(sandbox).args(["--layers", &app(registry)]);
    tool.args(options)
}

/// Runs a pull in a new sandbox with the given verbosity, once for each log format, and returns the
/// messages of both.
fn messages(registry: &Faulty, verbosity: &str, change: impl Fn(Tool) -> Tool) -> [String; 2] {
    ["text", "json"].map(|format| {
        let sandbox = Sandbox::new();
        let tool = pull(&sandbox, registry, &[verbosity, "--log-format", format]);
        let finished = change(tool).run().succeeds();
        assert_hidden("stderr", finished.stderr.as_bytes());
        finished.stderr
    })
}

/// Asserts that both formats hold a text.
#[track_caller]
fn assert_told(messages: &[String; 2], text: &str) {
    for said in messages {
        assert!(said.contains(text), "no `{text}` in:\n{said}");
    }
}

/// Parses the requests in a log of JSON lines.
fn requests(log: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    lines
        .filter(|line: &Value| line["message"] == "request")
        .collect()
}

#[test]
fn tells_redirects_without_their_signatures() {
    let storage = Faulty::start();
    storage.push_layers(&[3000]);
    let registry = Faulty::setup().presigned_at(&storage).start();
    let said = messages(&registry, "-v", |tool| tool);
    assert_told(&said, &format!("redirected to `{}`", storage.host()));
    assert!(!said[0].contains("GET "), "{}", said[0]);
    let [text, json] = messages(&registry, "-vv", |tool| tool);
    let url = format!("GET {}/", storage.url());
    let signed = text.lines().find(|line| line.contains(&url));
    let signed = signed.unwrap_or_else(|| panic!("no request to the storage:\n{text}"));
    assert!(
        signed.contains(": 200, ") && !signed.contains('?'),
        "{signed}"
    );
    let requests = requests(&json);
    let is_signed = |request: &&Value| {
        let url = request["url"].as_str().expect("a URL");
        url.starts_with(&storage.url())
    };
    let signed = requests
        .iter()
        .find(is_signed)
        .expect("a request to the storage");
    assert!(
        !signed["url"].as_str().expect("a URL").contains('?'),
        "{signed}"
    );
}

#[test]
fn tells_every_request_with_its_outcome() {
    let registry = registry_with_layers(Faulty::setup(), &[3000]);
    registry.rule(Rule::on("GET", "*/manifests/*", Fault::status(503)).once());
    let id = Fault::header("x-amzn-requestid", "0a1b-2c3d");
    registry.fault("GET", "*/blobs/*", id);
    let [_, json] = messages(&registry, "-vv", |tool| tool);
    let requests = requests(&json);
    let manifest = &requests[0];
    assert_eq!(manifest["level"], "trace", "{manifest}");
    assert_eq!(manifest["method"], "GET", "{manifest}");
    let url = format!("{}/v2/app/manifests/v1", registry.url());
    assert_eq!(manifest["url"], url.as_str(), "{manifest}");
    assert_eq!(manifest["status"], 200, "{manifest}");
    let layer = requests.last().expect("a request");
    assert!(
        layer["bytes"].as_u64().expect("a number") >= 3000,
        "{layer}"
    );
    assert!(layer["ms"].is_u64(), "{layer}");
    assert_eq!(layer["request_id"], "0a1b-2c3d", "{layer}");
    // The text run came first, and met the fault.
    registry.rule(Rule::on("GET", "*/manifests/*", Fault::status(503)).once());
    let [text, _] = messages(&registry, "-vv", |tool| tool);
    let told = text.lines().find(|line| line.contains("attempt 2"));
    let told = told.unwrap_or_else(|| panic!("no second attempt in:\n{text}"));
    assert!(told.contains(&format!("GET {url}: 200, ")), "{told}");
    assert!(text.contains("request id 0a1b-2c3d"), "{text}");
}

#[test]
fn tells_a_request_without_a_response() {
    let registry = registry_with_layers(Faulty::setup(), &[3000]);
    registry.rule(Rule::on("GET", "*/manifests/*", Fault::reset()).once());
    let [text, _] = messages(&registry, "-vv", |tool| tool);
    assert!(
        text.contains("manifests/v1: connection to the server failed"),
        "{text}"
    );
}

#[test]
fn tells_retries_and_the_byte_at_which_a_download_resumes() {
    let registry = registry_with_layers(Faulty::setup(), &[30_000]);
    let broken = || {
        Rule::on("GET", "*/blobs/*", Fault::close_after(10_000))
            .skip(1)
            .once()
    };
    for verbosity in ["-v", "-vv"] {
        registry.clear_rules();
        registry.rule(broken());
        let [text, _] = messages(&registry, verbosity, |tool| tool);
        assert!(text.contains("try 1 failed, next one in"), "{text}");
        assert!(text.contains("resuming at byte 10000 of "), "{text}");
    }
}

#[test]
fn tells_the_requests_for_tokens() {
    let registry = registry_with_layers(Faulty::setup().bearer(USER, PASSWORD), &[3000]);
    let said = messages(&registry, "-vv", logged_in);
    assert_told(&said, &format!("{}/token", registry.url()));
    assert!(said[0].contains("/token: 200, "), "{}", said[0]);
}

#[test]
fn tells_the_source_of_credentials_but_no_secret() {
    for setup in [
        Faulty::setup().basic(USER, PASSWORD),
        Faulty::setup().bearer(USER, PASSWORD),
    ] {
        let registry = registry_with_layers(setup, &[3000]);
        let said = messages(&registry, "-v", logged_in);
        let source = "with SOCI_USERNAME and SOCI_PASSWORD";
        assert_told(
            &said,
            &format!("`{}` is accessed {source}", registry.host()),
        );
    }
}

#[test]
fn tells_neither_unless_asked() {
    let registry = registry_with_layers(Faulty::setup().basic(USER, PASSWORD), &[3000]);
    let sandbox = Sandbox::new();
    let finished: Finished = logged_in(pull(&sandbox, &registry, &[])).run().succeeds();
    assert!(!finished.stderr.contains("debug: "), "{}", finished.stderr);
}
