//! Twelve secrets in runs that succeed and in runs that fail, none of which may appear anywhere.
//!
//! They are a password, a bearer token, an identity token, the secret and the stderr of a helper,
//! both parts of an AWS key and its session, ECR's password, the signature of a URL, the password
//! of a proxy, and a web identity. The servers require them, so a run that succeeds shows that each
//! was used.

use std::fs;

use serde_json::json;
use soci_testkit::{
    aws,
    credential_helper::{with_credential_helpers, write_credential_helper},
    faulty::{Fault, Faulty},
    namespace,
    process::{Finished, Sandbox, Tool, pipeline},
    proxy::Proxy,
};

use super::{assert_hidden, assert_no_secret};
use crate::{
    reliability::auth::{PASSWORD, USER, app, aws::ECR, registry_with_layers, with_short_waits},
    stages::{assert_sound, stage},
};

/// Faults after which a message may quote a request or response: methods, path and fault.
fn faults() -> Vec<(&'static str, &'static str, Fault)> {
    vec![
        (
            "*",
            "/v2/*",
            Fault::error(401, "UNAUTHORIZED", "who are you"),
        ),
        ("*", "/v2/*", Fault::error(403, "DENIED", "not you")),
        ("PUT", "*", Fault::status(500)),
        ("GET", "/s3/*", Fault::expired_url(403, "AccessDenied")),
        ("GET", "/s3/*", Fault::status(500)),
        ("GET", "*/sha256:*", Fault::reset_after(10)),
        (
            "*",
            "/v2/*",
            Fault::redirect(307, "https://user:canary-link@169.254.169.254/?canary=1"),
        ),
        ("*", "/token*", Fault::error(403, "DENIED", "no token")),
        ("*", "/token*", Fault::status(200)),
    ]
}

/// Runs the stages with the most verbose log.
fn run(
    sandbox: &Sandbox,
    reference: &str,
    format: &str,
    set: &dyn Fn(Tool) -> Tool,
) -> Vec<Finished> {
    let arguments = [vec![reference], vec![], vec!["--force"], vec![]];
    let names = ["soci-pull", "soci-plan", "soci-index", "soci-push"];
    let tools = names.into_iter().zip(arguments).map(|(name, arguments)| {
        let tool = set(with_short_waits(stage(sandbox, name)).args(arguments));
        tool.env("SOCI_VERBOSE", "2").env("SOCI_LOG_FORMAT", format)
    });
    pipeline(tools)
}

/// Runs the stages without faults and with each fault, and asserts that no secret shows.
#[track_caller]
fn assert_no_secret_shows(
    registry: &Faulty,
    reference: &str,
    set: &dyn Fn(&Sandbox, Tool) -> Tool,
) {
    for format in ["text", "json"] {
        let sandbox = Sandbox::new();
        let ended = run(&sandbox, reference, format, &|tool| set(&sandbox, tool));
        assert_no_secret(&sandbox, &ended.iter().collect::<Vec<_>>());
        for ended in ended {
            ended.succeeds();
        }
    }
    for (number, (methods, glob, fault)) in faults().into_iter().enumerate() {
        registry.clear_rules();
        registry.fault(methods, glob, fault);
        let sandbox = Sandbox::new();
        let format = ["text", "json"][number % 2];
        let ended = run(&sandbox, reference, format, &|tool| set(&sandbox, tool));
        assert_no_secret(&sandbox, &ended.iter().collect::<Vec<_>>());
        assert_sound(&sandbox.store());
    }
    registry.clear_rules();
}

#[test]
fn shows_no_password_and_no_bearer_token() {
    let registry = registry_with_layers(Faulty::setup().bearer(USER, PASSWORD), &[3000]);
    assert_no_secret_shows(&registry, &app(&registry), &|_, tool| {
        tool.env("SOCI_USERNAME", USER)
            .env("SOCI_PASSWORD", PASSWORD)
    });
    assert!(registry.tokens_given() > 0);
}

#[test]
fn shows_no_identity_token() {
    let setup = Faulty::setup().bearer(USER, PASSWORD);
    let registry = registry_with_layers(setup.identity_token("canary-identity"), &[3000]);
    let host = registry.host();
    assert_no_secret_shows(&registry, &app(&registry), &|sandbox, tool| {
        let entry = json!({"auth": "", "identitytoken": "canary-identity"});
        let config = json!({"auths": {host.as_str(): entry}}).to_string();
        tool.env("SOCI_AUTHFILE", sandbox.write("auth.json", config))
    });
    assert!(registry.tokens_given() > 0);
}

/// A helper that writes a secret to stderr. It records the command line of the tool that runs it,
/// and its own command line and environment.
const HELPER: &str = r#"cat /proc/$PPID/cmdline /proc/$$/cmdline /proc/$$/environ >>SEEN
echo canary-helper-stderr >&2
printf '{"ServerURL":"","Username":"AWS","Secret":"canary-helper-secret"}'
exit STATUS"#;

