//! Faults of a registry that is pulled from.

use std::time::Duration;

use soci_testkit::faulty::{Fault, Faulty, Reply, Rule};

use crate::case::{CUT, Case, METADATA, Ours, PASSWORD, PRIVATE, Row, USER};

pub(crate) const ROWS: [Row; 16] = [
    Row {
        fault: "503 on manifest, always",
        must: "retry to budget, then 69",
        run: manifest_503,
    },
    Row {
        fault: "429 with Retry-After: 2 on manifest, always",
        must: "honour, then 75",
        run: manifest_429,
    },
    Row {
        fault: "503 twice on blob, then fine",
        must: "ok",
        run: blob_503_twice,
    },
    Row {
        fault: "500 on blob, always",
        must: "69",
        run: blob_500,
    },
    Row {
        fault: "body cut once, clean close",
        must: "ok",
        run: cut_once,
    },
    Row {
        fault: "body cut every 64 KiB, Range works",
        must: "ok",
        run: cut_often,
    },
    Row {
        fault: "body cut, Range ignored (200)",
        must: "discard to offset, ok or 69",
        run: cut_without_ranges,
    },
    Row {
        fault: "TCP reset in mid-body, once",
        must: "ok",
        run: reset,
    },
    Row {
        fault: "one flipped byte",
        must: "refetch once, then 65",
        run: flipped,
    },
    Row {
        fault: "10 bytes too long",
        must: "fail at header, 1 retry, 65",
        run: too_long,
    },
    Row {
        fault: "manifest of 9 MiB",
        must: "65 before reading 4 MiB+1",
        run: large_manifest,
    },
    Row {
        fault: "manifest cut to 100 bytes",
        must: "one line that says what and where",
        run: short_manifest,
    },
    Row {
        fault: "redirect to itself",
        must: "<= 5 hops, 76",
        run: redirect_loop,
    },
    Row {
        fault: "blob redirect to other host, Basic credentials",
        must: "ok, none sent, never to link-local",
        run: other_host,
    },
    Row {
        fault: "bearer realm on another private host",
        must: "refuse unless allowed",
        run: other_realm,
    },
    Row {
        fault: "stall after 64 KiB",
        must: "idle timeout, then resume",
        run: stall,
    },
];

/// Pulls the image with its layer, and counts requests.
fn pull(case: &Case, code: i32, path: &str) -> Ours {
    let pull = case
        .tool("soci-pull")
        .args(["-q", "--layers", &case.reference()]);
    let ended = pull
        .env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
        .run();
    let mut ours = Ours::new(&ended, code, case.registry.count("*", path));
    ours.check(
        case.has_layer() == (code == 0),
        "the layer is in the store, or is not",
    );
    ours.check(
        ended.stderr.lines().count() == usize::from(code != 0),
        &format!("not one line: {}", ended.stderr),
    );
    ours
}

/// Pulls from a registry on whose blob a fault falls.
fn with_blob_fault(code: i32, rule: impl FnOnce(Rule) -> Rule, fault: Fault) -> (Case, Ours) {
    let case = Case::new(Faulty::setup());
    case.registry
        .rule(rule(Rule::on("GET", &case.blob(), fault)));
    let ours = pull(&case, code, &case.blob());
    (case, ours)
}

fn with_manifest_fault(code: i32, fault: Fault) -> (Case, Ours) {
    let case = Case::new(Faulty::setup());
    case.registry.fault("*", "*/manifests/*", fault);
    let ours = pull(&case, code, "*/manifests/*");
    (case, ours)
}

/// Checks that no byte of the layer came twice.
fn resumed(case: &Case, mut ours: Ours, first_bytes: &[usize]) -> Ours {
    let entries = case.registry.requests_to("GET", &case.blob());
    let asked: Vec<usize> = entries
        .iter()
        .map(|entry| entry.request.range().map_or(0, |(first, _)| first))
        .collect();
    ours.check(
        asked == first_bytes,
        &format!("asked for bytes from {asked:?} on"),
    );
    let size = case.registry.blob(&case.layer).map_or(0, |blob| blob.len());
    let sent = case.registry.bytes_sent("GET", &case.blob());
    ours.check(sent == size, &format!("{sent} bytes were sent for {size}"));
    ours
}

fn manifest_503() -> Ours {
    with_manifest_fault(69, Fault::status(503)).1.requests(6)
}

fn manifest_429() -> Ours {
    let slow = Fault::error(429, "TOOMANYREQUESTS", "Rate exceeded");
    let slow = slow.and(|_, reply| reply.header("Retry-After", 2));
    let (case, mut ours) = with_manifest_fault(75, slow);
    let entries = case.registry.requests();
    let patient = entries
        .windows(2)
        .all(|two| two[1].at >= two[0].at + Duration::from_secs(2));
    ours.check(patient, "Retry-After is not honoured");
    ours.requests(8)
}

fn blob_503_twice() -> Ours {
    with_blob_fault(0, |rule| rule.times(2), Fault::status(503))
        .1
        .requests(3)
}

