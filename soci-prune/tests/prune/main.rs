//! Runs `soci-prune` alone, on stores that the tests write.

use assert_cmd::cargo::cargo_bin;
use soci_testkit::process::{Sandbox, Tool};

/// Returns `soci-prune`.
fn soci_tool(sandbox: &Sandbox) -> Tool {
    sandbox.program(cargo_bin!("soci-prune"))
}

#[test]
fn requires_a_limit() {
    let sandbox = Sandbox::new();
    let finished = soci_tool(&sandbox).run().ends_with(2);
    finished.says("--keep-days").says("--max-size");
    assert!(!sandbox.store().exists(), "a usage error makes no store");
}
