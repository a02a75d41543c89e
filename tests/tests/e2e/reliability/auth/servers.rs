//! Servers to which the tools must send no credentials, or no request at all.

use std::net::TcpListener;

use soci_testkit::{
    faulty::{Fault, Faulty, Reply},
    namespace,
    network::{add_addresses, add_host},
    process::{Sandbox, Tool},
};

use super::{USER, app, assert_fails, logged_in, pull, registry_with_layers};
use crate::stages::{indexed, stage};

/// The name of a public registry.
const NAME: &str = "registry.example";
const PUBLIC: &str = "203.0.113.10";

/// Listens on the port of HTTPS at addresses to which no tool may connect.
fn listen_at(addresses: &[&str]) -> Vec<TcpListener> {
    let traps = addresses.iter().map(|address| {
        let trap = TcpListener::bind(format!("{address}:443")).expect("a free port");
        trap.set_nonblocking(true).expect("a socket");
        trap
    });
    traps.collect()
}

#[track_caller]
fn assert_no_connections(traps: &[TcpListener], why: &str) {
    for trap in traps {
        let touched = trap.accept().is_ok();
        assert!(!touched, "{trap:?} was connected to: {why}");
    }
}

/// URLs that a public registry must not name as its token server, each with a part of the error.
const REALMS: [(&str, &str); 15] = [
    ("http://registry.example/token", "it is plain HTTP"),
    ("http://127.0.0.1/token", "it is plain HTTP"),
    ("https://169.254.169.254/token", "internal"),
    ("https://2852039166/token", "internal"),
    ("https://127.0.0.1/token", "internal"),
    ("https://localhost/token", "internal"),
    ("https://[::1]/token", "internal"),
    ("https://[::ffff:10.0.0.5]/token", "internal"),
    ("https://0.0.0.0/token", "internal"),
    ("https://10.0.0.5/token", "internal"),
    ("https://inside.example/token", "internal"),
    ("file:///etc/passwd", "it is not HTTP"),
    ("ftp://registry.example/token", "it is not HTTP"),
    (
        "https://u:p@registry.example/token",
        "its URL contains credentials",
    ),
    ("nowhere", "the token server's URL is malformed"),
];

/// Returns challenges, each with a part of the error.
fn challenges() -> Vec<(String, &'static str)> {
    let realm = |(realm, reason): (&str, _)| {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
        (challenge, reason)
    };
    let mut challenges: Vec<_> = REALMS.into_iter().map(realm).collect();
    let not_understood = "the response names no way to log in that the tools know";
    let long = format!("https://{NAME}/token?{}", "x".repeat(64 << 10));
    challenges.push(realm((&long, "bytes of header fields")));
    // A header that ends within the realm, and another header that would begin there.
    let split = format!("https://{NAME}/token\r\nX-Injected: yes");
    challenges.push(realm((&split, not_understood)));
    challenges.push(("Digest realm=\"a\",nonce=\"b\"".to_owned(), not_understood));
    challenges
}

/// A7: a token server at an internal address, without HTTPS or with a malformed URL gets no
/// request.
#[test]
fn refuses_token_servers_at_unsafe_urls() {
    namespace::isolated(&[], || {
        let inside = ["169.254.169.254", "10.0.0.5"];
        add_addresses(&inside);
        add_host(NAME, &[PUBLIC]);
        add_host("inside.example", &[inside[1]]);
        let traps = listen_at(&[inside[0], inside[1], "127.0.0.1", "[::1]"]);
        let registry = Faulty::setup()
            .tls(&[NAME])
            .address(PUBLIC)
            .port(443)
            .start();
        let open = registry_with_layers(Faulty::setup(), &[3000]);
        let sandbox = Sandbox::new();
        let line = indexed(&sandbox, &app(&open));
        let with_ca_file = |tool: Tool| logged_in(tool).env("SOCI_CA_FILE", registry.ca_file());
        for (challenge, reason) in challenges() {
            registry.clear_rules();
            let refusal = Reply::error(401, "UNAUTHORIZED", "who are you");
            let refusal = refusal.header("WWW-Authenticate", challenge);
            registry.fault("*", "/v2/*", Fault::reply(refusal));
            let reference = format!("{NAME}/app:v1");
            let ended = with_ca_file(pull(&sandbox, &reference)).run();
            assert_fails(&sandbox, ended, 76, &[reason]);
            let push = stage(&sandbox, "soci-push").args(["--to", &reference]);
            let ended = with_ca_file(push).stdin(line.clone()).run();
            assert_fails(&sandbox, ended, 76, &[reason]);
            assert_no_connections(&traps, reason);
            assert_eq!(registry.count("*", "/token*"), 0, "{}", registry.log());
        }
        for entry in registry.requests() {
            assert_eq!(entry.request.header("authorization"), None);
        }
    });
}

/// A9: no credentials are sent over plain HTTP to another machine.
#[test]
fn sends_no_credentials_over_plain_http() {
    namespace::isolated(&[], || {
        add_host(NAME, &[PUBLIC]);
        let open = registry_with_layers(Faulty::setup(), &[3000]);
        for setup in [
            Faulty::setup().basic(USER, super::PASSWORD),
            Faulty::setup().bearer(USER, super::PASSWORD),
        ] {
            let registry = setup.address(PUBLIC).port(5000).sharing(&open).start();
            let sandbox = Sandbox::new();
            let line = indexed(&sandbox, &app(&open));
            let reference = format!("{NAME}:5000/app:v1");
            let expected = ["credentials", "not sent over plain HTTP", NAME];
            let plain = |tool: Tool| logged_in(tool).arg("--plain-http");
            let ended = plain(pull(&sandbox, &reference)).run();
            assert_fails(&sandbox, ended, 78, &expected);
            let push = stage(&sandbox, "soci-push").args(["--to", &reference]);
            let ended = plain(push).stdin(line).run();
            assert_fails(&sandbox, ended, 78, &expected);
            for entry in registry.requests() {
                assert_eq!(entry.request.header("authorization"), None);
            }
        }
        // A registry without authentication may be read over plain HTTP with `--plain-http`.
        let registry = Faulty::setup()
            .address(PUBLIC)
            .port(5000)
            .sharing(&open)
            .start();
        let sandbox = Sandbox::new();
        let reference = format!("{NAME}:5000/app:v1");
        let ended = logged_in(pull(&sandbox, &reference))
            .arg("--plain-http")
            .run();
        ended.succeeds();
        drop(registry);
    });
}
