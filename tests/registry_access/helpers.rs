//! Credential helpers that are missing, fail, hang, or write something else than credentials.

use std::time::{Duration, Instant};

use soci_testkit::{
    credential_helper::{with_credential_helpers, write_credential_helper},
    faulty::Faulty,
    process::Sandbox,
};

use super::{PASSWORD, USER};
use crate::{access, app, assert_fails, registry_with_layers};

/// Helpers that fail: the name, the script if there is one, and what the error says.
const FAILURES: [(&str, Option<&str>, &str); 10] = [
    ("missing", None, "`docker-credential-missing`"),
    (
        "broken",
        Some("echo the keychain is locked; exit 1"),
        "the keychain is locked",
    ),
    (
        "mute",
        Some("echo canary-stderr >&2; exit 3"),
        "it failed without an error message",
    ),
    (
        "prose",
        Some("echo canary-secret, here you are"),
        "not the expected JSON",
    ),
    (
        "halved",
        Some(r#"printf '{"Username":"u","Secret":"canary'"#),
        "not the expected JSON",
    ),
    (
        "wordy",
        Some("head -c 1048576 /dev/zero"),
        "more than 65536 bytes of output",
    ),
    (
        "endless",
        Some("exec yes canary-output"),
        "more than 65536 bytes of output",
    ),
    ("hanging", Some("exec sleep 100"), "no answer within 0.3 s"),
    (
        "../../x",
        None,
        "the name is not of the form [A-Za-z0-9._-]+",
    ),
    ("a/b", None, "the name is not of the form [A-Za-z0-9._-]+"),
];

/// A10: a credential helper that fails is named, and nothing it wrote is used.
#[test]
fn names_a_credential_helper_that_fails() {
    let setup = Faulty::setup().basic(USER, PASSWORD);
    let registry = registry_with_layers(setup, &[3000]);
    let sandbox = Sandbox::new();
    for (name, script, said) in FAILURES {
        write_credential_helper(&sandbox, name, script);
        // Helpers that answer get long enough to do so on a busy machine.
        let limit = if name == "hanging" { "0.3" } else { "30" };
        let tool = with_credential_helpers(&sandbox, access(&sandbox, &registry, &app(&registry)));
        let started = Instant::now();
        let finished = tool.env("SOCI_HELPER_TIMEOUT", limit).run();
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_secs(25), "{name}: {elapsed:?}");
        let says = ["credential helper", said, "/home/.docker/config.json"];
        assert_fails(&sandbox, finished, 78, &says);
    }
    for entry in registry.requests() {
        assert_eq!(entry.request.header("authorization"), None);
    }
}
