//! Manifests of a registry that fails, is throttled, refuses, or answers with something else.

use std::{
    io::Write as _,
    time::{Duration, SystemTime},
};

use flate2::{Compression, write::GzEncoder};
use soci_testkit::{
    faulty::{Fault, Faulty, Reply, Rule},
    image::{self, Image, random_layer},
    process::{Finished, Tool},
};

use crate::{fetching::Fixture, soci_tool};

const MANIFESTS: &str = "*/manifests/*";

/// Returns a pull of the image without its layer.
fn pull(fixture: &Fixture) -> Tool {
    let tool = soci_tool(&fixture.sandbox).arg(fixture.reference());
    fixture.configure(tool)
}

fn throttle() -> Fault {
    Fault::error(429, "TOOMANYREQUESTS", "Rate exceeded")
}

/// Returns the wait between the first two requests for a manifest.
fn first_wait(registry: &Faulty) -> Duration {
    let requests = registry.requests_to("GET", MANIFESTS);
    requests[1].at.saturating_sub(requests[0].at)
}

/// C1: a tag, manifest or repository that does not exist is named, after one request.
#[test]
fn names_what_does_not_exist_after_one_request() {
    let fixture = Fixture::new();
    let host = fixture.registry.host();
    let digest = image::digest(b"nothing");
    for (reference, said) in [
        (format!("{host}/app:v2"), "tag not found in the repository"),
        (
            format!("{host}/app@{digest}"),
            "digest not found in the repository",
        ),
        (
            format!("{host}/other:v1"),
            "create the repository, or check its name",
        ),
    ] {
        let before = fixture.registry.requests().len();
        let finished = soci_tool(&fixture.sandbox).arg(&reference).run();
        let finished = finished.ends_with(80).says(said);
        let finished = finished.says(&format!("soci-pull: error: {reference}: "));
        finished.writes_only_its_failure();
        let requests = fixture.registry.requests().split_off(before);
        assert_eq!(requests.len(), 1, "{}", fixture.registry.log());
    }
}

/// C2: a manifest whose request fails is not looked for among the blobs.
#[test]
fn does_not_look_for_a_failing_manifest_among_the_blobs() {
    let fixture = Fixture::new();
    let images = ["linux/amd64", "linux/arm64"]
        .map(|platform| Image::new(platform).layer(random_layer(2, 1000)));
    let layout = fixture.sandbox.path().join("two");
    image::write_layout(&layout, &images);
    fixture.registry.push(&layout, "app:v1");
    let child = "*/manifests/sha256:*";
    fixture.registry.fault("GET", child, Fault::status(500));
    let finished = pull(&fixture).run();
    fixture
        .assert_failed(finished, 69)
        .says("500")
        .says("6 tries");
    let log = fixture.registry.log();
    assert!(fixture.registry.count("GET", child) >= 6, "{log}");
    assert_eq!(fixture.registry.count("*", "*/blobs/*"), 0);
}

/// C3: a `Retry-After` in seconds is obeyed; one that makes no sense is replaced by the tool's own
/// wait.
#[test]
fn obeys_retry_after_in_seconds() {
    let mut fixture = Fixture::new();
    let second = Duration::from_secs(1);
    let own = Duration::from_millis(20);
    // The header, and how long the tool waits at least and at most.
    for (retry_after, least, most) in [
        ("1", second, 3 * second),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Duration::ZERO, second),
        ("-1", own, second),
        ("1000000000000", own, second),
        ("soon", own, second),
        ("", own, second),
    ] {
        fixture.reset();
        let fault = throttle().and(move |_, reply| reply.header("Retry-After", retry_after));
        fixture
            .registry
            .rule(Rule::on("GET", MANIFESTS, fault).once());
        pull(&fixture).run().succeeds();
        let waited = first_wait(&fixture.registry);
        let in_time = waited >= least && waited < most;
        assert!(in_time, "{retry_after}: {waited:?}");
    }
}

