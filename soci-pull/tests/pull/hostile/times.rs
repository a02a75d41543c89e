//! Answers that do not end, or are meant to be decoded.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use soci_testkit::{
    faulty::{Fault, Faulty, Reply, Rule, registry_with_layers},
    process::Sandbox,
};

use super::{BLOBS, INDEX, LIMIT, MANIFESTS, bearer, pull};
use crate::{assert_fails, fetching::Fixture, soci_tool};

/// C7: a document of any kind that comes byte by byte is not awaited to its end.
#[test]
fn gives_up_on_documents_that_trickle() {
    let trickle = || Fault::drip(1, Duration::from_millis(50));
    for (what, setup, glob, tries) in [
        ("manifest", Faulty::setup(), MANIFESTS, 6),
        ("configuration", Faulty::setup(), BLOBS, 5),
        ("token", bearer(), "/token*", 1),
    ] {
        let registry = registry_with_layers(setup.rule(Rule::on("GET", glob, trickle())), &[3000]);
        let sandbox = Sandbox::new();
        let says = ["slower than 1 KiB/s"];
        assert_fails(&sandbox, pull(&sandbox, &registry), 69, &says);
        let requests = registry.count("GET", glob);
        assert!(requests <= tries, "{what}: {}", registry.log());
        assert!(registry.bytes_sent("GET", glob) < 500, "{what}");
    }
}

/// C7: a document that is fast enough to go on for an hour has ten idle timeouts.
#[test]
fn gives_up_on_a_document_that_takes_too_long() {
    let drip = Reply::new(200).header("Content-Type", INDEX);
    let drip = drip
        .body_of(b' ', LIMIT)
        .drip(100, Duration::from_millis(20));
    let fixture = Fixture::new();
    fixture.registry.fault("GET", MANIFESTS, Fault::reply(drip));
    let tool = soci_tool(&fixture.sandbox).arg(fixture.reference());
    let finished = tool.env("SOCI_IDLE_TIMEOUT", "0.2").run();
    let finished = fixture.assert_failed(finished, 69);
    finished.says("not complete within 2 s").says("(1 try, ");
    assert_eq!(fixture.registry.count("GET", MANIFESTS), 1);
}

/// C15: the body of a refusal that comes byte by byte is read for a moment.
#[test]
fn reads_a_refusal_that_trickles_for_a_moment() {
    let fixture = Fixture::new();
    let slow = Fault::error(418, "TEAPOT", &"x".repeat(60_000));
    let slow = slow.and(|_, reply| reply.drip(1, Duration::from_millis(50)));
    fixture.registry.fault("GET", MANIFESTS, slow);
    let finished = pull(&fixture.sandbox, &fixture.registry);
    fixture.assert_failed(finished, 76).says("status 418");
    assert!(fixture.registry.bytes_sent("GET", MANIFESTS) < 500);
    assert_eq!(fixture.registry.count("GET", MANIFESTS), 1);
}

/// C15: heads that are long, or never end, are not read to their end.
#[test]
fn rejects_heads_without_end() {
    let long = "x".repeat(100_000);
    let challenge = format!("Bearer realm=\"http://127.0.0.1/{long}\"");
    let location = format!("/v2/app/{long}");
    let many_redirects = Fault::edit(|request, _| {
        let next = request.path.len();
        Reply::new(307).header(
            "Location",
            format!("/v2/app/manifests/{}", "n".repeat(next)),
        )
    });
    for (what, fault, code, requests) in [
        (
            "more than the library reads",
            Fault::edit(|_, reply| reply.more_headers(100_000)),
            69,
            6,
        ),
        ("one field", Fault::header("X-Long", &long), 76, 1),
        (
            "a challenge",
            Fault::status(401).and(move |_, reply| reply.header("WWW-Authenticate", &challenge)),
            76,
            1,
        ),
        ("a location", Fault::redirect(307, &location), 76, 1),
        ("redirects", many_redirects, 76, 6),
        (
            "interim responses without end",
            Fault::edit(|_, reply| reply.interim(usize::MAX)),
            69,
            6,
        ),
    ] {
        let fixture = Fixture::new();
        fixture.registry.fault("GET", MANIFESTS, fault);
        let tool = soci_tool(&fixture.sandbox).arg(fixture.reference());
        let finished = tool.env("SOCI_FIRST_BYTE_TIMEOUT", "0.3").run();
        let finished = fixture.assert_failed(finished, code);
        assert!(finished.stderr.len() < 9000, "{what}: {}", finished.stderr);
        let sent = fixture.registry.requests().len();
        assert!(sent <= requests, "{what}: {}", fixture.registry.log());
    }
}

/// C15: interim responses before the head are read over.
#[test]
fn reads_over_thousands_of_interim_responses() {
    let fixture = Fixture::new();
    let interim = Fault::edit(|_, reply| reply.interim(5000));
    fixture.registry.fault("GET", MANIFESTS, interim);
    pull(&fixture.sandbox, &fixture.registry).succeeds();
}

/// C11: no answer is decoded, so that a bomb stays small.
#[test]
fn decodes_no_answer() {
    let bomb = || {
        // 300 KB that `gunzip` would make 300 MB of.
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        for _ in 0..300 {
            gzip.write_all(&vec![b' '; 1 << 20]).expect("a buffer");
        }
        let reply = Reply::new(200).header("Content-Encoding", "gzip");
        Fault::reply(reply.body(gzip.finish().expect("a buffer")))
    };
    for (setup, glob, code) in [
        (Faulty::setup(), MANIFESTS, 65),
        (Faulty::setup(), BLOBS, 65),
        (bearer(), "/token*", 76),
    ] {
        let registry = registry_with_layers(setup.rule(Rule::on("GET", glob, bomb())), &[3000]);
        let sandbox = Sandbox::new();
        let finished = pull(&sandbox, &registry).ends_with(code);
        finished.writes_only_its_failure();
    }
}
