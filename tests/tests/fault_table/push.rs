//! Faults of a registry during a push.

use serde_json::Value;
use soci_testkit::{
    faulty::{Fault, Faulty, Habit, Rule, Setup},
    process::Finished,
};

use crate::case::{Case, Outcome, Row};

pub(crate) const ROWS: [Row; 8] = [
    Row {
        fault: "reset in an upload, whose session then fails",
        required: "ok by a new session",
        run: reset,
    },
    Row {
        fault: "500 on the closing PUT, once",
        required: "ok",
        run: put_500,
    },
    Row {
        fault: "503 on POST and PATCH, once",
        required: "ok",
        run: patch_503,
    },
    Row {
        fault: "session unknown (404) at PUT, once",
        required: "ok",
        run: session_unknown,
    },
    Row {
        fault: "429 with Retry-After: 1 on manifest PUT, 3 times",
        required: "ok",
        run: manifest_429,
    },
    Row {
        fault: "MANIFEST_BLOB_UNKNOWN on manifest PUT, once",
        required: "ok",
        run: blob_unknown,
    },
    Row {
        fault: "PATCH answers 201, and ECR's other habits",
        required: "ok",
        run: ecr,
    },
    Row {
        fault: "tag is immutable (400 TAG_INVALID)",
        required: "76 after 1 PUT; ok where it is the same",
        run: immutable,
    },
];

const UPLOADS: &str = "*/blobs/uploads/*";
const MANIFESTS: &str = "*/manifests/*";

/// Indexes the image without a fault, pushes it with one, and counts the requests for a path.
fn push(setup: Setup, rule: Option<Rule>, counted: &str) -> (Case, Outcome) {
    let case = Case::new(setup);
    let line = case.indexed();
    if let Some(rule) = rule {
        case.registry.rule(rule);
    }
    let before = case.registry.count("*", counted);
    let ended = case.tool("soci-push").stdin(line).run();
    let mut outcome = Outcome::new(&ended, 0, case.registry.count("*", counted) - before);
    check_pushed(&case, &ended, &mut outcome);
    (case, outcome)
}

/// Checks that nothing to which the pushed tag and index refer is missing.
fn check_pushed(case: &Case, ended: &Finished, outcome: &mut Outcome) {
    let broken = case.registry.broken("app", "v1-soci");
    outcome.check(
        broken.is_empty(),
        &format!("missing or damaged: {broken:?}"),
    );
    if ended.code() == 0 {
        let document = &ended.documents()[0];
        let v1 = document["manifests"][0]["index"]["v1"]["digest"]
            .as_str()
            .unwrap_or("none");
        let broken = case.registry.broken("app", v1);
        outcome.check(
            broken.is_empty(),
            &format!("missing or damaged: {broken:?}"),
        );
    }
}

fn reset() -> Outcome {
    let rule = Rule::on("PUT", UPLOADS, Fault::reset_request_after(100)).once();
    let (case, mut outcome) = push(Faulty::setup().ecr(), Some(rule), UPLOADS);
    let requests = case.registry.requests();
    let rejected = requests
        .iter()
        .filter(|entry| entry.status == Some(416))
        .count();
    outcome.check(rejected == 0, "the session was used again");
    outcome
}

fn put_500() -> Outcome {
    let rule = Rule::on("PUT", UPLOADS, Fault::status(500)).once();
    push(Faulty::setup(), Some(rule), UPLOADS).1
}

fn patch_503() -> Outcome {
    let rule = Rule::on("POST|PATCH", UPLOADS, Fault::status(503)).once();
    push(Faulty::setup(), Some(rule), UPLOADS).1
}

fn session_unknown() -> Outcome {
    let unknown = Fault::error(
        404,
        "BLOB_UPLOAD_UNKNOWN",
        "blob upload unknown to registry",
    );
    let rule = Rule::on("PUT", UPLOADS, unknown).once();
    push(Faulty::setup(), Some(rule), UPLOADS).1
}

fn manifest_429() -> Outcome {
    let slow = Fault::error(429, "TOOMANYREQUESTS", "Rate exceeded");
    let slow = slow.and(|_, reply| reply.header("Retry-After", 1));
    let rule = Rule::on("PUT", MANIFESTS, slow).times(3);
    push(Faulty::setup(), Some(rule), MANIFESTS).1
}

fn blob_unknown() -> Outcome {
    let unknown = Fault::error(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
    let rule = Rule::on("PUT", MANIFESTS, unknown).once();
    push(Faulty::setup(), Some(rule), MANIFESTS).1
}

fn ecr() -> Outcome {
    push(Faulty::setup().ecr(), None, "*").1
}

fn immutable() -> Outcome {
    let case = Case::new(Faulty::setup().habit(Habit::ImmutableTags));
    let line = case.indexed();
    let push = || case.tool("soci-push").stdin(line.clone()).run();
    let mut wrong = Vec::new();
    for _ in 0..2 {
        let mut again = Outcome::new(&push(), 0, 0);
        wrong.append(&mut again.wrong);
    }
    let other = case.registry.tags("app")["v1"].clone();
    case.registry.tag("app", "v1-soci", &other);
    let before = case.registry.count("PUT", "*/manifests/v1-soci");
    let ended = push();
    let mut outcome = Outcome::of_part(
        &ended,
        76,
        case.registry.count("PUT", "*/manifests/v1-soci") - before,
    );
    outcome.check(
        case.registry.tags("app")["v1-soci"] == other,
        "the tag was moved",
    );
    let document: Value = serde_json::from_slice(&line).unwrap_or_default();
    let v1 = document["manifests"][0]["index"]["v1"]["digest"]
        .as_str()
        .unwrap_or("none");
    outcome.check(
        case.registry.broken("app", v1).is_empty(),
        "content of the index is missing",
    );
    outcome.wrong.append(&mut wrong);
    outcome.check(outcome.requests <= 1, "the tag was pushed again");
    outcome
}
