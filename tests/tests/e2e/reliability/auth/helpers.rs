//! Row A10: credential helpers of Docker's configuration that are missing, say nonsense or hang.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use serde_json::json;
use soci_testkit::{
    faulty::Faulty,
    process::{Sandbox, Tool},
};

use super::{PASSWORD, USER, app, assert_fails, holding, pull, quick};
use crate::{
    reliability::{connect::timed, secrets::assert_no_canary},
    stages::{assert_sound, indexed, stage},
};

/// Names a helper for all registries in Docker's configuration; what it is to do is a script of the shell.
pub(crate) fn helper(sandbox: &Sandbox, name: &str, script: Option<&str>) {
    let config = json!({"credsStore": name}).to_string();
    sandbox.write("home/.docker/config.json", config);
    if let Some(script) = script {
        let file = format!("bin/docker-credential-{name}");
        let file = sandbox.write(&file, format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("a file of one's own");
    }
}

/// Lets a tool find the sandbox's helpers.
pub(crate) fn with_helpers(sandbox: &Sandbox, tool: Tool) -> Tool {
    let path = format!("{}:/usr/bin:/bin", sandbox.path().join("bin").display());
    tool.env("PATH", path)
}

/// Helpers that fail: name, script, and what is to be said of them.
const FAILURES: [(&str, Option<&str>, &str); 10] = [
    ("missing", None, "docker-credential-missing"),
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

#[test]
fn a10_a_helper_that_fails_is_named() {
    let open = holding(Faulty::setup(), &[3000]);
    let registry = Faulty::setup().basic(USER, PASSWORD).sharing(&open).start();
    let sandbox = Sandbox::new();
    let line = indexed(&sandbox, &app(&open));
    for (name, script, said) in FAILURES {
        helper(&sandbox, name, script);
        // The others answer, however busy the machine is.
        let limit = if name == "hanging" { "0.3" } else { "30" };
        let limited = |tool: Tool| {
            let tool = quick(with_helpers(&sandbox, tool));
            tool.env("SOCI_HELPER_TIMEOUT", limit)
        };
        let says = ["credential helper", said];
        let (ended, elapsed) = timed(limited(pull(&sandbox, &app(&registry))));
        assert!(elapsed < Duration::from_secs(25), "{name}: {elapsed:?}");
        assert_fails(&sandbox, ended, 78, &says);
        let push = stage(&sandbox, "soci-push").args(["--to", &app(&registry)]);
        let ended = limited(push).stdin(line.clone()).run();
        assert_fails(&sandbox, ended, 78, &says);
    }
    for entry in registry.requests() {
        assert_eq!(entry.request.header("authorization"), None);
    }
}

#[test]
fn a10_a_helper_that_hangs_is_killed() {
    let registry = holding(Faulty::setup().basic(USER, PASSWORD), &[3000]);
    let sandbox = Sandbox::new();
    let pid = sandbox.path().join("pid");
    let script = format!("echo $$ >{}; exec sleep 1000", pid.display());
    helper(&sandbox, "e2e", Some(&script));
    let tool = with_helpers(&sandbox, pull(&sandbox, &app(&registry)));
    // Long enough for a busy machine to start it.
    let ended = tool.env("SOCI_HELPER_TIMEOUT", "3").run();
    assert_fails(&sandbox, ended, 78, &["no answer within 3 s"]);
    let pid = fs::read_to_string(pid).expect("a helper that was started");
    // What is dead and not yet waited for has no command line.
    let line = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    assert!(line.is_empty(), "{}", String::from_utf8_lossy(&line));
}

#[test]
fn a10_a_helper_that_knows_nothing_is_no_failure() {
    let open = holding(Faulty::setup(), &[3000]);
    let closed = Faulty::setup().basic(USER, PASSWORD).sharing(&open).start();
    let not_found = "echo credentials not found in native keychain; exit 1";
    let nothing = r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#;
    for script in [not_found, nothing] {
        let sandbox = Sandbox::new();
        helper(&sandbox, "e2e", Some(script));
        let ended = with_helpers(&sandbox, pull(&sandbox, &app(&open))).run();
        ended.succeeds();
        let ended = with_helpers(&sandbox, pull(&sandbox, &app(&closed))).run();
        assert_fails(&sandbox, ended, 77, &["helper `e2e`: no credentials for"]);
    }
}

#[test]
fn a10_a_helper_is_asked_once_by_a_line_without_tricks() {
    let registry = holding(
        Faulty::setup().bearer(USER, PASSWORD).token_uses(1),
        &[3000],
    );
    let sandbox = Sandbox::new();
    let asked = sandbox.path().join("asked");
    let script = format!(
        "printf '%s ' \"$@\" >>{asked}; cat >>{asked}\n\
         printf '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'",
        asked = asked.display()
    );
    helper(&sandbox, "e2e", Some(&script));
    let ended = with_helpers(&sandbox, pull(&sandbox, &app(&registry)))
        .run()
        .succeeds();
    assert_no_canary(&sandbox, &[&ended]);
    assert_sound(&sandbox.store());
    let said = fs::read_to_string(asked).expect("what the helper was asked");
    assert_eq!(said, format!("get {}\n", registry.host()));
    // No reference can put a second line there.
    let evil = format!("{}\nhost=evil.example/app:v1", registry.host());
    pull(&sandbox, &evil).run().ends_with(2);
}

#[test]
fn a10_a_helper_sees_no_secrets_of_others() {
    let registry = holding(Faulty::setup().basic(USER, PASSWORD), &[3000]);
    let sandbox = Sandbox::new();
    let seen = sandbox.path().join("seen");
    let script = format!(
        "env >{}; printf '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'",
        seen.display()
    );
    // One that opens a store on this machine.
    helper(&sandbox, "pass", Some(&script));
    let tool = with_helpers(&sandbox, pull(&sandbox, &app(&registry)))
        .env("AWS_ACCESS_KEY_ID", "canary-key")
        .env("AWS_SECRET_ACCESS_KEY", "canary-secret")
        .env("AWS_SESSION_TOKEN", "canary-session")
        .env("HTTPS_PROXY", "http://u:canary-proxy@127.0.0.1:9")
        .env("GNUPGHOME", "/the/keys");
    let ended = tool.run().succeeds();
    assert_no_canary(&sandbox, &[&ended]);
    let seen = fs::read_to_string(seen).expect("what the helper saw");
    assert!(
        !seen.contains("canary") && !seen.contains("SOCI_"),
        "{seen}"
    );
    for needed in ["HOME=", "PATH=", "GNUPGHOME=/the/keys"] {
        assert!(seen.contains(needed), "{needed}: {seen}");
    }
}
