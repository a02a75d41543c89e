//! Layers that break, and go on where they broke.

use fastrand::Rng;
use soci_testkit::faulty::{Fault, Faulty, Reply, Rule};

use super::fixture::{CUT, FETCHERS, Fixture};
use crate::stages::layer;

#[test]
fn d1_a_layer_goes_on_where_it_broke() {
    let mut fixture = Fixture::new();
    let size = fixture.size;
    let mut rng = Rng::with_seed(4);
    let random = std::iter::repeat_with(|| rng.usize(1..size));
    let offsets: Vec<usize> = [0, 1, size - 1].into_iter().chain(random.take(5)).collect();
    for fetcher in FETCHERS {
        for at in &offsets {
            fixture.renew();
            let rule = fixture.on_blob(Fault::reset_after(*at)).once();
            fixture.fetched(fixture.fetch_under(fetcher, [rule]));
            assert_eq!(fixture.offsets(), [0, *at], "{fetcher}");
            assert_eq!(fixture.sent(), size, "{fetcher}, {at}");
        }
    }
}

#[test]
fn d1_a_layer_that_broke_after_its_last_byte_is_whole() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        fixture.renew();
        let rule = fixture.on_blob(Fault::reset_after(fixture.size));
        fixture.fetched(fixture.fetch_under(fetcher, [rule]));
        assert_eq!(fixture.offsets(), [0]);
    }
}

#[test]
fn d1_a_layer_may_break_many_times() {
    const MIB: usize = 1 << 20;
    for fetcher in FETCHERS {
        let fixture = Fixture::with_layer(Faulty::setup(), layer(3, 10 * MIB));
        let mut rng = Rng::with_seed(5);
        // Each stretch is long enough to count as progress.
        let cuts: Vec<usize> = (0..7).map(|_| rng.usize(MIB..5 * MIB / 4)).collect();
        let rules: Vec<Rule> = cuts
            .iter()
            .map(|cut| fixture.on_blob(Fault::close_after(*cut)).once())
            .collect();
        fixture.fetched(fixture.fetch_under(fetcher, rules));
        let starts = cuts.iter().scan(0, |sum, cut| {
            *sum += cut;
            Some(*sum)
        });
        let expected: Vec<usize> = std::iter::once(0).chain(starts).collect();
        assert_eq!(fixture.offsets(), expected);
        assert_eq!(fixture.sent(), fixture.size);
    }
}

/// Returns faults of the reply to a request for the rest of a layer, with their names.
fn wrong_ranges(size: usize) -> Vec<(&'static str, Fault)> {
    let said = |text: String| Fault::header("Content-Range", text);
    let last = size - 1;
    vec![
        (
            "another start",
            said(format!("bytes {}-{last}/{size}", CUT + 1)),
        ),
        ("from the start", said(format!("bytes 0-{last}/{size}"))),
        (
            "another total",
            said(format!("bytes {CUT}-{last}/{}", size + 1)),
        ),
        ("another unit", said(format!("lines {CUT}-{last}/{size}"))),
        ("no total", said(format!("bytes {CUT}-{last}/*"))),
        ("no range", said(format!("bytes */{size}"))),
        (
            "nothing",
            Fault::edit(|_, reply| reply.without_header("Content-Range")),
        ),
        (
            "two",
            Fault::edit(move |_, reply| {
                reply.another_header("Content-Range", format!("bytes 0-{last}/{size}"))
            }),
        ),
        (
            "an end that comes too soon",
            Fault::edit(move |_, reply| {
                reply
                    .truncate(100)
                    .header("Content-Range", format!("bytes {CUT}-{}/{size}", CUT + 99))
            }),
        ),
    ]
}

#[test]
fn d2_another_range_than_was_asked_for_is_never_joined() {
    let mut fixture = Fixture::new();
    let size = fixture.size;
    for fetcher in FETCHERS {
        for (name, fault) in wrong_ranges(size) {
            fixture.renew();
            let cut = fixture.on_blob(Fault::reset_after(CUT)).once();
            let wrong = fixture.on_blob(fault.clone());
            let ended = fixture.fetch_under(fetcher, [cut, wrong]);
            let ended = fixture.fails(ended, 76);
            assert!(
                ended
                    .stderr
                    .contains(&format!("asked for bytes {CUT} of {size}")),
                "{name}: {}",
                ended.stderr
            );
            assert_eq!(fixture.offsets(), [0, CUT, CUT], "{fetcher}, {name}");
        }
    }
}

