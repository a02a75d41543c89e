//! Credential helpers: how they are called, what they see, and what they may answer.

use std::fs;

use soci_testkit::{
    credential_helper::{with_credential_helpers, write_credential_helper},
    faulty::Faulty,
    process::{Sandbox, Tool},
    running::wait_until_dead,
    store::assert_no_secret,
};

use crate::{
    app, assert_fails,
    registry_access::{PASSWORD, USER},
    registry_with_layers, soci_tool,
};

/// Returns a pull that finds the sandbox's helpers.
fn pull(sandbox: &Sandbox, reference: &str) -> Tool {
    with_credential_helpers(sandbox, soci_tool(sandbox).arg(reference))
}

/// A10: a helper that hangs is killed after the timeout.
#[test]
fn kills_a_helper_that_hangs() {
    let setup = Faulty::setup().basic(USER, PASSWORD);
    let registry = registry_with_layers(setup, &[3000]);
    let sandbox = Sandbox::new();
    let pid = sandbox.path().join("pid");
    let script = format!("echo $$ >{}; exec sleep 1000", pid.display());
    write_credential_helper(&sandbox, "e2e", Some(&script));
    // Long enough for a busy machine to start the helper.
    let tool = pull(&sandbox, &app(&registry)).env("SOCI_HELPER_TIMEOUT", "3");
    assert_fails(&sandbox, tool.run(), 78, &["no answer within 3 s"]);
    let pid = fs::read_to_string(pid).expect("a helper that was started");
    wait_until_dead(pid.trim());
}

/// A10: a helper without credentials for the registry is not a failure.
#[test]
fn accepts_a_helper_without_credentials() {
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    let closed = Faulty::setup().basic(USER, PASSWORD).sharing(&open).start();
    let not_found = "echo credentials not found in native keychain; exit 1";
    let empty = r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#;
    for script in [not_found, empty] {
        let sandbox = Sandbox::new();
        write_credential_helper(&sandbox, "e2e", Some(script));
        pull(&sandbox, &app(&open)).run().succeeds();
        let finished = pull(&sandbox, &app(&closed)).run();
        assert_fails(
            &sandbox,
            finished,
            77,
            &["`docker-credential-e2e`", "no credentials for"],
        );
    }
}

/// A10: a helper is called once, with `get` and one line of input.
#[test]
fn calls_a_helper_once_with_the_registry() {
    let setup = Faulty::setup().bearer(USER, PASSWORD).token_uses(1);
    let registry = registry_with_layers(setup, &[3000]);
    let sandbox = Sandbox::new();
    let calls = sandbox.path().join("calls");
    let script = format!(
        "printf '%s ' \"$@\" >>{calls}; cat >>{calls}\n\
         printf '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'",
        calls = calls.display()
    );
    write_credential_helper(&sandbox, "e2e", Some(&script));
    let finished = pull(&sandbox, &app(&registry)).run().succeeds();
    assert_no_secret(&sandbox, &[&finished]);
    let calls = fs::read_to_string(calls).expect("what the helper read");
    assert_eq!(calls, format!("get {}\n", registry.host()));
    // No reference can put a second line into the helper's input.
    let evil = format!("{}\nhost=evil.example/app:v1", registry.host());
    pull(&sandbox, &evil).run().ends_with(2);
}

/// A10: a helper gets none of the secrets in the tool's environment.
#[test]
fn hides_other_secrets_from_a_helper() {
    let setup = Faulty::setup().basic(USER, PASSWORD);
    let registry = registry_with_layers(setup, &[3000]);
    let sandbox = Sandbox::new();
    let seen = sandbox.path().join("seen");
    let script = format!(
        "env >{}; printf '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'",
        seen.display()
    );
    // `pass` opens a store on this machine and needs its variables.
    write_credential_helper(&sandbox, "pass", Some(&script));
    let tool = pull(&sandbox, &app(&registry))
        .env("AWS_ACCESS_KEY_ID", "canary-key")
        .env("AWS_SECRET_ACCESS_KEY", "canary-secret")
        .env("AWS_SESSION_TOKEN", "canary-session")
        .env("HTTPS_PROXY", "http://u:canary-proxy@127.0.0.1:9")
        .env("GNUPGHOME", "/the/keys");
    let finished = tool.run().succeeds();
    assert_no_secret(&sandbox, &[&finished]);
    let seen = fs::read_to_string(seen).expect("the helper's environment");
    let secret = seen.contains("canary") || seen.contains("SOCI_");
    assert!(!secret, "{seen}");
    for needed in ["HOME=", "PATH=", "GNUPGHOME=/the/keys"] {
        assert!(seen.contains(needed), "{needed}: {seen}");
    }
}
