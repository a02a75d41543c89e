//! Certificates that must not be accepted, and servers that speak another protocol.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    thread,
};

use soci_testkit::{
    certificate::{Flaw, Trusted},
    faulty::Faulty,
    process::{Sandbox, Tool},
    wiretap::Wiretap,
};

use super::logged_in;
use crate::{access, app, assert_fails, registry_with_layers};

/// A flaw of a certificate, whether its authority is trusted, and what the error says.
const FLAWS: [(Flaw, bool, &[&str]); 4] = [
    (
        Flaw::None,
        false,
        &["not signed by an authority", "--ca-file"],
    ),
    (
        Flaw::SelfSigned,
        true,
        &["not signed by an authority", "--ca-file"],
    ),
    (
        Flaw::Expired,
        true,
        &["expired", "the clock of this machine says"],
    ),
    (
        Flaw::WrongHost,
        true,
        &["not for this host name", "elsewhere.example"],
    ),
];

/// Returns the tool for the image behind a wiretap. It uses one connection at a time.
fn tool_behind_wiretap(sandbox: &Sandbox, registry: &Faulty, tap: &Wiretap) -> Tool {
    let reference = format!("{}/app:v1", tap.host());
    let tool = logged_in(access(sandbox, registry, &reference));
    tool.env("SOCI_MAX_CONCURRENT_UPLOADS", "1")
}

/// B5: a certificate that must not be accepted ends the run at the first connection, before any
/// request.
#[test]
fn rejects_a_flawed_certificate_at_the_first_connection() {
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    for (flaw, trusted, says) in FLAWS {
        let registry = Faulty::setup().flawed_tls(&[], flaw).sharing(&open).start();
        let sandbox = Sandbox::new();
        let tap = Wiretap::in_front_of(&registry.host());
        let mut tool =
            tool_behind_wiretap(&sandbox, &registry, &tap).env("SOCI_PLAIN_HTTP", "false");
        if trusted {
            tool = tool.env("SOCI_CA_FILE", registry.ca_file());
        }
        let finished = tool.run();
        assert!(
            flaw == Flaw::Expired || !finished.stderr.contains("the clock"),
            "{}",
            finished.stderr
        );
        assert_fails(&sandbox, finished, 69, says);
        assert_eq!(tap.connections(), 1, "{flaw:?}");
        // Nothing was sent in plain text.
        assert!(!tap.received().contains("HTTP/1.1"), "{}", tap.received());
        assert!(registry.requests().is_empty());
    }
}

/// B5: a server's own certificate can be named with `--ca-file`, whether it is marked as that of an
/// authority or not.
#[test]
fn accepts_a_certificate_that_is_trusted_itself() {
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    for trusted in [Trusted::OwnAuthority, Trusted::OwnLeaf, Trusted::Leaf] {
        let registry = Faulty::setup().tls(&[]).trusting(trusted).sharing(&open);
        let registry = registry.start();
        let sandbox = Sandbox::new();
        let tool = access(
            &sandbox,
            &open,
            &format!("localhost:{}/app:v1", registry.port()),
        );
        let tool = tool.env("SOCI_PLAIN_HTTP", "false");
        tool.env("SOCI_CA_FILE", registry.ca_file())
            .run()
            .succeeds();
        assert!(!registry.requests().is_empty(), "{trusted:?}");
    }
}

/// B5: a certificate that is trusted itself must be valid, for the host's name, and the server's
/// own.
#[test]
fn rejects_a_flawed_certificate_that_is_trusted_itself() {
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    let another = Faulty::setup()
        .tls(&[])
        .trusting(Trusted::OwnAuthority)
        .start();
    for trusted in [Trusted::OwnAuthority, Trusted::OwnLeaf, Trusted::Leaf] {
        for (flaw, says) in [
            (Flaw::Expired, "expired"),
            (Flaw::WrongHost, "not for this host name"),
            (Flaw::None, "--ca-file"),
        ] {
            let setup = Faulty::setup().flawed_tls(&[], flaw).trusting(trusted);
            let registry = setup.sharing(&open).start();
            let named = match flaw {
                Flaw::None => another.ca_file(),
                _ => registry.ca_file(),
            };
            let sandbox = Sandbox::new();
            let tool = access(&sandbox, &open, &app(&registry)).env("SOCI_PLAIN_HTTP", "false");
            let finished = tool.env("SOCI_CA_FILE", named).run();
            assert_fails(&sandbox, finished, 69, &[says]);
            assert!(registry.requests().is_empty(), "{trusted:?} {flaw:?}");
        }
    }
}

/// Starts a server that answers everything as an HTTP server does, and returns its address.
fn plain_server() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("the port that was bound");
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            // A client may close the connection at any time.
            drop(client.read(&mut [0; 4096]));
            drop(client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    address.to_string()
}

/// B6: a server that speaks plain HTTP instead of TLS, or the reverse, is reported at the first
/// connection.
#[test]
fn reports_a_server_that_speaks_the_other_protocol() {
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    let secure = Faulty::setup().tls(&[]).sharing(&open).start();
    for (host, plain_http, says) in [
        (plain_server(), "false", "it does not speak TLS"),
        (secure.host(), "true", "it does not speak plain HTTP"),
    ] {
        let sandbox = Sandbox::new();
        let tap = Wiretap::in_front_of(&host);
        let tool = tool_behind_wiretap(&sandbox, &open, &tap).env("SOCI_PLAIN_HTTP", plain_http);
        assert_fails(&sandbox, tool.run(), 69, &[says]);
        assert_eq!(tap.connections(), 1);
    }
    assert!(secure.requests().is_empty());
}

/// B2: a registry that refuses connections is reported after six tries.
#[test]
fn reports_a_registry_that_refuses_connections() {
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    let sandbox = Sandbox::new();
    let finished = access(&sandbox, &open, "127.0.0.1:9/app:v1").run();
    let says = [
        "connection to the registry failed",
        "Connection refused",
        "(6 tries",
    ];
    assert_fails(&sandbox, finished, 69, &says);
}