/// C3: a `Retry-After` with a date is obeyed.
#[test]
fn obeys_retry_after_with_a_date() {
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
    pull(&fixture).run().succeeds();
    let waited = first_wait(&fixture.registry);
    // The header has whole seconds, rounded down.
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

/// C3: a throttle of manifests that does not end fails with the status for "try again".
#[test]
fn fails_for_later_when_a_throttle_does_not_end() {
    let fixture = Fixture::new();
    fixture.registry.fault("GET", MANIFESTS, throttle());
    let finished = fixture.assert_failed(pull(&fixture).run(), 75);
    let finished = finished.says("throttled").says("TOOMANYREQUESTS");
    finished.says("8 tries");
}

/// C4: six throttled requests for a manifest in a row are repeated after waits that double.
#[test]
fn waits_twice_as_long_after_each_throttled_request() {
    let fixture = Fixture::new();
    let rule = Rule::on("GET", MANIFESTS, throttle()).times(6);
    fixture.registry.rule(rule);
    pull(&fixture).run().succeeds();
    let requests = fixture.registry.requests_to("GET", MANIFESTS);
    for (pair, doubled) in requests.windows(2).zip(0..6) {
        let waited = pair[1].at.saturating_sub(pair[0].at);
        let least = Duration::from_millis(20) * (1 << doubled);
        assert!(waited >= least, "{}", fixture.registry.log());
    }
}

/// C5: up to five failures of a manifest's request in a row are retried.
#[test]
fn retries_up_to_five_failures_in_a_row() {
    let mut fixture = Fixture::new();
    let statuses = [408, 500, 502, 503, 504, 522];
    for (status, times) in statuses.into_iter().zip([1, 2, 3, 4, 5, 5]) {
        fixture.reset();
        let tag = "*/manifests/v1";
        let rule = Rule::on("GET", tag, Fault::status(status)).times(times);
        fixture.registry.rule(rule);
        fixture.assert_fetched(fixture.fetch().run());
        assert_eq!(fixture.registry.count("GET", tag), times + 1);
    }
}

/// C6: a registry that never replies is given up after the timeout and six tries.
#[test]
fn gives_up_when_there_is_no_reply() {
    let fixture = Fixture::new().with_short_timeouts();
    let never = Fault::stall_head(Duration::MAX);
    fixture.registry.fault("GET", MANIFESTS, never);
    let finished = fixture.assert_failed(pull(&fixture).run(), 69);
    finished
        .says("gave no response within 0.5 s")
        .says("6 tries");
    assert_eq!(fixture.registry.count("GET", MANIFESTS), 6);
}

/// C10: a manifest with the wrong digest is fetched once more, and then named.
#[test]
fn fetches_a_wrong_manifest_once_more() {
    for (times, code) in [(1, 0), (usize::MAX, 65)] {
        let fixture = Fixture::new();
        let digest = fixture.registry.tags("app")["v1"].clone();
        let reference = format!("{}/app@{digest}", fixture.registry.host());
        let rule = Rule::on("GET", MANIFESTS, Fault::flip(30)).times(times);
        fixture.registry.rule(rule);
        let finished = soci_tool(&fixture.sandbox).arg(reference).run();
        let finished = finished.ends_with(code);
        if code != 0 {
            finished.says(&digest).writes_only_its_failure();
        }
        assert_eq!(fixture.registry.count("GET", MANIFESTS), 2);
    }
}

/// C16: a manifest is what its content says, if its `Content-Type` does not tell.
#[test]
fn reads_a_manifest_with_a_general_content_type() {
    let mut expected = None;
    for served in [
        None,
        Some("application/json"),
        Some("application/octet-stream"),
        Some("text/plain; charset=utf-8"),
        Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
        Some(""),
    ] {
        for declared in [true, false] {
            let fixture = Fixture::new();
            if !declared {
                let manifest = fixture.registry.manifest("app", "v1").expect("the image");
                let mut json = manifest.json();
                json.as_object_mut().expect("an object").remove("mediaType");
                let digest =
                    fixture
                        .registry
                        .put_manifest("app", &manifest.media_type, json.to_string());
                fixture.registry.tag("app", "v1", &digest);
            }
            let fault = Fault::edit(move |_, reply| {
                let reply = reply.without_header("Content-Type");
                match served {
                    Some(served) => reply.header("Content-Type", served),
                    None => reply,
                }
            });
            fixture.registry.fault("*", MANIFESTS, fault);
            let finished = pull(&fixture).run().succeeds();
            let media_type = finished.documents()[0]["root"]["mediaType"].clone();
            let expected = expected.get_or_insert_with(|| media_type.clone());
            assert_eq!(media_type, *expected, "{served:?} {declared}");
        }
    }
    assert_eq!(
        expected.expect("a media type"),
        "application/vnd.oci.image.manifest.v1+json"
    );
}

/// C11: a body that claims to be compressed is not inflated.
#[test]
fn does_not_inflate_a_reply() {
    let mut fixture = Fixture::new();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 100 << 20]).expect("a buffer");
    let bomb = encoder.finish().expect("a buffer");
    for glob in [MANIFESTS, "*/blobs/*"] {
        fixture.reset();
        let reply = Reply::new(200).header("Content-Encoding", "gzip");
        let fault = Fault::reply(reply.body(bomb.clone()));
        let finished = fixture.fetch_with([Rule::on("GET", glob, fault)]);
        fixture.assert_failed(finished, 65);
    }
}

