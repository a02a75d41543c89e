//! Machines that limit a process's files, memory and threads.

use std::os::unix::fs::MetadataExt as _;

use soci_testkit::{
    process::{Finished, Sandbox, Tool, pipeline},
    workspace,
};

use super::with_registry;
use crate::stages::{Stages, assert_sound, indexed, planned, stage};

/// Runs a command as a user without other processes, who may read the same files as the test's own
/// user.
const OTHER_USER: [&str; 5] = [
    "setpriv",
    "--reuid=54321",
    "--inh-caps=-all,+dac_override",
    "--ambient-caps=-all,+dac_override",
    "--bounding-set=-all,+dac_override",
];

/// F11: 64 open files and 600 MB of address space are enough.
#[test]
fn needs_few_files_and_little_memory() {
    let (sandbox, _registry, reference) = with_registry();
    let limited = |name: &str| {
        let tool = sandbox
            .program("prlimit")
            .args(["--nofile=64", "--as=600000000"]);
        tool.arg(workspace::bin(name))
            .env("SOCI_MIN_LAYER_SIZE", "0")
    };
    let ended: Vec<Finished> = pipeline([
        limited("soci-pull").arg(&reference),
        limited("soci-plan"),
        limited("soci-index").args(["--jobs", "16"]),
        limited("soci-push").args(["--max-concurrent-uploads", "32"]),
    ]);
    for tool in ended {
        tool.succeeds();
    }
    let again = Sandbox::new();
    Stages::of(&again, &[&reference]).run().succeeds_for_one();
}

/// Returns a tool whose user may have so many threads.
fn with_threads(sandbox: &Sandbox, threads: usize, name: &str) -> Tool {
    let limit = format!("--nproc={threads}");
    let tool = sandbox.program("prlimit").arg(limit);
    // The limit does not apply to root. For other users all their processes count, so it may be
    // reached sooner.
    let root = sandbox.path().metadata().expect("the sandbox").uid() == 0;
    let tool = if root {
        tool.args(OTHER_USER).arg("--clear-groups")
    } else {
        tool
    };
    tool.arg(workspace::bin(name))
        .env("SOCI_MIN_LAYER_SIZE", "0")
}

/// Asserts that a tool succeeded, or reported that it could not start a thread.
#[track_caller]
fn assert_success_or_thread_error(ended: &Finished, threads: usize) {
    let said = format!("{}, {threads} threads: {}", ended.name, ended.stderr);
    assert!(!said.contains("panicked"), "{said}");
    assert!(matches!(ended.code(), 0 | 74), "{}, {said}", ended.code());
    if ended.code() == 74 {
        assert!(said.contains("cannot start"), "{said}");
        ended.writes_only_its_failure();
    }
}

/// F11: a tool that gets too few threads succeeds or reports that it cannot start one.
#[test]
fn needs_few_threads_or_reports_the_lack() {
    let (sandbox, _registry, _reference) = with_registry();
    let plan = planned(&sandbox, "oci:image");
    let line = indexed(&sandbox, "oci:image");
    let most = 8;
    for threads in 1..=most {
        for (name, arguments, input) in [
            ("soci-pull", &["--layers"][..], &plan),
            ("soci-plan", &[], &plan),
            ("soci-index", &["--force", "--jobs", "4"], &plan),
            ("soci-push", &["--to", "oci:out:v1"], &line),
        ] {
            drop(std::fs::remove_dir_all(sandbox.path().join("out")));
            let tool = with_threads(&sandbox, threads, name).args(arguments);
            let ended = tool.stdin(input.clone()).run();
            assert_success_or_thread_error(&ended, threads);
            assert_sound(&sandbox.store());
        }
    }
    let index = stage(&sandbox, "soci-index").args(["--force", "--jobs", "4"]);
    index.stdin(plan).run().succeeds();
}