#[test]
fn shows_nothing_of_a_credential_helper() {
    let setup = Faulty::setup().basic(USER, "canary-helper-secret");
    let registry = registry_with_layers(setup, &[3000]);
    let seen = Sandbox::new();
    let seen = seen.path().join("seen");
    let script = HELPER.replace("SEEN", &seen.display().to_string());
    let with_helper = |sandbox: &Sandbox, tool: Tool, status: &str| {
        let script = script.replace("STATUS", status);
        write_credential_helper(sandbox, "pass", Some(&script));
        // Another registry's password, and secrets that the helper does not need.
        with_credential_helpers(sandbox, tool)
            .env(
                "REGISTRY_AUTH_FILE",
                sandbox.home().join(".docker/config.json"),
            )
            .env("SOCI_USERNAME", USER)
            .env("SOCI_PASSWORD", PASSWORD)
            .env("SOCI_REGISTRY", "registry.example")
            .env("AWS_SECRET_ACCESS_KEY", "canary-secret-key")
            .env("HTTPS_PROXY", "http://user:canary-proxy@127.0.0.1:9")
    };
    let reference = app(&registry);
    assert_no_secret_shows(&registry, &reference, &|sandbox, tool| {
        with_helper(sandbox, tool, "0")
    });
    let sandbox = Sandbox::new();
    let ended = run(&sandbox, &reference, "text", &|tool| {
        with_helper(&sandbox, tool, "1")
    });
    assert_no_secret(&sandbox, &ended.iter().collect::<Vec<_>>());
    assert_eq!(ended[0].code(), 78, "{}", ended[0].stderr);
    let seen = fs::read(seen).expect("what the helper saw");
    let text = String::from_utf8_lossy(&seen);
    for name in ["soci-pull", "soci-index", "soci-push"] {
        assert!(text.contains(name), "{name} in:\n{text}");
    }
    assert_hidden("command lines and the helper's environment", &seen);
}

#[test]
fn shows_nothing_of_aws_and_of_a_proxy() {
    namespace::isolated(&[ECR], || {
        let setup = Faulty::setup().ecr().basic(USER, "canary-ecr-password");
        let registry = registry_with_layers(setup.tls(&[ECR]).port(443), &[3000]);
        let sts = aws::start_with_handler(Faulty::setup(), |request| {
            let form = String::from_utf8_lossy(&request.body);
            if form.contains("WebIdentityToken=canary-web-identity") {
                aws::assumed_role()
            } else {
                aws::sts_error("InvalidIdentityToken", "who are you")
            }
        });
        let api = aws::start_with_handler(Faulty::setup(), |request| {
            let header = |name| request.header(name).unwrap_or_default();
            if header("authorization").contains("Credential=canary-key/")
                && header("x-amz-security-token") == "canary-session"
            {
                aws::authorization_token(request, USER, "canary-ecr-password")
            } else {
                aws::json_error(400, "AccessDeniedException", "who are you")
            }
        });
        // `user:canary-proxy`
        let proxy = Proxy::setup()
            .authorization("Basic dXNlcjpjYW5hcnktcHJveHk=")
            .start();
        let proxy = format!("http://user:canary-proxy@{}", proxy.host());
        let reference = format!("{ECR}/app:v1");
        let as_role = |sandbox: &Sandbox, tool: Tool| {
            tool.env("SOCI_CA_FILE", registry.ca_file())
                .env("HTTPS_PROXY", &proxy)
                .env("AWS_ENDPOINT_URL_STS", sts.url())
                .env("AWS_ENDPOINT_URL_ECR", api.url())
                .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/builder")
                .env(
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    sandbox.write("token", "canary-web-identity"),
                )
        };
        assert_no_secret_shows(&registry, &reference, &as_role);
        for (server, refusal) in [
            (
                &sts,
                aws::sts_error("ExpiredTokenException", "Token expired"),
            ),
            (
                &api,
                aws::json_error(400, "AccessDeniedException", "not you"),
            ),
        ] {
            server.clear_rules();
            server.fault("*", "*", Fault::reply(refusal));
            let sandbox = Sandbox::new();
            let ended = run(&sandbox, &reference, "json", &|tool| {
                as_role(&sandbox, tool)
            });
            assert_no_secret(&sandbox, &ended.iter().collect::<Vec<_>>());
            assert_eq!(ended[0].code(), 77, "{}", ended[0].stderr);
        }
    });
}

#[test]
#[should_panic(expected = "a secret")]
fn the_search_finds_a_secret_in_plain_text() {
    assert_hidden("here", b"password: canary-password");
}

#[test]
fn the_search_finds_a_secret_in_base64() {
    // As `u:canary`, `us:canary` and `usr:canary`.
    for text in ["dTpjYW5hcnk=", "dXM6Y2FuYXJ5", "dXNyOmNhbmFyeQ=="] {
        let searched = std::panic::catch_unwind(|| assert_hidden("here", text.as_bytes()));
        assert!(searched.is_err(), "{text}");
    }
}
