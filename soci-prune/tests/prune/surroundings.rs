//! Stores that do not exist, or have no place.

use std::fs;

use soci_testkit::process::Sandbox;

use crate::store::{DAY, Store, result};

#[test]
fn a_store_that_does_not_exist_is_empty() {
    let store = Store::new();
    let tool = store
        .tool()
        .args(["--keep-days", "30", "--store", "absent"]);
    let finished = tool.run().succeeds();
    assert_eq!(result(&finished)["kept"]["files"], 0);
    finished.says("there is no store in `absent`");
    assert!(!store.sandbox.path().join("absent").exists());
}

/// K1: no home directory.
#[test]
fn names_the_option_when_there_is_no_home_directory() {
    let store = Store::new();
    let tool = store.tool().args(["--keep-days", "30"]);
    let tool = tool.env_remove("SOCI_STORE").env_remove("HOME");
    tool.run().ends_with(73).says("--store");
}

#[test]
fn takes_its_limits_from_the_environment() {
    let store = Store::new();
    let blob = store.write_blob(b"content");
    store.set_all_ages(40 * DAY);
    let tool = store.tool().env("SOCI_KEEP_DAYS", "30");
    tool.env("SOCI_DRY_RUN", "true").run().succeeds();
    assert!(blob.exists());
    store.tool().env("SOCI_MAX_SIZE", "0").run().succeeds();
    assert!(!blob.exists());
}

/// F3: the store is a file.
#[test]
fn refuses_a_file() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.store(), "").expect("a file");
    let tool = sandbox.program(assert_cmd::cargo::cargo_bin!("soci-prune"));
    let finished = tool.args(["--keep-days", "30"]).run().ends_with(65);
    finished.says("is not an OCI image layout");
}
