//! What holds for each tool with a store: `soci-pull`, `soci-index` and `soci-push`.
//!
//! The tests of these tools include this module beside `suite.rs`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    process::{Command, Stdio},
};

use soci_testkit::{message::assert_clear_errors, process::Sandbox};

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

/// F14: where no folder can be made, the tool ends with a message.
#[test]
fn ends_with_a_message_where_no_store_can_be_made() {
    let sandbox = Sandbox::new();
    symlink("loop", sandbox.path().join("loop")).expect("a link");
    symlink("nowhere", sandbox.path().join("dangling")).expect("a link");
    let long = "x".repeat(300);
    let deep = "x/".repeat(3000);
    for store in [
        "/proc/x",
        "/proc/x/y",
        "loop",
        "loop/a",
        "dangling",
        &long,
        &deep,
    ] {
        let tool = crate::soci_tool(&sandbox).env("SOCI_STORE", store);
        let finished = tool.stdin("{}").run().ends_with(73);
        let finished = finished.says("cannot open the store").says("--store");
        finished.writes_only_its_failure();
        assert_clear_errors(&finished);
    }
    let tool = crate::soci_tool(&sandbox).args(["--store", ""]);
    tool.run().ends_with(2).says("--store: it needs a value");
}

/// F14: a working folder that was removed.
#[test]
fn ends_with_a_message_in_a_folder_that_was_removed() {
    let sandbox = Sandbox::new();
    let tool = crate::soci_tool(&sandbox).into_command();
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(tool.get_program());
    shell.current_dir(sandbox.path()).env("SOCI_STORE", "store");
    let output = shell.stdin(Stdio::null()).output().expect("the tool");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(said.contains("the working directory was removed"), "{said}");
}

/// F15: a folder with files of the user does not become a store.
#[test]
fn refuses_a_folder_with_other_files() {
    let sandbox = Sandbox::new();
    sandbox.write("store/passwd", "");
    let finished = crate::soci_tool(&sandbox).stdin("{}").run().ends_with(73);
    let finished = finished
        .says("it holds `passwd`")
        .says("an empty directory");
    finished.writes_only_its_failure();
    assert_clear_errors(&finished);
    let files = fs::read_dir(sandbox.store()).expect("the folder");
    assert_eq!(files.count(), 1);
}

/// F16: a store that other users can write to is used only if the user says so.
#[test]
fn refuses_a_store_of_other_users_unless_it_is_trusted() {
    let sandbox = Sandbox::new();
    let open = |trust: &str| {
        let tool = crate::soci_tool(&sandbox).env("SOCI_TRUST_STORE", trust);
        tool.stdin("{}").run()
    };
    open("false").ends_with(65);
    let set_mode = |mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(sandbox.store(), mode).expect("an own folder");
    };
    set_mode(0o777);
    let finished = open("false")
        .ends_with(73)
        .says("can be written by every user");
    let finished = finished.says("SOCI_TRUST_STORE").says("--trust-store");
    assert_clear_errors(&finished);
    open("true").ends_with(65);
    set_mode(0o775);
    open("false").ends_with(65);
    // Only root can give the store to another user.
    if chown(sandbox.store(), Some(12_345), None).is_ok() {
        open("false").ends_with(73).says("belongs to user 12345");
        open("true").ends_with(65);
    }
}