#[test]
fn d2_a_range_that_is_right_the_second_time_is_taken() {
    let mut fixture = Fixture::new();
    let size = fixture.size;
    for (name, fault) in wrong_ranges(size) {
        fixture.renew();
        let cut = fixture.on_blob(Fault::reset_after(CUT)).once();
        let wrong = fixture.on_blob(fault.clone()).once();
        fixture.fetched(fixture.fetch_under("soci-index", [cut, wrong]));
        assert_eq!(fixture.offsets(), [0, CUT, CUT], "{name}");
    }
}

/// Nothing of the part that is thrown away is used, so that it may as well be another one: the digest is of what was used.
#[test]
fn d3_without_ranges_what_is_known_is_thrown_away() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        for (rest, code) in [
            (Fault::ignore_range(), 0),
            (Fault::ignore_range().and(|_, reply| reply.flip(10)), 0),
            (
                Fault::ignore_range().and(|_, reply| reply.flip(CUT + 10)),
                65,
            ),
        ] {
            fixture.renew();
            let cut = fixture.on_blob(Fault::close_after(CUT)).once();
            let rest = fixture.on_blob(rest);
            let ended = fixture.fetch_under(fetcher, [cut, rest]);
            if code == 0 {
                fixture.fetched(ended);
                assert_eq!(fixture.offsets(), [0, CUT]);
            } else {
                fixture.fails(ended, code).says(&fixture.layer);
            }
        }
    }
}

#[test]
fn d4_a_presigned_url_that_expires_is_replaced_by_the_registry() {
    for fetcher in FETCHERS {
        for (status, code) in [
            (403, "AccessDenied"),
            (400, "ExpiredToken"),
            (404, "NoSuchKey"),
        ] {
            let bucket = Faulty::start();
            let fixture = Fixture::of(Faulty::setup().ecr().presigned_at(&bucket));
            let tool = fixture.fetch(fetcher);
            let object = format!("/s3/{}", fixture.layer);
            bucket.rule(Rule::on("GET", &object, Fault::reset_after(CUT)).once());
            bucket.rule(Rule::on("GET", &object, Fault::expired_url(status, code)).once());
            fixture.fetched(tool.run());
            let asked = bucket.requests_to("GET", &object);
            let first: Vec<Option<usize>> = asked
                .iter()
                .map(|entry| entry.request.range().map(|range| range.0))
                .collect();
            assert_eq!(first, [None, Some(CUT), Some(CUT)], "{fetcher}, {status}");
            assert_eq!(fixture.offsets(), [0, CUT, CUT]);
        }
    }
}

#[test]
fn d5_a_range_that_is_refused_makes_the_layer_start_over_once() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        fixture.renew();
        let cut = fixture.on_blob(Fault::reset_after(CUT)).once();
        let refused = Reply::error(416, "RANGE_INVALID", "no");
        let refused = fixture
            .on_blob(Fault::reply(refused))
            .when(|request| request.range().is_some());
        fixture.fetched(fixture.fetch_under(fetcher, [cut, refused]));
        assert_eq!(fixture.offsets(), [0, CUT, 0]);
    }
}

#[test]
fn d5_nothing_is_asked_for_after_the_last_byte() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        fixture.renew();
        let whole = fixture.size;
        let cut = Fault::edit(move |_, reply| reply.without_length().reset_after(whole));
        let rules = [
            fixture.on_blob(cut).once(),
            fixture.on_blob(Fault::status(416)),
        ];
        fixture.fetched(fixture.fetch_under(fetcher, rules));
        assert_eq!(fixture.asked().len(), 1);
    }
}

#[test]
fn d6_a_layer_that_breaks_without_getting_on_is_given_up() {
    for fetcher in FETCHERS {
        for (cut, received) in [(CUT, 5 * CUT), (0, 0)] {
            let fixture = Fixture::with_layer(Faulty::setup(), layer(1, 1 << 20));
            let rule = fixture.on_blob(Fault::reset_after(cut));
            let ended = fixture.fetch_under(fetcher, [rule]);
            let words = format!("broke off after {received} of {} bytes", fixture.size);
            fixture.fails(ended, 69).says(&words).says("(5 tries, ");
            assert_eq!(fixture.asked().len(), 5);
        }
    }
}
