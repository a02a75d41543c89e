//! Signals while a blob is uploaded.

use std::time::{Duration, Instant};

use soci_testkit::{
    faulty::{Fault, Faulty},
    process::Sandbox,
    running::{RunningTool, SIGNALS},
};

use crate::{input, registry_with_layers, soci_tool};

/// Longer than any test takes.
const STALL: Duration = Duration::from_mins(5);

/// Returns a push that waits for the reply to its one upload, and the registry that does not reply
/// to these methods.
fn push_in_an_upload(methods: &str) -> (Faulty, RunningTool) {
    let registry = registry_with_layers(Faulty::setup(), &[4000]);
    let sandbox = Sandbox::new();
    let line = input(&sandbox, &registry);
    registry.fault(methods, "*/blobs/uploads/*", Fault::stall_head(STALL));
    let tool = soci_tool(&sandbox).args(["--max-concurrent-uploads", "1"]);
    let running = RunningTool::start(sandbox, tool, &line);
    wait_for(&registry, "PUT");
    (registry, running)
}

/// Waits until the registry gets a request with a method.
fn wait_for(registry: &Faulty, method: &str) {
    registry.wait_until(|entries| entries.iter().any(|entry| entry.request.method == method));
}

/// G1: a signal cancels an open upload session.
#[test]
fn cancels_an_open_upload_on_a_signal() {
    for (name, number) in SIGNALS {
        let (registry, running) = push_in_an_upload("PUT");
        running.signal(name);
        running.assert_dies_by(number);
        assert_eq!(registry.count("DELETE", "*/blobs/uploads/*"), 1);
        assert_eq!(registry.count("PUT", "*/manifests/*"), 0);
    }
}

/// G1: a signal that is sent twice at once counts as one.
#[test]
fn counts_two_signals_at_once_as_one() {
    for (name, number) in SIGNALS {
        let (registry, running) = push_in_an_upload("PUT");
        // `timeout` sends a signal to its child and to the child's group.
        running.send_signals(name, 2);
        running.assert_dies_by(number);
        assert_eq!(registry.count("DELETE", "*/blobs/uploads/*"), 1);
    }
}

/// G2: a second signal ends the tool at once.
#[test]
fn ends_at_once_on_a_second_signal() {
    let (registry, running) = push_in_an_upload("PUT|DELETE");
    running.signal("TERM");
    // The tool waits up to a second for the reply to this request.
    wait_for(&registry, "DELETE");
    let second = Instant::now();
    running.signal("INT");
    running.assert_dies_by(2);
    assert!(second.elapsed() < Duration::from_millis(700));
}
