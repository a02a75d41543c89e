//! Refusals: what is missing, what fails for a while or for good, what is throttled, and replies that do not begin.

use std::time::{Duration, SystemTime};

use soci_testkit::{
    faulty::{Entry, Fault, Rule},
    image::{self, Image},
};

use super::fixture::{FETCHERS, Fixture, PATIENCE};
use crate::stages::layer;

const MANIFESTS: &str = "*/manifests/*";

fn throttle() -> Fault {
    Fault::error(429, "TOOMANYREQUESTS", "Rate exceeded")
}

/// Returns the times between requests.
fn waits(entries: &[Entry]) -> Vec<Duration> {
    let two = entries.windows(2);
    two.map(|two| two[1].at.saturating_sub(two[0].at)).collect()
}

#[test]
fn c1_what_is_not_there_is_named_and_asked_for_once() {
    let fixture = Fixture::new();
    let host = fixture.registry.host();
    let digest = image::digest(b"nothing");
    for (reference, words) in [
        (
            format!("{host}/app:v2"),
            format!("tag `v2` of {host}/app not found"),
        ),
        (
            format!("{host}/app@{digest}"),
            format!("`{digest}` of {host}/app not found"),
        ),
        (
            format!("{host}/other:v1"),
            format!("repository `{host}/other`"),
        ),
    ] {
        let before = fixture.registry.requests().len();
        let ended = fixture
            .tool("soci-pull")
            .arg(&reference)
            .run()
            .ends_with(80);
        let ended = ended
            .says(&format!("soci-pull: {reference}: "))
            .says(&words);
        assert!(ended.stdout.is_empty());
        let asked = fixture.registry.requests().split_off(before);
        assert_eq!(asked.len(), 1, "{}", fixture.registry.log());
    }
}

#[test]
fn c2_a_manifest_that_fails_is_not_looked_for_among_the_blobs() {
    let fixture = Fixture::new();
    let images =
        ["linux/amd64", "linux/arm64"].map(|platform| Image::new(platform).layer(layer(2, 1000)));
    let folder = fixture.sandbox.path().join("two");
    image::write_layout(&folder, &images);
    fixture.registry.push(&folder, "app:v1");
    fixture
        .registry
        .fault("GET", "*/manifests/sha256:*", Fault::status(500));
    let ended = fixture.pull().run();
    fixture.fails(ended, 69).says("500").says("6 tries");
    let child = fixture.registry.requests_to("GET", "*/manifests/sha256:*");
    assert!(child.len() >= 6, "{}", fixture.registry.log());
    assert_eq!(fixture.registry.count("*", "*/blobs/*"), 0);
}

#[test]
fn c3_a_throttle_is_waited_for_as_long_as_it_says() {
    let mut fixture = Fixture::new();
    // The words of a header, and how long a client must wait at least.
    let second = Duration::from_secs(1);
    let own = Duration::from_millis(20);
    for (retry_after, least, most) in [
        ("1", second, 3 * second),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Duration::ZERO, second),
        ("-1", own, second),
        ("1000000000000", own, second),
        ("soon", own, second),
        ("", own, second),
    ] {
        fixture.renew();
        let fault = throttle().and(move |_, reply| reply.header("Retry-After", retry_after));
        fixture
            .registry
            .rule(Rule::on("GET", MANIFESTS, fault).once());
        fixture.pull().run().succeeds();
        let waited = waits(&fixture.registry.requests_to("GET", MANIFESTS))[0];
        assert!(
            waited >= least && waited < most,
            "{retry_after}: {waited:?}"
        );
    }
}

#[test]
fn c3_a_throttle_may_name_a_time_of_day() {
    let fixture = Fixture::new();
    let fault = throttle().and(|_, reply| {
        #[expect(
            clippy::disallowed_methods,
            reason = "a date in a header is one of today"
        )]
        let then = SystemTime::now() + Duration::from_secs(3);
        reply.header("Retry-After", httpdate::fmt_http_date(then))
    });
    fixture
        .registry
        .rule(Rule::on("GET", MANIFESTS, fault).once());
    fixture.pull().run().succeeds();
    let waited = waits(&fixture.registry.requests_to("GET", MANIFESTS))[0];
    // The header has whole seconds, rounded down.
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

