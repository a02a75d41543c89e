//! Requests for a layer that fail for a while or for good, are throttled, or get no reply.

use std::time::Duration;

use soci_testkit::faulty::{Entry, Fault, Rule};

use super::Fixture;

fn throttle() -> Fault {
    Fault::error(429, "TOOMANYREQUESTS", "Rate exceeded")
}

/// Returns the times between requests.
fn waits(entries: &[Entry]) -> Vec<Duration> {
    let pairs = entries.windows(2);
    pairs
        .map(|pair| pair[1].at.saturating_sub(pair[0].at))
        .collect()
}

/// C3: a throttle that does not end fails with the status for "try again".
#[test]
fn fails_for_later_when_a_throttle_does_not_end() {
    let fixture = Fixture::new();
    let rule = fixture.on_blob(throttle());
    let finished = fixture.assert_failed(fixture.fetch_with([rule]), 75);
    finished
        .says("throttled")
        .says("TOOMANYREQUESTS")
        .says("8 tries");
}

/// C4: six throttled requests in a row are repeated after waits that double.
#[test]
fn waits_twice_as_long_after_each_throttled_request() {
    let fixture = Fixture::new();
    let base = Duration::from_millis(20);
    let tool = fixture.fetch();
    let glob = "*/blobs/sha256:*";
    let rule = Rule::on("GET", glob, throttle()).times(6);
    fixture.registry.rule(rule);
    fixture.assert_fetched(tool.run());
    let requests = fixture.registry.requests_to("GET", glob);
    for (wait, doubled) in waits(&requests).into_iter().zip(0..6) {
        assert!(wait >= base * (1 << doubled), "{}", fixture.registry.log());
    }
}

/// Statuses after which a request is worth repeating.
const TRANSIENT: [u16; 6] = [408, 500, 502, 503, 504, 522];

/// C5: up to five failures in a row are retried.
#[test]
fn retries_up_to_five_failures_in_a_row() {
    let mut fixture = Fixture::new();
    for (status, times) in TRANSIENT.into_iter().zip([1, 2, 3, 4, 5, 5]) {
        fixture.reset();
        let rule = fixture.on_blob(Fault::status(status)).times(times);
        fixture.assert_fetched(fixture.fetch_with([rule]));
        assert_eq!(fixture.requests().len(), times + 1, "{status}");
    }
}

/// C5: failures that do not end are an outage.
#[test]
fn reports_an_outage_after_six_tries() {
    let mut fixture = Fixture::new();
    for status in TRANSIENT {
        fixture.reset();
        let rule = fixture.on_blob(Fault::status(status));
        let finished = fixture.fetch_with([rule]);
        fixture
            .assert_failed(finished, 69)
            .says(&format!("answered status {status}"))
            .says("(6 tries, ");
        assert_eq!(fixture.requests().len(), 6);
    }
}

/// C6: a request without a reply is repeated.
#[test]
fn repeats_a_request_without_a_reply() {
    let fixture = Fixture::new().with_short_timeouts();
    let rule = fixture.on_blob(Fault::stall_head(Duration::MAX)).times(2);
    fixture.assert_fetched(fixture.fetch_with([rule]));
    assert_eq!(fixture.requests().len(), 3);
}
