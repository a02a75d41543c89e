//! The order of credential sources: a source that is rejected or cannot be used is followed by the
//! next.

use std::fs;

use serde_json::{Value, json};
use soci_testkit::{
    credential_helper::{with_credential_helpers, write_helper_script},
    faulty::{Fault, Faulty, Reply, Request, Rule},
    message::assert_clear_errors,
    process::{Finished, Sandbox, Tool},
    store::assert_no_secret,
};

use super::{PASSWORD, USER};
use crate::{access, app, assert_fails, registry_with_layers};

/// Wrong passwords, and the headers that show them with the name [`USER`].
const WRONG: [(&str, &str); 3] = [
    ("canary-old-1", "Basic QVdTOmNhbmFyeS1vbGQtMQ=="),
    ("canary-old-2", "Basic QVdTOmNhbmFyeS1vbGQtMg=="),
    ("canary-old-3", "Basic QVdTOmNhbmFyeS1vbGQtMw=="),
];

/// Starts a registry for each scheme of authentication, with an image of two layers.
fn registries() -> [Faulty; 2] {
    [
        Faulty::setup().basic(USER, PASSWORD),
        Faulty::setup().bearer(USER, PASSWORD),
    ]
    .map(|setup| registry_with_layers(setup, &[3000, 4000]))
}

/// Returns the text of a `config.json` with a password for a registry.
fn config(registry: &Faulty, password: &str) -> Value {
    json!({"auths": {registry.host(): {"username": USER, "password": password}}})
}

/// Returns a script that records its call and gives a password.
fn helper_script(sandbox: &Sandbox, password: &str) -> String {
    let calls = sandbox.path().join("calls").display().to_string();
    format!("echo called >>{calls}; printf '{{\"Username\":\"{USER}\",\"Secret\":\"{password}\"}}'")
}

fn count_calls(sandbox: &Sandbox) -> usize {
    let calls = fs::read_to_string(sandbox.path().join("calls"));
    calls.unwrap_or_default().lines().count()
}

/// Returns how many requests showed a wrong password.
fn count_shown(registry: &Faulty, header: &str) -> usize {
    let requests = registry.requests().into_iter();
    let shown = requests.filter(|entry| entry.request.header("authorization") == Some(header));
    shown.count()
}

/// Returns the tool with the sandbox's `config.json` and helpers.
fn configured(sandbox: &Sandbox, registry: &Faulty, config: &Value) -> Tool {
    sandbox.write("home/.docker/config.json", config.to_string());
    let tool = access(sandbox, registry, &app(registry));
    with_credential_helpers(sandbox, tool)
}

/// Asserts that a warning with these texts was given once.
#[track_caller]
fn assert_warns_once(finished: &Finished, texts: &[&str]) {
    let lines = finished.stderr.lines();
    let warnings = lines.filter(|line| line.contains("warning: "));
    let found = warnings.filter(|line| texts.iter().all(|text| line.contains(text)));
    assert_eq!(found.count(), 1, "{texts:?}: {}", finished.stderr);
}

/// A2: a password that the registry rejects is shown once, and the next source is used.
#[test]
fn uses_the_next_source_after_a_rejection() {
    for registry in registries() {
        let sandbox = Sandbox::new();
        let (wrong, header) = WRONG[0];
        let tool = configured(&sandbox, &registry, &config(&registry, PASSWORD));
        let tool = tool.env("SOCI_USERNAME", USER).env("SOCI_PASSWORD", wrong);
        let finished = tool.run().succeeds();
        assert_no_secret(&sandbox, &[&finished]);
        let texts = [
            "SOCI_USERNAME and SOCI_PASSWORD: rejected",
            ".docker/config.json",
        ];
        assert_warns_once(&finished, &texts);
        assert_eq!(count_shown(&registry, header), 1, "{}", registry.log());
    }
}