#[test]
fn c3_a_throttle_without_end_is_something_to_try_again() {
    let mut fixture = Fixture::new();
    for (methods, paths, fetcher) in [
        ("GET", MANIFESTS, "soci-pull"),
        ("GET", "*/blobs/*", "soci-pull"),
        ("GET", "*/blobs/*", "soci-index"),
    ] {
        fixture.renew();
        let ended = fixture.fetch_under(fetcher, [Rule::on(methods, paths, throttle())]);
        let ended = fixture
            .fails(ended, 75)
            .says("throttled")
            .says("TOOMANYREQUESTS");
        ended.says("8 tries");
    }
}

#[test]
fn c4_a_burst_of_throttles_is_met_with_patience() {
    let mut fixture = Fixture::new();
    let base = Duration::from_millis(20);
    for (paths, fetcher) in [
        (MANIFESTS, "soci-pull"),
        ("*/blobs/sha256:*", "soci-pull"),
        ("*/blobs/*", "soci-index"),
    ] {
        fixture.renew();
        let tool = fixture.fetch(fetcher);
        fixture.registry.clear_requests();
        fixture
            .registry
            .rule(Rule::on("GET", paths, throttle()).times(6));
        fixture.fetched(tool.run());
        let asked = fixture.registry.requests_to("GET", paths);
        for (wait, doubled) in waits(&asked).into_iter().zip(0..6) {
            assert!(wait >= base * (1 << doubled), "{}", fixture.registry.log());
        }
    }
}

#[test]
fn c4_a_push_is_as_patient() {
    let fixture = Fixture::new();
    let indexed = fixture.fetch("soci-index").run().succeeds().stdout;
    fixture
        .registry
        .rule(Rule::on("PUT", MANIFESTS, throttle()).times(6));
    fixture.tool("soci-push").stdin(indexed).run().succeeds();
    assert!(fixture.registry.broken("app", "v1-soci").is_empty());
}

const PASSING: [u16; 6] = [408, 500, 502, 503, 504, 522];

#[test]
fn c5_up_to_five_failures_in_a_row_are_got_over() {
    let mut fixture = Fixture::new();
    for (status, times) in PASSING.into_iter().zip([1, 2, 3, 4, 5, 5]) {
        fixture.renew();
        fixture
            .registry
            .rule(Rule::on("GET", "*/manifests/v1", Fault::status(status)).times(times));
        fixture.fetched(fixture.fetch("soci-pull").run());
        assert_eq!(fixture.registry.count("GET", "*/manifests/v1"), times + 1);
        for fetcher in FETCHERS {
            fixture.renew();
            let rule = fixture.on_blob(Fault::status(status)).times(times);
            fixture.fetched(fixture.fetch_under(fetcher, [rule]));
            assert_eq!(fixture.asked().len(), times + 1, "{status}");
        }
    }
}

#[test]
fn c5_failures_without_end_are_an_outage() {
    let mut fixture = Fixture::new();
    for status in PASSING {
        for fetcher in FETCHERS {
            fixture.renew();
            let rule = fixture.on_blob(Fault::status(status));
            let ended = fixture.fetch_under(fetcher, [rule]);
            fixture
                .fails(ended, 69)
                .says(&format!("answered status {status}"))
                .says("(6 tries, ");
            assert_eq!(fixture.asked().len(), 6);
        }
    }
}

#[test]
fn c6_a_reply_that_does_not_begin_is_asked_for_again() {
    let never = || Fault::stall_head(Duration::MAX);
    let mut fixture = Fixture::new().impatient();
    for fetcher in FETCHERS {
        fixture.renew();
        let rule = fixture.on_blob(never()).times(2);
        fixture.fetched(fixture.fetch_under(fetcher, [rule]));
        assert_eq!(fixture.asked().len(), 3);
    }
    fixture.renew();
    fixture.registry.fault("GET", MANIFESTS, never());
    let ended = fixture.pull().run();
    fixture
        .fails(ended, 69)
        .says(&format!("gave no reply within {PATIENCE} s"))
        .says("6 tries");
    assert_eq!(fixture.registry.count("GET", MANIFESTS), 6);
}
