//! Rows B and K3 to K5: names, connections, TLS, proxies and clocks.

mod clock;
mod proxy;
mod tls;

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use soci_testkit::{
    dns::{Answer, Dns},
    faulty::Faulty,
    namespace,
    network::{self, add_addresses, add_host, swallow},
    process::{Finished, Sandbox, Tool},
};

use super::auth::{app, assert_fails, holding, logged_in, pull, quick};
use crate::{
    reliability::secrets::assert_no_canary,
    stages::{assert_sound, indexed, stage},
};

/// A registry out in the world, with two addresses in each family.
const NAME: &str = "registry.example";
const FIRST: &str = "203.0.113.10";
const SECOND: &str = "203.0.113.11";
const FIRST_V6: &str = "2001:db8::10";

fn reference() -> String {
    format!("{NAME}:5000/app:v1")
}

/// Starts a registry with an image at an address.
fn at(address: &str) -> Faulty {
    holding(Faulty::setup().address(address).port(5000), &[3000])
}

/// Pulls by plain HTTP, waiting a second for a connection.
fn impatient(sandbox: &Sandbox, reference: &str) -> Tool {
    pull(sandbox, reference)
        .arg("--plain-http")
        .env("SOCI_CONNECT_TIMEOUT", "1")
}

/// Runs a tool and returns how long that took.
pub(crate) fn timed(tool: Tool) -> (Finished, Duration) {
    let started = Instant::now();
    let ended = tool.run();
    (ended, started.elapsed())
}

#[test]
fn b1_a_name_that_does_not_resolve() {
    namespace::isolated(&[], || {
        let dns = Dns::start(|name, _| match name {
            "unknown.example" => Answer::NoName,
            "silent.example" => Answer::Silence,
            _ => Answer::Failure,
        });
        network::resolve_by([127, 0, 0, 1].into());
        let open = holding(Faulty::setup(), &[3000]);
        for (name, tries) in [
            ("unknown.example", 2),
            ("broken.example", 6),
            ("silent.example", 6),
        ] {
            let sandbox = Sandbox::new();
            let line = indexed(&sandbox, &app(&open));
            let reference = format!("{name}/app:v1");
            let said = format!("host name `{name}` could not be resolved");
            let says = [said.as_str(), &format!("({tries} tries")];
            assert_fails(&sandbox, pull(&sandbox, &reference).run(), 69, &says);
            assert_eq!(dns.count(name), tries, "{name}");
            if tries == 2 {
                let push = stage(&sandbox, "soci-push").args(["--to", &reference]);
                let ended = quick(push).stdin(line).run();
                assert_fails(&sandbox, ended, 69, &[&said]);
            }
        }
    });
}

#[test]
fn b1_a_name_that_resolves_later() {
    namespace::isolated(&[], || {
        add_addresses(&[FIRST]);
        let registry = at(FIRST);
        let address = FIRST.parse().expect("an address");
        let dns = Dns::start(move |_, before| match before {
            0 => Answer::Failure,
            _ => Answer::Addresses(vec![address]),
        });
        network::resolve_by([127, 0, 0, 1].into());
        let sandbox = Sandbox::new();
        let ended = impatient(&sandbox, &reference()).run().succeeds();
        assert_no_canary(&sandbox, &[&ended]);
        assert!(dns.count(NAME) >= 2);
        assert!(!registry.requests().is_empty());
    });
}

/// Runs a tool that must succeed, does something once it has said that a try failed, and returns what it wrote.
#[track_caller]
fn mended<T>(tool: Tool, mend: impl FnOnce() -> T) -> (String, T) {
    let mut command = tool.into_command();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("a tool");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut said = String::new();
    let failed = lines.by_ref().map(|line| line.expect("text"));
    for line in failed {
        said.push_str(&line);
        if line.contains("failed, next one in") {
            break;
        }
    }
    let mended = mend();
    said.extend(lines.map(|line| line.expect("text")));
    let status = child.wait().expect("a child that was not waited for");
    assert!(status.success(), "{status}: {said}");
    (said, mended)
}

#[test]
fn b2_a_registry_that_comes_up_late() {
    let open = holding(Faulty::setup(), &[3000]);
    // A port that is free, and refused until there is somebody.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("the port that was bound").port();
    drop(free);
    let sandbox = Sandbox::new();
    let tool = pull(&sandbox, &format!("127.0.0.1:{port}/app:v1")).env("SOCI_RETRY_WAIT", "0.2");
    let (said, late) = mended(tool, || Faulty::setup().port(port).sharing(&open).start());
    assert!(said.matches("failed, next one in").count() <= 5, "{said}");
    assert_sound(&sandbox.store());
    assert_eq!(late.count("GET", "*/manifests/v1"), 1);
}

