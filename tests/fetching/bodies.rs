//! Bodies that stop, break, have the wrong length or the wrong bytes, or never end.

use std::time::Duration;

use soci_testkit::{
    faulty::{FLIPPED, Fault, Faulty, Rule},
    image,
};

use super::{Fixture, LAYER_CUT};

/// A fault with its name.
type Case = (&'static str, Fault);

/// Lets each fault befall the first request for the layer, and asserts that a second request
/// completes it.
#[track_caller]
fn assert_second_request_completes(mut fixture: Fixture, cases: &[Case]) {
    for (name, fault) in cases {
        fixture.reset();
        let rule = fixture.on_blob(fault.clone()).once();
        fixture.assert_fetched(fixture.fetch_with([rule]));
        let log = fixture.registry.log();
        assert_eq!(fixture.requests().len(), 2, "{name}: {log}");
    }
}

/// C7: a body that stops or trickles is resumed by another request.
#[test]
fn resumes_a_body_that_stops_or_trickles() {
    let fixture = Fixture::new().with_short_timeouts();
    let silent = |offset| Fault::stall_after(offset, Duration::MAX);
    let cases = [
        ("silent before the first byte", silent(0)),
        ("silent after one byte", silent(1)),
        ("silent in the middle", silent(LAYER_CUT)),
        ("silent before the last byte", silent(fixture.size - 1)),
        ("trickling", Fault::drip(1, Duration::from_millis(20))),
    ];
    assert_second_request_completes(fixture, &cases);
}

/// C7: the bytes that arrived before a body stopped are not requested again.
#[test]
fn does_not_request_received_bytes_again_after_a_stall() {
    let fixture = Fixture::new().with_short_timeouts();
    let stall = Fault::stall_after(LAYER_CUT, Duration::MAX);
    let rule = fixture.on_blob(stall).once();
    fixture.assert_fetched(fixture.fetch_with([rule]));
    assert_eq!(fixture.offsets(), [0, LAYER_CUT]);
}

/// C8: a body that breaks off is resumed and never taken for a complete one.
#[test]
fn resumes_a_body_that_breaks_off() {
    let cases = [
        ("reset", Fault::reset_after(LAYER_CUT)),
        ("closed", Fault::close_after(LAYER_CUT)),
        // Only the size in the descriptor shows that bytes are missing.
        (
            "closed without a Content-Length",
            Fault::edit(|_, reply| reply.without_length().close_after(LAYER_CUT)),
        ),
    ];
    assert_second_request_completes(Fixture::new(), &cases);
    // With TLS, the connection ends without a close_notify.
    assert_second_request_completes(Fixture::of(Faulty::setup().tls(&[])), &cases);
}

/// C9: a body of the wrong length is bad data; one that does not end is not read to its end.
#[test]
fn rejects_a_body_of_the_wrong_length() {
    let mut fixture = Fixture::new();
    for (name, fault) in [
        ("shorter", Fault::edit(|_, reply| reply.truncate(LAYER_CUT))),
        ("longer", Fault::edit(|_, reply| reply.extend(1))),
        (
            "a gigabyte longer",
            Fault::edit(|_, reply| reply.extend(1 << 30)),
        ),
        (
            "longer, without a Content-Length",
            Fault::edit(|_, reply| reply.extend(1).without_length()),
        ),
        (
            "endless, without a Content-Length",
            Fault::edit(|_, reply| reply.extend(usize::MAX).without_length()),
        ),
    ] {
        fixture.reset();
        let rule = fixture.on_blob(fault);
        let finished = fixture.assert_failed(fixture.fetch_with([rule]), 65);
        let stderr = &finished.stderr;
        assert!(stderr.contains("bytes, found"), "{name}: {stderr}");
        let log = fixture.registry.log();
        assert!(fixture.requests().len() <= 2, "{name}: {log}");
    }
}

/// C9: without a `Content-Length`, the bytes are counted.
#[test]
fn accepts_a_body_without_content_length() {
    let fixture = Fixture::new();
    let rule = fixture.on_blob(Fault::edit(|_, reply| reply.without_length()));
    fixture.assert_fetched(fixture.fetch_with([rule]));
    assert_eq!(fixture.requests().len(), 1);
}

/// C9: a reply with two lengths is malformed.
#[test]
fn rejects_a_reply_with_two_lengths() {
    let fixture = Fixture::new();
    let size = fixture.size;
    let fault = Fault::edit(move |_, reply| reply.two_lengths(size, size + 1));
    let rule = fixture.on_blob(fault);
    fixture.assert_failed(fixture.fetch_with([rule]), 69);
}

/// C10: wrong bytes are fetched once more; then the error names the expected and the actual digest.
#[test]
fn fetches_wrong_bytes_once_more_and_names_both_digests() {
    let mut fixture = Fixture::new();
    let size = fixture.size;
    for at in [0, size / 2, size - 1] {
        fixture.reset();
        let mut bytes = fixture.registry.blob(&fixture.layer).expect("the layer");
        bytes[at] ^= FLIPPED;
        let rule = fixture.on_blob(Fault::flip(at));
        let finished = fixture.assert_failed(fixture.fetch_with([rule]), 65);
        let last = finished.stderr.lines().next_back().expect("an error");
        let named = last.contains(&fixture.layer) && last.contains(&image::digest(&bytes));
        assert!(named, "{at}: {}", finished.stderr);
        assert_eq!(fixture.offsets(), [0, 0], "{at}");
    }
}

/// C10: bytes that are right the second time are used.
#[test]
fn uses_bytes_that_are_right_the_second_time() {
    let fixture = Fixture::new();
    let flips = [0, fixture.size / 2, fixture.size - 1];
    let cases = flips.map(|at| ("a flipped byte", Fault::flip(at)));
    assert_second_request_completes(fixture, &cases);
}

/// C11: no content encoding is requested, and one that the registry claims is not undone.
#[test]
fn requests_no_encoding_and_decodes_none() {
    let fixture = Fixture::new();
    let rule = Rule::on("GET", "*", Fault::header("Content-Encoding", "gzip"));
    fixture.assert_fetched(fixture.fetch_with([rule]));
    for entry in fixture.registry.requests() {
        let accepted = entry.request.header("accept-encoding");
        assert!(matches!(accepted, None | Some("identity")), "{accepted:?}");
    }
}
