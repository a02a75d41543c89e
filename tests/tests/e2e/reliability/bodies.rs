//! Bodies that stop, break, have another length or other bytes than they should, or never end.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use soci_testkit::{
    faulty::{FLIPPED, Fault, Faulty, Reply, Rule},
    image,
    process::Finished,
};

use super::fixture::{CUT, FETCHERS, Fixture};

/// A fault with its name.
type Case = (&'static str, Fault);

/// Lets each fault befall the first request for a layer, and asserts that the layer still arrives by a second one.
#[track_caller]
fn all_pass(mut fixture: Fixture, cases: &[Case]) {
    for fetcher in FETCHERS {
        for (name, fault) in cases {
            fixture.renew();
            let rule = fixture.on_blob(fault.clone()).once();
            fixture.fetched(fixture.fetch_under(fetcher, [rule]));
            assert_eq!(
                fixture.asked().len(),
                2,
                "{fetcher}, {name}: {}",
                fixture.registry.log()
            );
        }
    }
}

#[test]
fn c7_a_body_that_stops_or_trickles_is_resumed() {
    let fixture = Fixture::new().impatient();
    let silent = |offset| Fault::stall_after(offset, Duration::MAX);
    let cases = [
        ("silence at once", silent(0)),
        ("silence after a byte", silent(1)),
        ("silence on the way", silent(CUT)),
        ("silence before the last byte", silent(fixture.size - 1)),
        ("a trickle", Fault::drip(1, Duration::from_millis(20))),
    ];
    all_pass(fixture, &cases);
}

#[test]
fn c7_what_had_arrived_before_a_body_stopped_is_not_asked_for_again() {
    let mut fixture = Fixture::new().impatient();
    for fetcher in FETCHERS {
        fixture.renew();
        let rule = fixture
            .on_blob(Fault::stall_after(CUT, Duration::MAX))
            .once();
        fixture.fetched(fixture.fetch_under(fetcher, [rule]));
        assert_eq!(fixture.offsets(), [0, CUT]);
    }
}

#[test]
fn c8_a_broken_body_is_resumed_and_never_taken_for_a_whole_one() {
    let cases = [
        ("reset", Fault::reset_after(CUT)),
        ("end", Fault::close_after(CUT)),
        // Only the descriptor says that this is not all.
        (
            "end without a length",
            Fault::edit(|_, reply| reply.without_length().close_after(CUT)),
        ),
    ];
    all_pass(Fixture::new(), &cases);
    // With TLS, the end is one without a close_notify.
    all_pass(Fixture::of(Faulty::setup().tls(&[])), &cases);
}

#[test]
fn c9_another_length_is_refused_before_the_body() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        for (name, fault) in [
            ("shorter", Fault::edit(|_, reply| reply.truncate(CUT))),
            ("longer", Fault::edit(|_, reply| reply.extend(1))),
            (
                "longer by far",
                Fault::edit(|_, reply| reply.extend(1 << 30)),
            ),
            (
                "longer, and not said",
                Fault::edit(|_, reply| reply.extend(1).without_length()),
            ),
            (
                "endless, and not said",
                Fault::edit(|_, reply| reply.extend(usize::MAX).without_length()),
            ),
        ] {
            fixture.renew();
            let rule = fixture.on_blob(fault);
            let ended = fixture.fetch_under(fetcher, [rule]);
            let ended = fixture.fails(ended, 65);
            assert!(
                ended.stderr.contains("bytes, found"),
                "{name}: {}",
                ended.stderr
            );
            assert!(
                fixture.asked().len() <= 2,
                "{name}: {}",
                fixture.registry.log()
            );
        }
    }
}

#[test]
fn c9_a_length_that_is_not_said_is_counted() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        fixture.renew();
        let rule = fixture.on_blob(Fault::edit(|_, reply| reply.without_length()));
        fixture.fetched(fixture.fetch_under(fetcher, [rule]));
        assert_eq!(fixture.asked().len(), 1);
    }
}

#[test]
fn c9_two_lengths_are_no_reply() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        fixture.renew();
        let size = fixture.size;
        let rule = fixture.on_blob(Fault::edit(move |_, reply| {
            reply.two_lengths(size, size + 1)
        }));
        let ended = fixture.fetch_under(fetcher, [rule]);
        fixture.fails(ended, 69);
    }
}

#[test]
fn c10_wrong_bytes_are_fetched_once_more_and_then_named() {
    let mut fixture = Fixture::new();
    let size = fixture.size;
    for fetcher in FETCHERS {
        for at in [0, size / 2, size - 1] {
            fixture.renew();
            let mut bytes = fixture.registry.blob(&fixture.layer).unwrap();
            bytes[at] ^= FLIPPED;
            let rule = fixture.on_blob(Fault::flip(at));
            let ended = fixture.fetch_under(fetcher, [rule]);
            let ended = fixture.fails(ended, 65);
            let last = ended.stderr.lines().next_back().unwrap();
            let named = last.contains(&fixture.layer) && last.contains(&image::digest(&bytes));
            assert!(named, "{at}: {}", ended.stderr);
            assert_eq!(fixture.offsets(), [0, 0], "{fetcher}, {at}");
        }
    }
}