#[test]
fn b2_a_registry_that_never_comes_up() {
    let open = holding(Faulty::setup(), &[3000]);
    let sandbox = Sandbox::new();
    let line = indexed(&sandbox, &app(&open));
    let says = [
        "connection to `127.0.0.1:9` failed",
        "Connection refused",
        "(6 tries",
    ];
    let ended = pull(&sandbox, "127.0.0.1:9/app:v1").run();
    assert_fails(&sandbox, ended, 69, &says);
    let push = stage(&sandbox, "soci-push").args(["--to", "127.0.0.1:9/app:v1"]);
    let ended = quick(push).stdin(line).run();
    assert_fails(&sandbox, ended, 69, &says[..2]);
}

#[test]
fn b3_packets_that_vanish() {
    namespace::isolated(&[], || {
        add_host(NAME, &[FIRST]);
        let registry = at(FIRST);
        swallow(FIRST);
        let sandbox = Sandbox::new();
        let tool = impatient(&sandbox, &reference()).env("SOCI_CONNECT_TIMEOUT", "0.2");
        let (ended, elapsed) = timed(tool);
        assert_fails(
            &sandbox,
            ended,
            69,
            &["connection to `registry.example:5000` failed", "(6 tries"],
        );
        assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
        assert!(registry.requests().is_empty());
        let tool = impatient(&sandbox, &reference());
        let tool = tool.env("SOCI_CONNECT_TIMEOUT", "0.5");
        mended(tool, || network::spit_out(FIRST));
    });
}

#[test]
fn b3_the_second_address_is_tried() {
    namespace::isolated(&[], || {
        add_host(NAME, &[FIRST, SECOND]);
        swallow(FIRST);
        let registry = at(SECOND);
        let sandbox = Sandbox::new();
        let ended = impatient(&sandbox, &reference()).run().succeeds();
        assert_no_canary(&sandbox, &[&ended]);
        assert!(!ended.stderr.contains("failed"), "{}", ended.stderr);
        assert!(!registry.requests().is_empty());
    });
}

/// Addresses of a registry in their order, of which only the last one answers.
const ADDRESSES: [&[&str]; 4] = [
    &[FIRST, SECOND],
    &[FIRST_V6, SECOND],
    &[FIRST, "2001:db8::11"],
    &[FIRST_V6, "2001:db8::11"],
];

#[test]
fn b4_an_address_that_is_dead_is_passed_over() {
    namespace::isolated(&[], || {
        for (number, addresses) in ADDRESSES.iter().enumerate() {
            // Dead in both ways: by silence and by refusal.
            for silent in [true, false] {
                let name = format!("registry-{number}-{silent}.example");
                add_host(&name, addresses);
                if silent {
                    swallow(addresses[0]);
                }
                let registry = at(addresses[1]);
                let sandbox = Sandbox::new();
                let reference = format!("{name}:5000/app:v1");
                // Of a second, two addresses of one family get a half each, and the other family is asked after 0.3.
                let ended = impatient(&sandbox, &reference).run().succeeds();
                assert_no_canary(&sandbox, &[&ended]);
                // The dead address was no try: none is reported.
                let said = &ended.stderr;
                assert!(!said.contains("failed"), "{addresses:?} {silent}: {said}");
                assert_eq!(registry.count("GET", "*/manifests/v1"), 1);
                if silent {
                    network::spit_out(addresses[0]);
                }
            }
        }
    });
}

#[test]
fn k4_registries_that_are_reached_by_one_family_only() {
    // The address itself, as it stands in a reference.
    let open = holding(Faulty::setup(), &[3000]);
    for setup in [
        Faulty::setup().address("::1"),
        Faulty::setup()
            .address("::1")
            .basic(super::auth::USER, super::auth::PASSWORD),
        Faulty::setup().address("127.0.0.1"),
    ] {
        let registry = holding(setup, &[3000]);
        let sandbox = Sandbox::new();
        let ended = logged_in(pull(&sandbox, &app(&registry))).run().succeeds();
        assert_no_canary(&sandbox, &[&ended]);
        let document = &ended.documents()[0];
        assert_eq!(document["image"], app(&registry));
        let line = indexed(&sandbox, &app(&open));
        let push =
            stage(&sandbox, "soci-push").args(["--to", &format!("{}/new:v1", registry.host())]);
        logged_in(push).stdin(line).run().succeeds();
        assert_eq!(registry.tags("new").len(), 1);
    }
}

#[test]
fn k4_names_that_have_addresses_of_one_family_only() {
    namespace::isolated(&[], || {
        for address in [FIRST, FIRST_V6] {
            let name = format!("only-{}.example", address.len());
            add_host(&name, &[address]);
            let registry = at(address);
            let sandbox = Sandbox::new();
            let reference = format!("{name}:5000/app:v1");
            let ended = impatient(&sandbox, &reference).run().succeeds();
            assert_no_canary(&sandbox, &[&ended]);
            assert!(!registry.requests().is_empty());
        }
    });
}
