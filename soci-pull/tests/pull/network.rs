//! Addresses, certificates and proxies.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::Stdio,
};

use soci_testkit::{
    faulty::Faulty,
    process::{Sandbox, Tool},
    store::assert_no_secret,
    store::assert_sound,
};

use crate::{
    app, assert_fails,
    registry_access::{PASSWORD, USER, logged_in},
    registry_with_layers, soci_tool,
};

/// B2: a registry that starts while the tool retries is used.
#[test]
fn waits_for_a_registry_that_starts_late() {
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    // Until a server listens there again, the port refuses connections.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("the port that was bound").port();
    drop(free);
    let sandbox = Sandbox::new();
    let tool = soci_tool(&sandbox).arg(format!("127.0.0.1:{port}/app:v1"));
    let mut command = tool.env("SOCI_RETRY_WAIT", "0.2").into_command();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the tool");
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut lines = stderr.lines().map(|line| line.expect("text"));
    let mut said = String::new();
    for line in lines.by_ref() {
        said.push_str(&line);
        if line.contains("failed, next one in") {
            break;
        }
    }
    let late = Faulty::setup().port(port).sharing(&open).start();
    said.extend(lines);
    let status = child.wait().expect("its end");
    assert!(status.success(), "{status}: {said}");
    let failures = said.matches("failed, next one in").count();
    assert!(failures <= 5, "{said}");
    assert_sound(&sandbox.store());
    assert_eq!(late.count("GET", "*/manifests/v1"), 1);
}

/// K4: a registry is reached by an IPv4 or IPv6 address in the reference.
#[test]
fn reads_from_an_ipv4_or_ipv6_address() {
    for setup in [
        Faulty::setup().address("::1"),
        Faulty::setup().address("::1").basic(USER, PASSWORD),
        Faulty::setup().address("127.0.0.1"),
    ] {
        let registry = registry_with_layers(setup, &[3000]);
        let sandbox = Sandbox::new();
        let tool = logged_in(soci_tool(&sandbox).arg(app(&registry)));
        let finished = tool.run().succeeds();
        assert_no_secret(&sandbox, &[&finished]);
        assert_eq!(finished.documents()[0]["image"], app(&registry));
    }
}

/// K2: a certificate file that is missing or malformed is a configuration error.
#[test]
fn names_a_certificate_file_that_cannot_be_used() {
    let registry = registry_with_layers(Faulty::setup().tls(&[]), &[3000]);
    let sandbox = Sandbox::new();
    let garbage = sandbox.write("garbage.pem", "no certificate");
    let pull = || -> Tool {
        let tool = soci_tool(&sandbox).arg("--plain-http=false");
        tool.arg(app(&registry)).env("SSL_CERT_DIR", "")
    };
    for file in [sandbox.path().join("nowhere.pem"), garbage] {
        let finished = pull().env("SSL_CERT_FILE", &file).run();
        let says = ["certificates", "SSL_CERT_FILE"];
        assert_fails(&sandbox, finished, 78, &says);
        let finished = pull().env("SOCI_CA_FILE", &file).run();
        let name = file.display().to_string();
        assert_fails(&sandbox, finished, 78, &["certificate file", &name]);
    }
    // The authority's own certificate is enough, by either variable.
    for variable in ["SSL_CERT_FILE", "SOCI_CA_FILE"] {
        let tool = pull().env(variable, registry.ca_file());
        tool.run().succeeds();
    }
    let requests = registry.requests();
    assert!(requests.iter().all(|entry| entry.status.is_some()));
}

/// K3: a proxy variable whose value is not a URL is a configuration error.
#[test]
fn names_a_proxy_variable_that_is_malformed() {
    let registry = registry_with_layers(Faulty::setup(), &[3000]);
    for variable in [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        for value in [
            "http://",
            "http://proxy.example:canary-port",
            "socks5://user:canary-proxy@proxy.example",
            "canary proxy",
            "http://[::1",
        ] {
            let sandbox = Sandbox::new();
            let tool = soci_tool(&sandbox).arg(app(&registry));
            let finished = tool.env(variable, value).run();
            let says = [variable, "is not the URL of a proxy"];
            assert_fails(&sandbox, finished, 78, &says);
        }
    }
    assert!(registry.requests().is_empty());
}
