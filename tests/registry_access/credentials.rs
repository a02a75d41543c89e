//! Credentials that are missing, wrong or not sufficient.

use soci_testkit::{
    faulty::{Fault, Faulty},
    process::Sandbox,
};

use super::{PASSWORD, USER, logged_in};
use crate::{access, app, assert_fails, registry_with_layers};

/// Starts a registry for each scheme of authentication, with an image of one layer.
fn registries() -> [Faulty; 2] {
    [
        Faulty::setup().basic(USER, PASSWORD),
        Faulty::setup().bearer(USER, PASSWORD),
    ]
    .map(|setup| registry_with_layers(setup, &[3000]))
}

/// A1: without credentials the error names every source that was tried.
#[test]
fn names_the_sources_without_credentials() {
    for registry in registries() {
        let sandbox = Sandbox::new();
        let host = registry.host();
        let says = [
            host.as_str(),
            "denied",
            "SOCI_USERNAME and SOCI_PASSWORD: not set",
            ".docker/config.json`: not found",
            "docker login",
        ];
        let finished = access(&sandbox, &registry, &app(&registry)).run();
        assert_fails(&sandbox, finished, 77, &says);
        let requests = registry.count("*", "/v2/*");
        assert!(
            requests <= crate::MOST_DENIED_REQUESTS,
            "{}",
            registry.log()
        );
    }
}

/// A2: a wrong password is not tried again.
#[test]
fn tries_a_wrong_password_once() {
    for registry in registries() {
        let sandbox = Sandbox::new();
        let tool = logged_in(access(&sandbox, &registry, &app(&registry)));
        let finished = tool.env("SOCI_PASSWORD", "canary-wrong").run();
        let says = ["denied: ", "SOCI_USERNAME and SOCI_PASSWORD: rejected"];
        assert_fails(&sandbox, finished, 77, &says);
        let entries = registry.requests().into_iter();
        let shown = entries.filter(|entry| entry.request.header("authorization").is_some());
        let expected = 1..=crate::MOST_WRONG_PASSWORDS;
        assert!(expected.contains(&shown.count()), "{}", registry.log());
    }
}

/// A5: a denial is reported with the registry's words, and not tried again.
#[test]
fn does_not_retry_a_denial() {
    let setup = Faulty::setup().basic(USER, PASSWORD);
    let registry = registry_with_layers(setup, &[3000]);
    registry.fault(
        "GET|HEAD|PUT|POST",
        "*/app/*",
        Fault::error(403, "DENIED", "the policy of the repository says no"),
    );
    let sandbox = Sandbox::new();
    let finished = logged_in(access(&sandbox, &registry, &app(&registry))).run();
    let says = ["DENIED", "the policy of the repository says no"];
    assert_fails(&sandbox, finished, 77, &says);
    let requests = registry.requests().len();
    assert!(
        requests <= crate::MOST_DENIED_REQUESTS,
        "{}",
        registry.log()
    );
}
