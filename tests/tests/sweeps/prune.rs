//! Makes each call by which `soci-prune` changes the store fail, and kills it at each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::PathBuf,
    time::Duration,
};

use serde_json::Value;
use soci_testkit::{
    process::{Finished, Sandbox, Tool, pipeline},
    workspace,
};

use crate::stage::{Files, Stage, copy_files, files};

const AGE: Duration = Duration::from_hours(40 * 24);

/// A store after a run of the pipeline, whose files were not used for long.
struct Template {
    sandbox: Sandbox,
    document: Value,
}

impl Template {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        copy_files(Stage::all()[0].sandbox().path(), sandbox.path());
        let document = run_pipeline(&sandbox);
        Self { sandbox, document }
    }

    /// Returns a copy.
    fn copy(&self) -> Sandbox {
        let sandbox = Sandbox::new();
        copy_files(self.sandbox.path(), sandbox.path());
        let clock = sandbox.write("clock", "");
        let now = clock.metadata().and_then(|metadata| metadata.modified());
        let time = now.expect("a time") - AGE;
        for path in files(&sandbox.store()).keys() {
            let file = File::open(sandbox.store().join(path)).expect("a file of the store");
            file.set_modified(time).expect("a changed time");
        }
        sandbox
    }
}

/// Pulls the layers, plans and indexes, and returns the document without its times.
fn run_pipeline(sandbox: &Sandbox) -> Value {
    let tool = |name| sandbox.tool(name).env("SOCI_MIN_LAYER_SIZE", "0");
    let ended = pipeline([
        tool("soci-pull").args(["--layers", "oci:image:latest"]),
        tool("soci-plan"),
        tool("soci-index"),
    ]);
    let mut last = Vec::new();
    for finished in ended {
        last = finished.succeeds().documents();
    }
    let mut document = last.remove(0);
    document
        .as_object_mut()
        .expect("a document")
        .remove("timing");
    document
}

fn prune(tool: Tool) -> Tool {
    tool.args(["--keep-days", "30", "--format", "json"])
}

/// Runs `soci-prune` with a fault at one call. Returns `None` if there is no such call.
fn prune_with_fault(sandbox: &Sandbox, call: &str, fault: &str, number: usize) -> Option<Finished> {
    let strace = sandbox.program("strace").args(["-f", "-o", "trace"]);
    let strace = strace.arg(format!("--inject={call}:{fault}:when={number}"));
    let finished = prune(strace.arg(workspace::bin("soci-prune"))).run();
    let trace = fs::read_to_string(sandbox.path().join("trace")).expect("what strace wrote");
    let happened = trace.contains("(INJECTED)") || trace.contains("+++ killed by SIGKILL +++");
    happened.then_some(finished)
}

/// Asserts that each file of the store still has the files that it needs, as far as it had them
/// `before`.
#[track_caller]
fn assert_no_file_lacks_another(store: &Files, before: &Files) {
    let blob = |digest: &str| PathBuf::from("blobs").join(digest.replace(':', "/"));
    for (name, content) in store {
        let Ok(json) = serde_json::from_slice::<Value>(content) else {
            continue;
        };
        let config = json["config"]["mediaType"].as_str().unwrap_or_default();
        let mut needed: Vec<&Value> = vec![&json["config"], &json["subject"], &json["ztoc"]];
        needed.extend(json["manifests"].as_array().into_iter().flatten());
        if config.contains("soci.index") {
            needed.extend(json["layers"].as_array().into_iter().flatten());
        }
        for digest in needed.iter().filter_map(|needed| needed["digest"].as_str()) {
            let path = blob(digest);
            let is_lost = before.contains_key(&path) && !store.contains_key(&path);
            assert!(!is_lost, "{} needs {digest}", name.display());
        }
    }
}