/// A2: the error lists the sources in the order in which they were tried, each with its outcome.
#[test]
fn lists_the_rejected_sources_in_order() {
    for registry in registries() {
        let sandbox = Sandbox::new();
        let authfile = config(&registry, WRONG[0].0).to_string();
        let authfile = sandbox.write("auth.json", authfile);
        let tool = configured(&sandbox, &registry, &config(&registry, WRONG[2].0));
        let tool = tool
            .env("SOCI_USERNAME", USER)
            .env("SOCI_PASSWORD", WRONG[1].0)
            .env("REGISTRY_AUTH_FILE", authfile);
        let finished = tool.run();
        let error = finished
            .stderr
            .lines()
            .find(|line| line.contains(" error: "));
        let error = error.expect("an error").to_owned();
        let outcomes = [
            "auth.json`: rejected (expired?)",
            "SOCI_USERNAME and SOCI_PASSWORD: rejected",
            ".docker/config.json`: rejected (expired?)",
        ];
        assert_fails(&sandbox, finished, 77, &outcomes);
        let positions = outcomes.map(|outcome| error.find(outcome));
        assert!(positions.is_sorted() && positions[0].is_some(), "{error}");
        for (_, header) in WRONG {
            assert_eq!(count_shown(&registry, header), 1, "{}", registry.log());
        }
    }
}

/// A10: a helper whose password is rejected is called once, however many requests are sent.
#[test]
fn calls_a_rejected_helper_once() {
    for registry in registries() {
        let sandbox = Sandbox::new();
        let script = helper_script(&sandbox, WRONG[0].0);
        write_helper_script(&sandbox, "own", &script);
        let mut settings = config(&registry, PASSWORD);
        settings["credHelpers"] = json!({registry.host(): "own"});
        let finished = configured(&sandbox, &registry, &settings).run().succeeds();
        assert_no_secret(&sandbox, &[&finished]);
        assert_warns_once(
            &finished,
            &["`docker-credential-own`", "rejected (expired?)"],
        );
        assert_eq!(count_calls(&sandbox), 1);
        assert_eq!(count_shown(&registry, WRONG[0].1), 1, "{}", registry.log());
    }
}

/// A10: a helper that cannot be used is a warning if another source has a password.
#[test]
fn warns_of_a_helper_if_another_source_works() {
    for (script, said) in [
        (None, "not installed"),
        (
            Some("echo canary-secret, here you are"),
            "not the expected JSON",
        ),
        (
            Some("echo the keychain is locked; exit 1"),
            "the keychain is locked",
        ),
        (Some("exec sleep 100"), "no answer within 0.5 s"),
    ] {
        for registry in registries() {
            let sandbox = Sandbox::new();
            if let Some(script) = script {
                write_helper_script(&sandbox, "own", script);
            }
            let mut settings = config(&registry, PASSWORD);
            settings["credHelpers"] = json!({registry.host(): "own"});
            let tool = configured(&sandbox, &registry, &settings);
            let finished = tool.env("SOCI_HELPER_TIMEOUT", "0.5").run().succeeds();
            assert_no_secret(&sandbox, &[&finished]);
            let texts = ["`docker-credential-own`", said, ".docker/config.json"];
            assert_warns_once(&finished, &texts);
        }
    }
}

/// Makes a registry give a token to everybody, and require it.
fn give_anonymous_tokens(registry: &Faulty) {
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"faulty\"",
        registry.url()
    );
    let refusal = Reply::error(401, "UNAUTHORIZED", "who are you");
    let refusal = Fault::reply(refusal.header("WWW-Authenticate", challenge));
    let is_unknown =
        |request: &Request| request.header("authorization") != Some("Bearer canary-anybody");
    registry.rule(Rule::on("*", "/v2/*", refusal).when(is_unknown));
    let token = Reply::new(200).body(r#"{"token":"canary-anybody"}"#);
    registry.fault("GET", "/token", Fault::reply(token));
}

