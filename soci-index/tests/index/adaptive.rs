//! Layers over as many connections as pay, with faults in one of them.

use std::thread;
use std::time::Duration;

use soci_testkit::{
    faulty::{Fault, Faulty, Habit, Rule, Setup},
    image::{Layer, noise},
};

use crate::{fetching::Fixture, only_document, ztoc_of, ztoc_without_faults};

const MIB: usize = 1 << 20;

/// Returns a registry that limits each connection to a rate far below that of the scanner.
fn slow_connections() -> Setup {
    Faulty::setup().bytes_per_second_per_connection(8 * MIB)
}

fn layer() -> Layer {
    Layer::stored(&[("srv/data", &noise(9, MIB).repeat(28))])
}

/// A layer starts over one connection, without a range. The second one, which is a trial, requests
/// the rest of the layer; the further ones request ranges.
#[test]
fn more_connections_are_used_if_each_is_slow() {
    let fixture = Fixture::with_layer(slow_connections(), layer());
    let expected = ztoc_without_faults(&fixture);
    let finished = fixture.fetch().arg("--force").run();
    assert_eq!(ztoc_of(&only_document(&finished)), expected);
    let requests = fixture.requests();
    let ranges: Vec<_> = requests.iter().map(|entry| entry.request.range()).collect();
    assert_eq!(ranges[0], None, "{ranges:?}");
    assert!(matches!(ranges[1], Some((_, None))), "{ranges:?}");
    let mut bounded: Vec<(usize, usize)> = ranges[2..]
        .iter()
        .map(|range| {
            let (first, last) = range.expect("a range");
            (first, last.unwrap_or(fixture.size - 1))
        })
        .collect();
    assert!(bounded.len() >= 2, "{ranges:?}");
    bounded.sort_unstable();
    for pair in bounded.windows(2) {
        assert_eq!(pair[0].1 + 1, pair[1].0, "{ranges:?}");
    }
    assert_eq!(bounded.last().map(|last| last.1 + 1), Some(fixture.size));
}

/// Fetches the layer while a fault befalls one request for it, and checks the ztoc.
fn fetch_with_fault(setup: Setup, on: impl Fn(&Fixture) -> Rule) {
    let fixture = Fixture::with_layer(setup, layer()).with_short_timeouts();
    let expected = ztoc_without_faults(&fixture);
    fixture.registry.rule(on(&fixture));
    let finished = fixture.fetch().arg("--force").run();
    assert_eq!(ztoc_of(&only_document(&finished)), expected);
}

/// Each fault befalls the trial, and one of the ranges after it.
#[test]
fn a_fault_of_one_of_several_connections_loses_nothing() {
    let throttled = || Fault::status(429).and(|_, reply| reply.header("Retry-After", "0"));
    let faults: [fn() -> Fault; 6] = [
        || Fault::reset_after(MIB),
        || Fault::close_after(MIB),
        || Fault::stall_after(MIB, Duration::from_secs(5)),
        Fault::ignore_range,
        || Fault::header("Content-Range", "bytes 0-9/10"),
        throttled,
    ];
    thread::scope(|scope| {
        for fault in faults {
            for skipped in [1, 3] {
                scope.spawn(move || {
                    fetch_with_fault(slow_connections(), |fixture| {
                        fixture.on_blob(fault()).skip(skipped).once()
                    });
                });
            }
        }
        // The URL of S3 that one of the connections was redirected to has expired.
        scope.spawn(|| {
            let bucket = slow_connections().start();
            let expired = Fault::expired_url(403, "AccessDenied");
            bucket.rule(Rule::on("GET", "/s3/*", expired).skip(3).once());
            let setup = Faulty::setup().habit(Habit::PresignedBlobs);
            fetch_with_fault(setup.presigned_at(&bucket), |fixture| {
                fixture.on_blob(Fault::reset()).skip(100)
            });
        });
    });
}

/// Where ranges are ignored, the second connection is given up, and the first one goes on.
#[test]
fn one_connection_is_used_if_ranges_are_ignored() {
    let fixture = Fixture::with_layer(slow_connections(), layer());
    let rule = fixture.on_blob(Fault::ignore_range());
    fixture.assert_fetched(fixture.fetch_with([rule]));
    assert_eq!(fixture.requests().len(), 2, "{:?}", fixture.offsets());
}
