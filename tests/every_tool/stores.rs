//! What holds for each tool with a store: `soci-pull`, `soci-index` and `soci-push`.
//!
//! The tests of these tools include this module beside `suite.rs`.

use soci_testkit::process::Sandbox;

/// F3: a store that cannot be made is named.
#[test]
fn names_a_store_that_cannot_be_made() {
    let sandbox = Sandbox::new();
    // Below a file no user can make a folder.
    sandbox.write("file", "");
    for store in ["file", "file/store"] {
        let tool = crate::soci_tool(&sandbox).args(["--store", store]);
        let finished = tool.stdin("{}").run().ends_with(73);
        let finished = finished.says("cannot open the store").says(store);
        finished.says("--store").writes_only_its_failure();
    }
}

/// K1: without a home folder the error names the option and the variable.
#[test]
fn names_the_option_when_there_is_no_home_directory() {
    let sandbox = Sandbox::new();
    let tool = crate::soci_tool(&sandbox).stdin("{}");
    let tool = tool.env_remove("SOCI_STORE").env_remove("HOME");
    let finished = tool.run().ends_with(73);
    finished.says("SOCI_STORE").says("--store");
}