/// C12: a redirect without a usable target breaks the protocol.
#[test]
fn rejects_redirects_to_unusable_locations() {
    let mut fixture = Fixture::new();
    let missing = Fault::status(307);
    let file = Fault::redirect(307, "file:///etc/passwd");
    let ftp = Fault::redirect(301, "ftp://127.0.0.1/layer");
    let login = Fault::redirect(302, "http://user:password@127.0.0.1/layer");
    for (fault, says) in [
        (missing, "without a usable `Location`"),
        (file, "refused: it is not HTTP"),
        (ftp, "refused: it is not HTTP"),
        (login, "refused: its URL contains credentials"),
    ] {
        for glob in [MANIFESTS, "*/blobs/*"] {
            fixture.reset();
            let finished = fixture.fetch_with([Rule::on("GET", glob, fault.clone())]);
            fixture.assert_failed(finished, 76).says(says);
            assert_eq!(fixture.registry.count("GET", glob), 1);
        }
    }
}

/// C15: the text of a refusal is shortened, and its control characters do not reach the terminal.
#[test]
fn shortens_and_cleans_the_text_of_a_refusal() {
    let mut fixture = Fixture::new();
    let escapes = "\u{1b}[31mred\u{1b}]0;title\u{7}\r\n\u{202e}turned";
    let document = format!(
        "{{\"errors\":[{{\"code\":\"DENIED\\u001b[2J\",\"message\":\"{}\"}}]}}",
        "long ".repeat(10_000)
    );
    let reply = || Reply::new(400);
    let html = format!("<html>{}</html>", "<p>no</p>".repeat(5000));
    for (name, reply) in [
        ("a gigabyte", reply().body_of(b'x', 1 << 30)),
        ("endless", reply().endless(b'x')),
        (
            "HTML",
            reply().header("Content-Type", "text/html").body(html),
        ),
        (
            "not UTF-8",
            reply().body(vec![0xff, 0xfe, 0x80, 0x1b, b'[']),
        ),
        ("escapes", reply().body(escapes)),
        ("a document", reply().body(document)),
    ] {
        for glob in [MANIFESTS, "*/blobs/*"] {
            fixture.reset();
            let rule = Rule::on("GET", glob, Fault::reply(reply.clone()));
            let finished = fixture.fetch_with([rule]);
            let finished = fixture.assert_failed(finished, 76).says("400");
            assert_readable(name, &finished);
            // The tool reads a part; what was sent beyond that is in the connection's buffers.
            let sent = fixture.registry.bytes_sent("GET", glob);
            assert!(sent < 64 << 20, "{name}");
        }
    }
}

/// C15: a reply with too many header lines is malformed.
#[test]
fn rejects_a_reply_with_too_many_headers() {
    let fixture = Fixture::new();
    let many = Fault::edit(|_, reply| reply.more_headers(100_000));
    fixture.registry.fault("GET", MANIFESTS, many);
    let finished = pull(&fixture).run();
    assert_readable("header lines", &fixture.assert_failed(finished, 69));
}

/// Asserts that a message is short and has no control characters.
#[track_caller]
fn assert_readable(name: &str, finished: &Finished) {
    for line in finished.stderr.lines() {
        assert!(line.chars().count() < 900, "{name}: {line}");
        let unsafe_character = |character: char| character.is_control() || character == '\u{202e}';
        assert!(!line.contains(unsafe_character), "{name}: {line:?}");
    }
    let lines = finished.stderr.lines().count();
    assert!(lines <= 8, "{name}: {}", finished.stderr);
}