#[test]
fn c10_bytes_that_are_right_the_second_time_are_taken() {
    let fixture = Fixture::new();
    let flips = [0, fixture.size / 2, fixture.size - 1];
    let cases = flips.map(|at| ("a flipped byte", Fault::flip(at)));
    all_pass(fixture, &cases);
}

#[test]
fn c10_a_wrong_manifest_is_fetched_once_more() {
    let fixture = Fixture::new();
    let digest = fixture.registry.tags("app")["v1"].clone();
    let reference = format!("{}/app@{digest}", fixture.registry.host());
    fixture
        .registry
        .rule(Rule::on("GET", "*/manifests/*", Fault::flip(30)).once());
    fixture.tool("soci-pull").arg(&reference).run().succeeds();
    assert_eq!(fixture.registry.count("GET", "*/manifests/*"), 2);
    let fixture = Fixture::new();
    fixture
        .registry
        .fault("GET", "*/manifests/*", Fault::flip(30));
    let reference = format!("{}/app@{digest}", fixture.registry.host());
    let ended = fixture.tool("soci-pull").arg(reference).run().ends_with(65);
    assert!(ended.says(&digest).stdout.is_empty());
    assert_eq!(fixture.registry.count("GET", "*/manifests/*"), 2);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("a buffer");
    encoder.finish().expect("a buffer")
}

/// No encoding is asked for, so that a reply's bytes are what its digest is of, whatever it says of them.
#[test]
fn c11_an_encoding_is_neither_asked_for_nor_undone() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        fixture.renew();
        let rule = Rule::on("GET", "*", Fault::header("Content-Encoding", "gzip"));
        fixture.fetched(fixture.fetch_under(fetcher, [rule]));
        for entry in fixture.registry.requests() {
            let accepted = entry.request.header("accept-encoding");
            assert!(matches!(accepted, None | Some("identity")), "{accepted:?}");
        }
    }
    let bomb = gzip(&vec![0; 100 << 20]);
    for glob in ["*/manifests/*", "*/blobs/*"] {
        fixture.renew();
        let encoded = Reply::new(200)
            .header("Content-Encoding", "gzip")
            .body(bomb.clone());
        let ended =
            fixture.fetch_under("soci-pull", [Rule::on("GET", glob, Fault::reply(encoded))]);
        fixture.fails(ended, 65);
    }
}

#[test]
fn c15_what_a_refusal_says_is_cut_and_harmless() {
    let mut fixture = Fixture::new();
    let escapes = "\u{1b}[31mred\u{1b}]0;title\u{7}\r\n\u{202e}turned";
    let document = format!(
        "{{\"errors\":[{{\"code\":\"DENIED\\u001b[2J\",\"message\":\"{}\"}}]}}",
        "long ".repeat(10_000)
    );
    let reply = || Reply::new(400);
    for (name, reply) in [
        ("a gigabyte", reply().body_of(b'x', 1 << 30)),
        ("without end", reply().endless(b'x')),
        (
            "HTML",
            reply()
                .header("Content-Type", "text/html")
                .body(format!("<html>{}</html>", "<p>no</p>".repeat(5000))),
        ),
        (
            "not UTF-8",
            reply().body(vec![0xff, 0xfe, 0x80, 0x1b, b'[']),
        ),
        ("escapes", reply().body(escapes)),
        ("a document", reply().body(document)),
    ] {
        for glob in ["*/manifests/*", "*/blobs/*"] {
            fixture.renew();
            let rule = Rule::on("GET", glob, Fault::reply(reply.clone()));
            let ended = fixture.fetch_under("soci-pull", [rule]);
            let ended = fixture.fails(ended, 76).says("400");
            assert_harmless(name, &ended);
            // The rest of what went out is what the connection holds.
            assert!(
                fixture.registry.bytes_sent("GET", glob) < 64 << 20,
                "{name}"
            );
        }
    }
}

#[test]
fn c15_a_head_without_end_is_no_reply() {
    let fixture = Fixture::new();
    fixture.registry.fault(
        "GET",
        "*/manifests/*",
        Fault::edit(|_, reply| reply.more_headers(100_000)),
    );
    let ended = fixture.pull().run();
    assert_harmless("header lines", &fixture.fails(ended, 69));
}

/// Asserts that a message is of a readable length and leaves a terminal alone.
#[track_caller]
fn assert_harmless(name: &str, ended: &Finished) {
    for line in ended.stderr.lines() {
        assert!(line.chars().count() < 900, "{name}: {line}");
        assert!(
            !line.contains(|character: char| character.is_control() || character == '\u{202e}'),
            "{name}: {line:?}"
        );
    }
    assert!(
        ended.stderr.lines().count() <= 8,
        "{name}: {}",
        ended.stderr
    );
}
