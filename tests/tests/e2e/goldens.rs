//! Compares what the reference made of each golden input with what the tools make of it.
//!
//! `docs/differences.md` lists the goldens for which the two differ on purpose.

mod images;
mod layers;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Mutex,
    thread,
};

use serde_json::Value;
use soci_testkit::{
    process::{Finished, Sandbox},
    workspace,
};

use crate::stages::only_document;

/// The build tool identifier of the reference in the goldens.
const BUILD_TOOL: &str = "AWS SOCI CLI v0.2";

/// The result for an image: its document, or the status and the message of the first stage that
/// failed.
enum Outcome {
    Indexed(Value),
    Failed(i32, String),
}

/// Pulls, plans and indexes an image.
fn index(sandbox: &Sandbox, reference: &str, plan: &[String]) -> Outcome {
    let mut stdout = Vec::new();
    let tools = [
        sandbox.tool("soci-pull").arg(reference),
        sandbox.tool("soci-plan").args(plan),
        sandbox
            .tool("soci-index")
            .args(["--build-tool-identifier", BUILD_TOOL]),
    ];
    for tool in tools {
        let ended: Finished = tool.stdin(stdout).run();
        if ended.code() != 0 {
            ended.writes_only_its_failure();
            return Outcome::Failed(ended.code(), ended.stderr);
        }
        stdout = ended.stdout;
    }
    let line = String::from_utf8(stdout).expect("text");
    let documents = line
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    Outcome::Indexed(only_document(documents.collect()))
}

/// How the result for a golden differs, by the golden's name.
type Misses = BTreeMap<String, String>;

/// Checks all cases, several at a time, and returns those that differ.
fn find_misses<C: Sync>(
    cases: &[C],
    check: impl Fn(&C) -> (String, Result<(), String>) + Sync,
) -> Misses {
    let next = Mutex::new(cases.iter());
    let found = Mutex::new(Misses::new());
    let worker = || {
        loop {
            let case = next.lock().expect("no panic").next();
            let Some(case) = case else { break };
            if let (name, Err(miss)) = check(case) {
                found.lock().expect("no panic").insert(name, miss);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(worker);
        }
    });
    found.into_inner().expect("no panic")
}

/// Asserts that exactly the goldens of `expected` differ, each in the way that is given there, and
/// that the documentation names them.
#[track_caller]
fn assert_differences(found: &Misses, expected: &[(&str, &str)]) {
    let path = workspace::root().join("docs/differences.md");
    let documented = fs::read_to_string(&path).expect("docs/differences.md");
    let names: BTreeSet<&str> = expected.iter().map(|(name, _)| *name).collect();
    for (name, miss) in found {
        assert!(
            names.contains(name.as_str()),
            "golden `{name}` does not hold: {miss}"
        );
    }
    for (name, way) in expected {
        let miss = found.get(*name);
        assert!(
            miss.is_some_and(|miss| miss.contains(way)),
            "golden `{name}` differs in another way than by `{way}`: {miss:?}"
        );
        let mention = format!("`{name}`");
        assert!(
            documented.contains(&mention),
            "{} does not name {mention}",
            path.display()
        );
    }
}
