//! Names, connections, TLS, proxies and clocks.

mod clock;
mod proxy;
mod tls;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use soci_testkit::{
    dns::{Answer, NameServer},
    faulty::Faulty,
    namespace,
    network::{self, add_addresses, add_host, drop_packets_to},
    process::{Finished, Sandbox, Tool},
};

use super::auth::{app, assert_fails, pull, registry_with_layers, with_short_waits};
use crate::{
    reliability::secrets::assert_no_secret,
    stages::{indexed, stage},
};

/// A public registry with two addresses in each family.
const NAME: &str = "registry.example";
const FIRST: &str = "203.0.113.10";
const SECOND: &str = "203.0.113.11";
const FIRST_V6: &str = "2001:db8::10";

fn reference() -> String {
    format!("{NAME}:5000/app:v1")
}

/// Starts a registry with an image at an address.
fn start_registry(address: &str) -> Faulty {
    registry_with_layers(Faulty::setup().address(address).port(5000), &[3000])
}

/// Returns a pull over plain HTTP with a connect timeout of a second.
fn pull_with_short_timeout(sandbox: &Sandbox, reference: &str) -> Tool {
    pull(sandbox, reference)
        .arg("--plain-http")
        .env("SOCI_CONNECT_TIMEOUT", "1")
}

/// Runs a tool, and returns how it ended and the time that it took.
pub(crate) fn run_timed(tool: Tool) -> (Finished, Duration) {
    let started = Instant::now();
    let ended = tool.run();
    (ended, started.elapsed())
}

/// B1: a name that does not exist is looked up twice, and six times when the name server fails.
#[test]
fn reports_a_name_that_does_not_resolve() {
    namespace::isolated(&[], || {
        let dns = NameServer::start(|name, _| match name {
            "unknown.example" => Answer::NoSuchName,
            "silent.example" => Answer::NoReply,
            _ => Answer::ServerFailure,
        });
        network::set_name_server([127, 0, 0, 1].into());
        let open = registry_with_layers(Faulty::setup(), &[3000]);
        for (name, tries) in [
            ("unknown.example", 2),
            ("broken.example", 6),
            ("silent.example", 6),
        ] {
            let sandbox = Sandbox::new();
            let line = indexed(&sandbox, &app(&open));
            let reference = format!("{name}/app:v1");
            let said = "could not be resolved";
            let says = [said, &format!("({tries} tries")];
            assert_fails(&sandbox, pull(&sandbox, &reference).run(), 69, &says);
            assert_eq!(dns.count(name), tries, "{name}");
            if tries == 2 {
                let push = stage(&sandbox, "soci-push").args(["--to", &reference]);
                let ended = with_short_waits(push).stdin(line).run();
                assert_fails(&sandbox, ended, 69, &[said]);
            }
        }
    });
}

/// B1: a name that resolves at the second try is used.
#[test]
fn uses_a_name_that_resolves_later() {
    namespace::isolated(&[], || {
        add_addresses(&[FIRST]);
        let registry = start_registry(FIRST);
        let address = FIRST.parse().expect("an address");
        let dns = NameServer::start(move |_, before| match before {
            0 => Answer::ServerFailure,
            _ => Answer::Addresses(vec![address]),
        });
        network::set_name_server([127, 0, 0, 1].into());
        let sandbox = Sandbox::new();
        let ended = pull_with_short_timeout(&sandbox, &reference())
            .run()
            .succeeds();
        assert_no_secret(&sandbox, &[&ended]);
        assert!(dns.count(NAME) >= 2);
        assert!(!registry.requests().is_empty());
    });
}

/// Runs a tool that must succeed, calls `repair` once the tool has reported a failed try, and
/// returns the tool's messages.
#[track_caller]
fn run_through_outage<T>(tool: Tool, repair: impl FnOnce() -> T) -> (String, T) {
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
    let repaired = repair();
    said.extend(lines.map(|line| line.expect("text")));
    let status = child.wait().expect("a child that was not waited for");
    assert!(status.success(), "{status}: {said}");
    (said, repaired)
}

