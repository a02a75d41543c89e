//! Layers whose transfer breaks and resumes by a range request.

use fastrand::Rng;
use soci_testkit::{
    faulty::{Fault, Faulty, Reply, Rule},
    image::random_layer,
};

use super::{Fixture, LAYER_CUT};

/// D1: a transfer resumes at the byte at which it broke.
#[test]
fn resumes_at_the_byte_where_the_transfer_broke() {
    let mut fixture = Fixture::new();
    let size = fixture.size;
    let mut rng = Rng::with_seed(4);
    let random = std::iter::repeat_with(|| rng.usize(1..size)).take(5);
    for at in [0, 1, size - 1].into_iter().chain(random) {
        fixture.reset();
        let rule = fixture.on_blob(Fault::reset_after(at)).once();
        fixture.assert_fetched(fixture.fetch_with([rule]));
        assert_eq!(fixture.offsets(), [0, at]);
        assert_eq!(fixture.bytes_sent(), size, "{at}");
    }
}

/// D1: a transfer that breaks after its last byte is complete.
#[test]
fn accepts_a_transfer_that_breaks_after_the_last_byte() {
    let fixture = Fixture::new();
    let rule = fixture.on_blob(Fault::reset_after(fixture.size));
    fixture.assert_fetched(fixture.fetch_with([rule]));
    assert_eq!(fixture.offsets(), [0]);
}

/// D1: a transfer may break any number of times as long as it makes progress.
#[test]
fn resumes_seven_times_while_there_is_progress() {
    const MIB: usize = 1 << 20;
    let fixture = Fixture::with_layer(Faulty::setup(), random_layer(3, 10 * MIB));
    let mut rng = Rng::with_seed(5);
    // At least 1 MiB between two cuts counts as progress.
    let cuts: Vec<usize> = (0..7).map(|_| rng.usize(MIB..5 * MIB / 4)).collect();
    let rule = |cut: &usize| fixture.on_blob(Fault::close_after(*cut)).once();
    let rules: Vec<Rule> = cuts.iter().map(rule).collect();
    fixture.assert_fetched(fixture.fetch_with(rules));
    let starts = cuts.iter().scan(0, |sum, cut| {
        *sum += cut;
        Some(*sum)
    });
    let expected: Vec<usize> = std::iter::once(0).chain(starts).collect();
    assert_eq!(fixture.offsets(), expected);
    assert_eq!(fixture.bytes_sent(), fixture.size);
}

/// Returns faults in the reply to a request for the rest of the layer, with their names.
fn wrong_ranges(size: usize) -> Vec<(&'static str, Fault)> {
    let content_range = |text: String| Fault::header("Content-Range", text);
    let last = size - 1;
    vec![
        (
            "another start",
            content_range(format!("bytes {}-{last}/{size}", LAYER_CUT + 1)),
        ),
        (
            "from the start",
            content_range(format!("bytes 0-{last}/{size}")),
        ),
        (
            "another total",
            content_range(format!("bytes {LAYER_CUT}-{last}/{}", size + 1)),
        ),
        (
            "another unit",
            content_range(format!("lines {LAYER_CUT}-{last}/{size}")),
        ),
        (
            "no total",
            content_range(format!("bytes {LAYER_CUT}-{last}/*")),
        ),
        ("no range", content_range(format!("bytes */{size}"))),
        (
            "no header",
            Fault::edit(|_, reply| reply.without_header("Content-Range")),
        ),
        (
            "two headers",
            Fault::edit(move |_, reply| {
                reply.another_header("Content-Range", format!("bytes 0-{last}/{size}"))
            }),
        ),
        (
            "an earlier end",
            Fault::edit(move |_, reply| {
                let range = format!("bytes {LAYER_CUT}-{}/{size}", LAYER_CUT + 99);
                reply.truncate(100).header("Content-Range", range)
            }),
        ),
    ]
}

/// D2: another range than the requested one is never joined to what there is.
#[test]
fn rejects_another_range_than_requested() {
    let mut fixture = Fixture::new();
    let size = fixture.size;
    for (name, fault) in wrong_ranges(size) {
        fixture.reset();
        let cut = fixture.on_blob(Fault::reset_after(LAYER_CUT)).once();
        let wrong = fixture.on_blob(fault.clone());
        let finished = fixture.assert_failed(fixture.fetch_with([cut, wrong]), 76);
        let expected = format!("asked for bytes {LAYER_CUT} of {size}");
        let stderr = &finished.stderr;
        assert!(stderr.contains(&expected), "{name}: {stderr}");
        assert_eq!(fixture.offsets(), [0, LAYER_CUT, LAYER_CUT], "{name}");
    }
}