/// A10: a helper that is not installed is a warning if the registry needs no credentials.
#[test]
fn warns_of_a_missing_helper_if_anonymous_access_works() {
    let registry = registry_with_layers(Faulty::setup(), &[3000, 4000]);
    give_anonymous_tokens(&registry);
    let sandbox = Sandbox::new();
    let settings = json!({"credsStore": "desktop", "auths": {registry.host(): {}}});
    let finished = configured(&sandbox, &registry, &settings).run().succeeds();
    assert_no_secret(&sandbox, &[&finished]);
    let texts = [
        "`docker-credential-desktop`",
        ".docker/config.json",
        "not installed",
        "without credentials",
    ];
    assert_warns_once(&finished, &texts);
    for entry in registry.requests_to("GET", "/token") {
        assert_eq!(entry.request.header("authorization"), None);
    }
}

/// A10: an error names the file and the helper if nothing else works, and what else was tried.
#[test]
fn names_the_file_and_the_helper_if_nothing_works() {
    for registry in registries() {
        let sandbox = Sandbox::new();
        let settings = json!({"credsStore": "desktop", "auths": {registry.host(): {}}});
        let finished = configured(&sandbox, &registry, &settings).run();
        let says = [
            "credential helper `docker-credential-desktop` of `",
            "home/.docker/config.json`: not installed",
            "SOCI_USERNAME and SOCI_PASSWORD: not set",
            "install `docker-credential-desktop`, or remove its name from",
        ];
        assert_fails(&sandbox, finished, 78, &says);
    }
}

/// A3: a password that expires in a run is renewed by the helper that gave it.
#[test]
fn asks_the_helper_that_worked_for_a_new_password() {
    let setup = Faulty::setup().basic(USER, PASSWORD);
    let registry = registry_with_layers(setup, &[3000, 4000]);
    let refusal = Reply::error(401, "UNAUTHORIZED", "expired");
    let refusal = Fault::reply(refusal.header("WWW-Authenticate", "Basic realm=\"x\""));
    let has_password = |request: &Request| request.header("authorization").is_some();
    let rule = Rule::on("GET|POST|PUT", "/v2/*", refusal);
    registry.rule(rule.when(has_password).skip(1).once());
    let sandbox = Sandbox::new();
    write_helper_script(&sandbox, "own", &helper_script(&sandbox, PASSWORD));
    let settings = json!({"credHelpers": {registry.host(): "own"}});
    let finished = configured(&sandbox, &registry, &settings).run().succeeds();
    assert_no_secret(&sandbox, &[&finished]);
    assert_eq!(count_calls(&sandbox), 2, "{}", registry.log());
}

/// A1: `SOCI_REGISTRY` must name a registry. No request is sent otherwise.
#[test]
fn rejects_a_malformed_registry_for_the_password() {
    let registry = registry_with_layers(Faulty::setup(), &[3000]);
    registry.clear_requests();
    for value in ["https://registry.example", "registry.example/app", "a b"] {
        let sandbox = Sandbox::new();
        let tool = access(&sandbox, &registry, &app(&registry));
        registry.clear_requests();
        let finished = tool.env("SOCI_REGISTRY", value).run();
        let says = ["`SOCI_REGISTRY`", value, "registry.example:5000"];
        assert_fails(&sandbox, finished, 78, &says);
        assert!(registry.requests().is_empty(), "{}", registry.log());
    }
}

/// A1: the password goes to the registry that `SOCI_REGISTRY` names, and to no other one.
#[test]
fn sends_the_password_to_the_named_registry_only() {
    for registry in registries() {
        let named = registry.host();
        for (name, code) in [(named.as_str(), 0), ("other.example", 77)] {
            let sandbox = Sandbox::new();
            let tool = super::logged_in(access(&sandbox, &registry, &app(&registry)));
            registry.clear_requests();
            let finished = tool.env("SOCI_REGISTRY", name).run();
            assert_no_secret(&sandbox, &[&finished]);
            let finished = finished.ends_with(code);
            if code == 0 {
                continue;
            }
            let finished = finished.says("only for `other.example`");
            let finished = finished.says("name it in SOCI_REGISTRY");
            assert_clear_errors(&finished);
            for entry in registry.requests() {
                assert_eq!(entry.request.header("authorization"), None);
            }
        }
    }
}
