//! The errors of the network and of registries, read as a user does.

use std::{net::TcpListener, time::Duration};

use soci_testkit::{
    certificate::Flaw,
    faulty::{Fault, Faulty, Reply},
    image,
    message::assert_clear_errors,
    process::{Finished, Sandbox, Tool},
    proxy::Proxy,
};

use crate::{
    app,
    registry_access::{PASSWORD, USER, logged_in},
    registry_with_layers, soci_tool,
};

/// Returns a pull of an image with its layers, with short waits.
fn pull(sandbox: &Sandbox, reference: &str) -> Tool {
    soci_tool(sandbox)
        .args(["--layers", reference])
        .env("SOCI_FIRST_BYTE_TIMEOUT", "0.2")
        .env("SOCI_IDLE_TIMEOUT", "0.2")
        .env("SOCI_CONNECT_TIMEOUT", "1")
}

/// Asserts that a pull fails with this status and one clear error, which holds this text.
#[track_caller]
fn assert_clear(finished: Finished, code: i32, says: &str) {
    let finished = finished.ends_with(code).says(says);
    assert_clear_errors(&finished);
    let label = format!("{}: error: ", finished.name);
    let errors = finished
        .stderr
        .lines()
        .filter(|line| line.starts_with(&label));
    assert_eq!(errors.count(), 1, "{}", finished.stderr);
}

/// Faults of a registry: the path, the fault, the exit status and a part of the error.
fn faults() -> Vec<(&'static str, Fault, i32, &'static str)> {
    let manifest = "*/manifests/*";
    let layer = "*/blobs/*";
    vec![
        (
            manifest,
            Fault::error(401, "UNAUTHORIZED", "log in"),
            77,
            "log in",
        ),
        (
            manifest,
            Fault::error(403, "DENIED", "no access"),
            77,
            "no access",
        ),
        (
            manifest,
            Fault::error(404, "MANIFEST_UNKNOWN", "unknown"),
            80,
            "tag not found",
        ),
        (
            manifest,
            Fault::error(404, "NAME_UNKNOWN", "no such name"),
            80,
            "create the repository",
        ),
        (
            manifest,
            Fault::error(429, "TOOMANYREQUESTS", "slow down"),
            75,
            "throttled",
        ),
        (
            manifest,
            Fault::status(500),
            69,
            "the registry answered status 500",
        ),
        (
            manifest,
            Fault::reply(Reply::new(200).body("{")),
            65,
            "malformed",
        ),
        (
            manifest,
            Fault::stall_head(Duration::from_secs(30)),
            69,
            "no response within",
        ),
        (
            manifest,
            Fault::reset(),
            69,
            "connection to the registry failed",
        ),
        (
            manifest,
            Fault::redirect(307, "http://169.254.169.254/x"),
            76,
            "internal",
        ),
        (
            manifest,
            Fault::redirect(307, "https://u:p@registry.example/x"),
            76,
            "credentials",
        ),
        (manifest, Fault::flip(3), 65, "expected digest"),
        (
            layer,
            Fault::error(403, "DENIED", "no access"),
            77,
            "no access",
        ),
        (
            layer,
            Fault::error(404, "BLOB_UNKNOWN", "unknown"),
            80,
            "not found",
        ),
        (layer, Fault::flip(5), 65, "digest"),
        (layer, Fault::close_after(5), 69, "the registry broke off"),
        (
            layer,
            Fault::stall_after(5, Duration::from_secs(30)),
            69,
            "the registry broke off",
        ),
        (
            layer,
            Fault::reply(Reply::new(200).body("short")),
            65,
            "expected",
        ),
    ]
}

#[test]
fn an_error_names_the_registry_and_each_object_once() {
    for (path, fault, code, says) in faults() {
        let registry = registry_with_layers(Faulty::setup(), &[30_000]);
        registry.fault("GET", path, fault);
        let sandbox = Sandbox::new();
        assert_clear(pull(&sandbox, &app(&registry)).run(), code, says);
        let digest = registry.tags("app")["v1"].clone();
        let reference = format!("{}/app@{digest}", registry.host());
        let finished = pull(&sandbox, &reference).run();
        assert_clear_errors(&finished);
    }
}

#[test]
fn a_missing_image_is_named_once() {
    let registry = registry_with_layers(Faulty::setup(), &[3000]);
    let (host, digest) = (registry.host(), image::digest(b"nothing"));
    for (name, says) in [
        ("app:v9".to_owned(), "tag not found in the repository"),
        ("app".to_owned(), "tag `latest` not found in the repository"),
        (
            format!("app@{digest}"),
            "digest not found in the repository",
        ),
        (
            "other:v1".to_owned(),
            "create the repository, or check its name",
        ),
    ] {
        let sandbox = Sandbox::new();
        assert_clear(pull(&sandbox, &format!("{host}/{name}")).run(), 80, says);
    }
}

#[test]
fn errors_of_credentials_are_clear() {
    for setup in [
        Faulty::setup().basic(USER, PASSWORD),
        Faulty::setup().bearer(USER, PASSWORD),
    ] {
        let registry = registry_with_layers(setup, &[3000]);
        let sandbox = Sandbox::new();
        let finished = pull(&sandbox, &app(&registry)).run();
        assert_clear(finished, 77, "SOCI_USERNAME");
        let tool = logged_in(pull(&sandbox, &app(&registry)));
        let finished = tool.env("SOCI_PASSWORD", "canary-wrong").run();
        assert_clear(finished, 77, "denied");
    }
}

#[test]
fn errors_of_connections_are_clear() {
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host = listener.local_addr().expect("the port that was bound");
    drop(listener);
    let reference = format!("{host}/app:v1");
    assert_clear(pull(&sandbox, &reference).run(), 69, "Connection refused");
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    for (flaw, says) in [
        (Flaw::None, "its certificate is not signed by an authority"),
        (
            Flaw::SelfSigned,
            "its certificate is not signed by an authority",
        ),
        (Flaw::Expired, "its certificate has expired"),
        (
            Flaw::WrongHost,
            "its certificate is for `elsewhere.example`",
        ),
    ] {
        let registry = Faulty::setup().flawed_tls(&[], flaw).sharing(&open).start();
        let tool = pull(&sandbox, &app(&registry)).arg("--plain-http=false");
        let tool = match flaw {
            Flaw::None => tool,
            _ => tool.env("SOCI_CA_FILE", registry.ca_file()),
        };
        assert_clear(tool.run(), 69, says);
    }
}

#[test]
fn errors_of_proxies_are_clear() {
    let proxy = Proxy::setup().authorization("Basic canary").start();
    let sandbox = Sandbox::new();
    let tool = pull(&sandbox, "registry.example/app:v1").env("HTTPS_PROXY", proxy.url());
    assert_clear(tool.run(), 77, "the proxy asks for");
}
