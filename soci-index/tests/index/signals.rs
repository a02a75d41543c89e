//! Signals while a layer is read.

use std::{thread, time::Duration};

use soci_testkit::{
    faulty::{Fault, Faulty, Rule},
    process::Sandbox,
    running::{RunningTool, SIGNALS},
};

use crate::{input, registry_with_layers, soci_tool};

/// Longer than any test takes.
const STALL: Duration = Duration::from_mins(5);

/// G1: a signal in the middle of a layer leaves nothing behind.
#[test]
fn leaves_nothing_behind_after_a_signal_in_a_layer() {
    for (name, number) in SIGNALS {
        let registry = registry_with_layers(Faulty::setup(), &[400_000]);
        let sandbox = Sandbox::new();
        let plan = input(&sandbox, &registry);
        registry.fault("GET", "*/blobs/*", Fault::stall_after(100_000, STALL));
        let tool = soci_tool(&sandbox);
        let running = RunningTool::start(sandbox, tool, &plan);
        registry.wait_until(|entries| entries.iter().any(|entry| entry.sent == 100_000));
        running.signal(name);
        running.assert_dies_by(number);
    }
}

/// G6: a tool that was stopped for longer than a timeout goes on.
#[test]
fn resumes_after_it_was_stopped() {
    let registry = registry_with_layers(Faulty::setup(), &[400_000]);
    let sandbox = Sandbox::new();
    let plan = input(&sandbox, &registry);
    let drip = Fault::drip(20_000, Duration::from_millis(20));
    registry.rule(Rule::on("GET", "*/blobs/*", drip).once());
    let tool = soci_tool(&sandbox).env("SOCI_IDLE_TIMEOUT", "0.2");
    let running = RunningTool::start(sandbox, tool, &plan);
    registry.wait_until(|entries| entries.iter().any(|entry| entry.sent >= 100_000));
    running.signal("STOP");
    // The test needs the time to pass.
    thread::sleep(Duration::from_millis(600));
    running.signal("CONT");
    running.assert_succeeds();
}