/// Runs `soci-prune` with a fault at each call of this name, and checks the store after each.
/// Returns how many calls there were.
#[track_caller]
fn sweep(template: &Template, call: &str, fault: &str, check: impl Fn(&Finished)) -> usize {
    let before = files(&template.sandbox.store());
    for number in 1.. {
        let sandbox = template.copy();
        let Some(finished) = prune_with_fault(&sandbox, call, fault, number) else {
            return number - 1;
        };
        check(&finished);
        let after = files(&sandbox.store());
        assert_no_file_lacks_another(&after, &before);
        assert!(
            after
                .iter()
                .all(|(name, content)| before.get(name) == Some(content))
        );
        if fault.starts_with("error") {
            assert_lines_match(&finished, &before, &after);
        }
        // The next runs finish the work, and a pipeline builds the same again.
        prune(sandbox.tool("soci-prune")).run().succeeds();
        let left: BTreeSet<PathBuf> = files(&sandbox.store()).into_keys().collect();
        let fixed = ["index.json", "oci-layout", "soci-store"].map(PathBuf::from);
        assert_eq!(left, BTreeSet::from(fixed), "{call} {number}");
        // The store is empty by now, so that the pipeline need not run each time.
        if number % 8 == 1 {
            assert_eq!(run_pipeline(&sandbox), template.document, "{call} {number}");
        }
    }
    unreachable!("there is a last call")
}

/// Asserts that the lines on stdout are those of the files that are gone.
#[track_caller]
fn assert_lines_match(finished: &Finished, before: &Files, after: &Files) {
    let lines = finished.documents();
    let listed: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["file"].as_str())
        .collect();
    let gone: BTreeMap<&PathBuf, _> = before
        .iter()
        .filter(|(name, _)| !after.contains_key(*name))
        .collect();
    let gone: BTreeSet<&str> = gone.keys().filter_map(|name| name.to_str()).collect();
    assert_eq!(listed, gone);
}

/// F13: `soci-prune` is killed before or while it removes any file.
#[test]
fn leaves_no_file_without_what_it_needs_when_it_is_killed() {
    let template = Template::new();
    for call in ["unlinkat", "fsync"] {
        let calls = sweep(&template, call, "signal=SIGKILL", |finished| {
            assert_eq!(finished.code(), 137, "{}", finished.stderr);
        });
        println!("soci-prune killed at {calls} calls of {call}");
        assert!(calls > 2, "{call}: {calls}");
    }
}

/// F13: a file cannot be removed. What needs no such file is still removed.
#[test]
fn reports_a_file_that_cannot_be_removed() {
    let template = Template::new();
    for (error, code) in [("EIO", 74), ("EACCES", 73)] {
        let fault = format!("error={error}");
        let calls = sweep(&template, "unlinkat", &fault, |finished| {
            assert_eq!(finished.code(), code, "{}", finished.stderr);
            assert!(
                finished.stderr.contains("cannot remove"),
                "{}",
                finished.stderr
            );
        });
        assert!(calls > 10, "{calls}");
    }
}

/// F13: the removal of files cannot be made durable.
#[test]
fn reports_a_directory_that_cannot_be_synced() {
    let template = Template::new();
    let calls = sweep(&template, "fsync", "error=EIO", |finished| {
        assert_eq!(finished.code(), 74, "{}", finished.stderr);
        assert!(finished.stderr.contains("store"), "{}", finished.stderr);
    });
    assert!(calls > 2, "{calls}");
}

/// F13: the power is cut. The entries of a directory are synced after each file that needs others,
/// before those are removed.
#[test]
fn syncs_the_removal_of_a_file_before_that_of_what_it_needs() {
    let template = Template::new();
    let sandbox = template.copy();
    let strace = sandbox.program("strace").args(["-f", "-y", "-o", "trace"]);
    let strace = strace.arg("--trace=unlinkat,fsync");
    prune(strace.arg(workspace::bin("soci-prune")))
        .run()
        .succeeds();
    let trace = fs::read_to_string(sandbox.path().join("trace")).expect("what strace wrote");
    let position = |digest: &Value| {
        let digest = digest.as_str().expect("a digest");
        let hex = digest.split_once(':').expect("a digest").1;
        let mut lines = trace.lines();
        let found = lines.position(|line| line.contains("unlinkat(") && line.contains(hex));
        found.unwrap_or_else(|| panic!("{digest} is not removed:\n{trace}"))
    };
    let entry = &template.document["manifests"][0];
    let (index, ztoc) = (
        position(&entry["index"]["v2"]["digest"]),
        position(&entry["layers"][0]["ztoc"]["digest"]),
    );
    assert!(index < ztoc);
    let mut between = trace.lines().take(ztoc).skip(index);
    assert!(between.any(|line| line.contains("fsync(") && line.contains("blobs/sha256")));
}