/// B3: a host that does not answer is given up after the connect timeout of six tries, and used
/// when it comes back.
#[test]
fn retries_when_packets_vanish() {
    namespace::isolated(&[], || {
        add_host(NAME, &[FIRST]);
        let registry = start_registry(FIRST);
        drop_packets_to(FIRST);
        let sandbox = Sandbox::new();
        let tool =
            pull_with_short_timeout(&sandbox, &reference()).env("SOCI_CONNECT_TIMEOUT", "0.2");
        let (ended, elapsed) = run_timed(tool);
        assert_fails(
            &sandbox,
            ended,
            69,
            &["connection to the registry failed", "(6 tries"],
        );
        assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
        assert!(registry.requests().is_empty());
        let tool = pull_with_short_timeout(&sandbox, &reference());
        let tool = tool.env("SOCI_CONNECT_TIMEOUT", "0.5");
        run_through_outage(tool, || network::deliver_packets_to(FIRST));
    });
}

/// B3: the second address of a name is tried when the first does not answer.
#[test]
fn tries_the_second_address() {
    namespace::isolated(&[], || {
        add_host(NAME, &[FIRST, SECOND]);
        drop_packets_to(FIRST);
        let registry = start_registry(SECOND);
        let sandbox = Sandbox::new();
        let ended = pull_with_short_timeout(&sandbox, &reference())
            .run()
            .succeeds();
        assert_no_secret(&sandbox, &[&ended]);
        assert!(!ended.stderr.contains("failed"), "{}", ended.stderr);
        assert!(!registry.requests().is_empty());
    });
}

/// The addresses of a registry in their order; only the last one answers.
const ADDRESSES: [&[&str]; 4] = [
    &[FIRST, SECOND],
    &[FIRST_V6, SECOND],
    &[FIRST, "2001:db8::11"],
    &[FIRST_V6, "2001:db8::11"],
];

/// B4: an address that does not answer, or refuses, is skipped without counting as a try.
#[test]
fn skips_an_address_that_does_not_answer() {
    namespace::isolated(&[], || {
        for (number, addresses) in ADDRESSES.iter().enumerate() {
            // The first address does not answer, or it refuses.
            for silent in [true, false] {
                let name = format!("registry-{number}-{silent}.example");
                add_host(&name, addresses);
                if silent {
                    drop_packets_to(addresses[0]);
                }
                let registry = start_registry(addresses[1]);
                let sandbox = Sandbox::new();
                let reference = format!("{name}:5000/app:v1");
                // Two addresses of one family get half of the second each; the other family is
                // tried after 0.3 s.
                let ended = pull_with_short_timeout(&sandbox, &reference)
                    .run()
                    .succeeds();
                assert_no_secret(&sandbox, &[&ended]);
                // The first address does not count as a failed try.
                let said = &ended.stderr;
                assert!(!said.contains("failed"), "{addresses:?} {silent}: {said}");
                assert_eq!(registry.count("GET", "*/manifests/v1"), 1);
                if silent {
                    network::deliver_packets_to(addresses[0]);
                }
            }
        }
    });
}

/// K4: a name with only an IPv4 or only an IPv6 address is used.
#[test]
fn uses_names_with_addresses_of_one_family() {
    namespace::isolated(&[], || {
        for address in [FIRST, FIRST_V6] {
            let name = format!("only-{}.example", address.len());
            add_host(&name, &[address]);
            let registry = start_registry(address);
            let sandbox = Sandbox::new();
            let reference = format!("{name}:5000/app:v1");
            let ended = pull_with_short_timeout(&sandbox, &reference)
                .run()
                .succeeds();
            assert_no_secret(&sandbox, &[&ended]);
            assert!(!registry.requests().is_empty());
        }
    });
}
