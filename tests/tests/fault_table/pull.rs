//! Faults of a registry during a pull.

use std::time::Duration;

use soci_testkit::faulty::{Fault, Faulty, Reply, Rule};

use crate::case::{CUT, Case, METADATA, Outcome, PASSWORD, PRIVATE, Row, USER};

pub(crate) const ROWS: [Row; 16] = [
    Row {
        fault: "503 on manifest, always",
        required: "retry to budget, then 69",
        run: manifest_503,
    },
    Row {
        fault: "429 with Retry-After: 2 on manifest, always",
        required: "honour, then 75",
        run: manifest_429,
    },
    Row {
        fault: "503 twice on blob, then fine",
        required: "ok",
        run: blob_503_twice,
    },
    Row {
        fault: "500 on blob, always",
        required: "69",
        run: blob_500,
    },
    Row {
        fault: "body cut once, clean close",
        required: "ok",
        run: cut_once,
    },
    Row {
        fault: "body cut every 64 KiB, Range works",
        required: "ok",
        run: cut_often,
    },
    Row {
        fault: "body cut, Range ignored (200)",
        required: "discard to offset, ok or 69",
        run: cut_without_ranges,
    },
    Row {
        fault: "TCP reset in mid-body, once",
        required: "ok",
        run: reset,
    },
    Row {
        fault: "one flipped byte",
        required: "refetch once, then 65",
        run: flipped,
    },
    Row {
        fault: "10 bytes too long",
        required: "fail at header, 1 retry, 65",
        run: too_long,
    },
    Row {
        fault: "manifest of 9 MiB",
        required: "65 before reading 4 MiB+1",
        run: large_manifest,
    },
    Row {
        fault: "manifest cut to 100 bytes",
        required: "one line that says what and where",
        run: short_manifest,
    },
    Row {
        fault: "redirect to itself",
        required: "<= 5 hops, 76",
        run: redirect_loop,
    },
    Row {
        fault: "blob redirect to other host, Basic credentials",
        required: "ok, none sent, never to link-local",
        run: other_host,
    },
    Row {
        fault: "bearer realm on another private host",
        required: "refuse unless allowed",
        run: other_realm,
    },
    Row {
        fault: "stall after 64 KiB",
        required: "idle timeout, then resume",
        run: stall,
    },
];

/// Pulls the image with its layer, and counts the requests for a path.
fn pull(case: &Case, code: i32, path: &str) -> Outcome {
    let pull = case
        .tool("soci-pull")
        .args(["-q", "--layers", &case.reference()]);
    let ended = pull
        .env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
        .run();
    let mut outcome = Outcome::new(&ended, code, case.registry.count("*", path));
    outcome.check(
        case.has_layer() == (code == 0),
        "the layer is in the store after a failure, or is missing after a success",
    );
    outcome.check(
        ended.stderr.lines().count() == usize::from(code != 0),
        &format!("not one line: {}", ended.stderr),
    );
    outcome
}

/// Pulls from a registry with a fault of the layer's blob.
fn with_blob_fault(code: i32, rule: impl FnOnce(Rule) -> Rule, fault: Fault) -> (Case, Outcome) {
    let case = Case::new(Faulty::setup());
    case.registry
        .rule(rule(Rule::on("GET", &case.blob_path(), fault)));
    let outcome = pull(&case, code, &case.blob_path());
    (case, outcome)
}

/// Pulls from a registry with a fault of its manifests.
fn with_manifest_fault(code: i32, fault: Fault) -> (Case, Outcome) {
    let case = Case::new(Faulty::setup());
    case.registry.fault("*", "*/manifests/*", fault);
    let outcome = pull(&case, code, "*/manifests/*");
    (case, outcome)
}

/// Checks that the layer was requested from these offsets on, and that no byte was sent twice.
fn check_resumed(case: &Case, mut outcome: Outcome, first_bytes: &[usize]) -> Outcome {
    let entries = case.registry.requests_to("GET", &case.blob_path());
    let offsets: Vec<usize> = entries
        .iter()
        .map(|entry| entry.request.range().map_or(0, |(first, _)| first))
        .collect();
    outcome.check(
        offsets == first_bytes,
        &format!("requested bytes from {offsets:?} on"),
    );
    let size = case.registry.blob(&case.layer).map_or(0, |blob| blob.len());
    let sent = case.registry.bytes_sent("GET", &case.blob_path());
    outcome.check(sent == size, &format!("{sent} bytes were sent for {size}"));
    outcome
}

fn manifest_503() -> Outcome {
    with_manifest_fault(69, Fault::status(503))
        .1
        .expect_requests(6)
}

fn manifest_429() -> Outcome {
    let slow = Fault::error(429, "TOOMANYREQUESTS", "Rate exceeded");
    let slow = slow.and(|_, reply| reply.header("Retry-After", 2));
    let (case, mut outcome) = with_manifest_fault(75, slow);
    let entries = case.registry.requests();
    let has_waited = entries
        .windows(2)
        .all(|two| two[1].at >= two[0].at + Duration::from_secs(2));
    outcome.check(has_waited, "Retry-After is ignored");
    outcome.expect_requests(8)
}

fn blob_503_twice() -> Outcome {
    with_blob_fault(0, |rule| rule.times(2), Fault::status(503))
        .1
        .expect_requests(3)
}

fn blob_500() -> Outcome {
    with_blob_fault(69, |rule| rule, Fault::status(500))
        .1
        .expect_requests(6)
}

fn cut_once() -> Outcome {
    let (case, outcome) = with_blob_fault(0, Rule::once, Fault::close_after(CUT));
    check_resumed(&case, outcome, &[0, CUT])
}