fn blob_500() -> Ours {
    with_blob_fault(69, |rule| rule, Fault::status(500))
        .1
        .requests(6)
}

fn cut_once() -> Ours {
    let (case, ours) = with_blob_fault(0, Rule::once, Fault::close_after(CUT));
    resumed(&case, ours, &[0, CUT])
}

fn cut_often() -> Ours {
    let (case, ours) = with_blob_fault(0, |rule| rule, Fault::close_after(CUT));
    resumed(&case, ours, &[0, CUT, 2 * CUT, 3 * CUT, 4 * CUT])
}

fn cut_without_ranges() -> Ours {
    let case = Case::new(Faulty::setup());
    case.registry
        .rule(Rule::on("GET", &case.blob(), Fault::close_after(CUT)).once());
    case.registry
        .fault("GET", &case.blob(), Fault::ignore_range());
    pull(&case, 0, &case.blob()).requests(2)
}

fn reset() -> Ours {
    let (case, ours) = with_blob_fault(0, Rule::once, Fault::reset_after(CUT));
    resumed(&case, ours, &[0, CUT])
}

fn flipped() -> Ours {
    let (_, mut once) = with_blob_fault(0, Rule::once, Fault::flip(CUT));
    let (_, mut ours) = with_blob_fault(65, |rule| rule, Fault::flip(CUT));
    once.check(
        once.requests == 2,
        "not fetched twice where the second would be right",
    );
    ours.wrong.append(&mut once.wrong);
    ours.requests(2)
}

fn too_long() -> Ours {
    with_blob_fault(65, |rule| rule, Fault::edit(|_, reply| reply.extend(10)))
        .1
        .requests(2)
}

fn large_manifest() -> Ours {
    const LARGE: usize = 9 << 20;
    let said = Reply::new(200).header("Content-Type", "application/vnd.oci.image.index.v1+json");
    let said = said.body_of(b' ', LARGE);
    let unsaid = Fault::reply(said.clone().without_length());
    let (_, mut streamed) = with_manifest_fault(65, unsaid);
    let (case, mut ours) = with_manifest_fault(65, Fault::reply(said));
    ours.check(
        case.registry.bytes_sent("GET", "*") < LARGE,
        "all of it was taken",
    );
    ours.wrong.append(&mut streamed.wrong);
    ours.requests(1)
}

fn short_manifest() -> Ours {
    let case = Case::new(Faulty::setup());
    case.registry.fault(
        "GET",
        "*/manifests/*",
        Fault::edit(|_, reply| reply.truncate(100)),
    );
    let ended = case.tool("soci-pull").args(["-q", &case.reference()]).run();
    let mut ours = Ours::new(&ended, 65, case.registry.count("*", "*/manifests/*"));
    let one_line = ended.stderr.lines().count() == 1;
    let clear = ended.stderr.contains(&case.reference()) && ended.stderr.contains("manifest");
    ours.check(
        one_line && clear,
        &format!("not one line that says what and where: {}", ended.stderr),
    );
    ours
}

fn redirect_loop() -> Ours {
    let case = Case::new(Faulty::setup());
    case.registry
        .fault("GET", &case.blob(), Fault::redirect(307, &case.blob()));
    pull(&case, 76, &case.blob()).requests(6)
}

/// Returns whether a registry was asked, and never with credentials.
fn asked_without_credentials(registry: &Faulty) -> bool {
    let entries = registry.requests();
    !entries.is_empty()
        && entries
            .iter()
            .all(|entry| entry.request.header("authorization").is_none())
}

fn other_host() -> Ours {
    let elsewhere = Faulty::setup().address("::1").start();
    let setup = Faulty::setup()
        .basic(USER, PASSWORD)
        .presigned_at(&elsewhere);
    let case = Case::new(setup);
    let mut ours = pull(&case, 0, &case.blob()).requests(1);
    ours.check(
        asked_without_credentials(&elsewhere),
        "the other host saw credentials, or nothing",
    );
    let metadata = Faulty::setup().address(METADATA).start();
    let case = Case::new(Faulty::setup().basic(USER, PASSWORD));
    let target = format!("{}/latest/meta-data", metadata.url());
    case.registry
        .fault("GET", &case.blob(), Fault::redirect(307, &target));
    let mut refused = pull(&case, 76, &case.blob());
    refused.check(
        metadata.requests().is_empty(),
        "the metadata service was asked",
    );
    ours.wrong.append(&mut refused.wrong);
    ours
}

fn other_realm() -> Ours {
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
    let mut ours = Ours::new(&ended, code, case.registry.requests().len());
    ours.check(inside.requests().is_empty(), "the other host was asked");
    ours.requests(1)
}

fn stall() -> Ours {
    let case = Case {
        patience: "0.5",
        ..Case::new(Faulty::setup())
    };
    let fault = Fault::stall_after(CUT, Duration::MAX);
    case.registry
        .rule(Rule::on("GET", &case.blob(), fault).once());
    let ours = pull(&case, 0, &case.blob());
    resumed(&case, ours, &[0, CUT])
}