/// D2: a range that is right the second time is used.
#[test]
fn uses_a_range_that_is_right_the_second_time() {
    let mut fixture = Fixture::new();
    let size = fixture.size;
    for (name, fault) in wrong_ranges(size) {
        fixture.reset();
        let cut = fixture.on_blob(Fault::reset_after(LAYER_CUT)).once();
        let wrong = fixture.on_blob(fault.clone()).once();
        fixture.assert_fetched(fixture.fetch_with([cut, wrong]));
        assert_eq!(fixture.offsets(), [0, LAYER_CUT, LAYER_CUT], "{name}");
    }
}

/// D3: without range support the layer is sent again, and the part that had arrived is dropped.
///
/// Nothing of the dropped part is used, so that it may differ: the digest covers the bytes that are
/// used.
#[test]
fn drops_the_received_part_when_ranges_are_ignored() {
    let mut fixture = Fixture::new();
    let flip = |at: usize| Fault::ignore_range().and(move |_, reply| reply.flip(at));
    for (rest, code) in [
        (Fault::ignore_range(), 0),
        (flip(10), 0),
        (flip(LAYER_CUT + 10), 65),
    ] {
        fixture.reset();
        let cut = fixture.on_blob(Fault::close_after(LAYER_CUT)).once();
        let rest = fixture.on_blob(rest);
        let finished = fixture.fetch_with([cut, rest]);
        if code == 0 {
            fixture.assert_fetched(finished);
            assert_eq!(fixture.offsets(), [0, LAYER_CUT]);
        } else {
            fixture.assert_failed(finished, code).says(&fixture.layer);
        }
    }
}

/// D4: a presigned URL that expired is replaced by asking the registry again.
#[test]
fn replaces_an_expired_presigned_url() {
    for (status, code) in [
        (403, "AccessDenied"),
        (400, "ExpiredToken"),
        (404, "NoSuchKey"),
    ] {
        let bucket = Faulty::start();
        let fixture = Fixture::of(Faulty::setup().ecr().presigned_at(&bucket));
        let tool = fixture.fetch();
        let object = format!("/s3/{}", fixture.layer);
        bucket.rule(Rule::on("GET", &object, Fault::reset_after(LAYER_CUT)).once());
        bucket.rule(Rule::on("GET", &object, Fault::expired_url(status, code)).once());
        fixture.assert_fetched(tool.run());
        let requests = bucket.requests_to("GET", &object);
        let first: Vec<Option<usize>> = requests
            .iter()
            .map(|entry| entry.request.range().map(|range| range.0))
            .collect();
        assert_eq!(first, [None, Some(LAYER_CUT), Some(LAYER_CUT)], "{status}");
        assert_eq!(fixture.offsets(), [0, LAYER_CUT, LAYER_CUT]);
    }
}

/// D5: when the registry rejects a range, the layer starts over once.
#[test]
fn starts_over_once_when_a_range_is_rejected() {
    let fixture = Fixture::new();
    let cut = fixture.on_blob(Fault::reset_after(LAYER_CUT)).once();
    let rejected = Fault::reply(Reply::error(416, "RANGE_INVALID", "no"));
    let rejected = fixture
        .on_blob(rejected)
        .when(|request| request.range().is_some());
    fixture.assert_fetched(fixture.fetch_with([cut, rejected]));
    assert_eq!(fixture.offsets(), [0, LAYER_CUT, 0]);
}

/// D5: nothing is requested after the last byte.
#[test]
fn requests_nothing_after_the_last_byte() {
    let fixture = Fixture::new();
    let whole = fixture.size;
    let cut = Fault::edit(move |_, reply| reply.without_length().reset_after(whole));
    let rules = [
        fixture.on_blob(cut).once(),
        fixture.on_blob(Fault::status(416)),
    ];
    fixture.assert_fetched(fixture.fetch_with(rules));
    assert_eq!(fixture.requests().len(), 1);
}

/// D6: five transfers in a row that break with less than 1 MiB of progress end the fetch.
#[test]
fn gives_up_after_five_breaks_without_progress() {
    for (cut, received) in [(LAYER_CUT, 5 * LAYER_CUT), (0, 0)] {
        let fixture = Fixture::with_layer(Faulty::setup(), random_layer(1, 1 << 20));
        let rule = fixture.on_blob(Fault::reset_after(cut));
        let finished = fixture.fetch_with([rule]);
        let said = format!("broke off after {received} of {} bytes", fixture.size);
        fixture
            .assert_failed(finished, 69)
            .says(&said)
            .says("(5 tries, ");
        assert_eq!(fixture.requests().len(), 5);
    }
}