fn cut_often() -> Outcome {
    let (case, outcome) = with_blob_fault(0, |rule| rule, Fault::close_after(CUT));
    check_resumed(&case, outcome, &[0, CUT, 2 * CUT, 3 * CUT, 4 * CUT])
}

fn cut_without_ranges() -> Outcome {
    let case = Case::new(Faulty::setup());
    case.registry
        .rule(Rule::on("GET", &case.blob_path(), Fault::close_after(CUT)).once());
    case.registry
        .fault("GET", &case.blob_path(), Fault::ignore_range());
    pull(&case, 0, &case.blob_path()).expect_requests(2)
}

fn reset() -> Outcome {
    let (case, outcome) = with_blob_fault(0, Rule::once, Fault::reset_after(CUT));
    check_resumed(&case, outcome, &[0, CUT])
}

fn flipped() -> Outcome {
    let (_, mut once) = with_blob_fault(0, Rule::once, Fault::flip(CUT));
    let (_, mut outcome) = with_blob_fault(65, |rule| rule, Fault::flip(CUT));
    once.check(
        once.requests == 2,
        "the second attempt, which would succeed, was not made",
    );
    outcome.wrong.append(&mut once.wrong);
    outcome.expect_requests(2)
}

fn too_long() -> Outcome {
    with_blob_fault(65, |rule| rule, Fault::edit(|_, reply| reply.extend(10)))
        .1
        .expect_requests(2)
}

fn large_manifest() -> Outcome {
    const LARGE: usize = 9 << 20;
    let reply = Reply::new(200).header("Content-Type", "application/vnd.oci.image.index.v1+json");
    let reply = reply.body_of(b' ', LARGE);
    let without_length = Fault::reply(reply.clone().without_length());
    let (_, mut streamed) = with_manifest_fault(65, without_length);
    let (case, mut outcome) = with_manifest_fault(65, Fault::reply(reply));
    outcome.check(
        case.registry.bytes_sent("GET", "*") < LARGE,
        "the whole manifest was read",
    );
    outcome.wrong.append(&mut streamed.wrong);
    outcome.expect_requests(1)
}

fn short_manifest() -> Outcome {
    let case = Case::new(Faulty::setup());
    case.registry.fault(
        "GET",
        "*/manifests/*",
        Fault::edit(|_, reply| reply.truncate(100)),
    );
    let ended = case.tool("soci-pull").args(["-q", &case.reference()]).run();
    let mut outcome = Outcome::new(&ended, 65, case.registry.count("*", "*/manifests/*"));
    let one_line = ended.stderr.lines().count() == 1;
    let is_clear = ended.stderr.contains(&case.reference()) && ended.stderr.contains("manifest");
    outcome.check(
        one_line && is_clear,
        &format!(
            "not one line with the reference and the object: {}",
            ended.stderr
        ),
    );
    outcome
}

fn redirect_loop() -> Outcome {
    let case = Case::new(Faulty::setup());
    case.registry.fault(
        "GET",
        &case.blob_path(),
        Fault::redirect(307, &case.blob_path()),
    );
    pull(&case, 76, &case.blob_path()).expect_requests(6)
}

/// Returns whether a registry has received requests, and all without credentials.
fn received_no_credentials(registry: &Faulty) -> bool {
    let entries = registry.requests();
    !entries.is_empty()
        && entries
            .iter()
            .all(|entry| entry.request.header("authorization").is_none())
}

fn other_host() -> Outcome {
    let elsewhere = Faulty::setup().address("::1").start();
    let setup = Faulty::setup()
        .basic(USER, PASSWORD)
        .presigned_at(&elsewhere);
    let case = Case::new(setup);
    let mut outcome = pull(&case, 0, &case.blob_path()).expect_requests(1);
    outcome.check(
        received_no_credentials(&elsewhere),
        "the other host received credentials, or no request",
    );
    let metadata = Faulty::setup().address(METADATA).start();
    let case = Case::new(Faulty::setup().basic(USER, PASSWORD));
    let target = format!("{}/latest/meta-data", metadata.url());
    case.registry
        .fault("GET", &case.blob_path(), Fault::redirect(307, &target));
    let mut refused = pull(&case, 76, &case.blob_path());
    refused.check(
        metadata.requests().is_empty(),
        "the metadata service received a request",
    );
    outcome.wrong.append(&mut refused.wrong);
    outcome
}

fn other_realm() -> Outcome {
    let inside = Faulty::setup()
        .address(PRIVATE)
        .bearer(USER, PASSWORD)
        .start();
    let realm = format!("{}/token", inside.url());
    let case = Case::new(Faulty::setup().bearer(USER, PASSWORD).realm(&realm));
    let pull = case.tool("soci-pull").args(["-q", &case.reference()]);
    let ended = pull
        .env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
        .run();
    let code = if ended.code() == 78 { 78 } else { 76 };
    let mut outcome = Outcome::new(&ended, code, case.registry.requests().len());
    outcome.check(
        inside.requests().is_empty(),
        "the other host received a request",
    );
    outcome.expect_requests(1)
}

fn stall() -> Outcome {
    let case = Case {
        idle_timeout: "0.5",
        ..Case::new(Faulty::setup())
    };
    let fault = Fault::stall_after(CUT, Duration::MAX);
    case.registry
        .rule(Rule::on("GET", &case.blob_path(), fault).once());
    let outcome = pull(&case, 0, &case.blob_path());
    check_resumed(&case, outcome, &[0, CUT])
}
