//! Signals while a layer is stored, and signals that the parent ignores.

use std::time::Duration;

use soci_testkit::{
    document::DocumentBuilder,
    faulty::{Fault, Faulty},
    process::Sandbox,
    running::{RunningTool, SIGNALS},
};

use crate::{app, registry_with_layers, soci_tool};

/// Longer than any test takes.
const STALL: Duration = Duration::from_mins(5);

/// G1: a signal while a layer is stored removes the unfinished file.
#[test]
fn removes_an_unfinished_layer_on_a_signal() {
    for (name, number) in SIGNALS {
        let registry = registry_with_layers(Faulty::setup(), &[400_000]);
        let sandbox = Sandbox::new();
        let plan = DocumentBuilder::new(&sandbox, &app(&registry)).planned(&registry);
        registry.fault("GET", "*/blobs/*", Fault::stall_after(100_000, STALL));
        let tool = soci_tool(&sandbox).arg("--layers");
        let running = RunningTool::start(sandbox, tool, &plan);
        registry.wait_until(|entries| entries.iter().any(|entry| entry.sent == 100_000));
        running.wait_for_file(".unfinished-");
        running.signal(name);
        running.assert_dies_by(number);
    }
}

/// G1: a signal that the parent ignores stays ignored, as below `nohup`.
#[test]
fn ignores_a_signal_that_its_parent_ignores() {
    let registry = registry_with_layers(Faulty::setup(), &[3000]);
    let sandbox = Sandbox::new();
    let stall = Fault::stall_head(Duration::from_millis(300));
    registry.fault("GET", "*/manifests/*", stall);
    let pull = soci_tool(&sandbox).into_command();
    let pull = pull.get_program().to_string_lossy();
    let script = format!("trap '' HUP; exec '{pull}' {}", app(&registry));
    let tool = sandbox.program("sh").args(["-c", &script]);
    let running = RunningTool::start_with_own_signals(sandbox, tool, b"");
    registry.wait_until(|entries| !entries.is_empty());
    running.signal("HUP");
    running.assert_succeeds();
}
