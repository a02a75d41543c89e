//! Secrets that are made to be found where they must not be.
//!
//! Every secret that a fault test gives to a tool, or that a server gives it, starts with `canary`. So one search finds them
//! all, as they are and in Base64, and [`assert_no_canary`] can stand at the end of every run.

mod gate;

use std::fs;

pub(crate) use soci_testkit::canary::assert_hidden;
use soci_testkit::process::{Finished, Sandbox};

use crate::stages::files_below;

/// Asserts that no secret shows in what tools wrote, or in a file of the sandbox's store.
#[track_caller]
pub(crate) fn assert_no_canary(sandbox: &Sandbox, ended: &[&Finished]) {
    for ended in ended {
        assert_hidden("stderr", ended.stderr.as_bytes());
        assert_hidden("stdout", &ended.stdout);
    }
    for file in files_below(&sandbox.store()) {
        let content = fs::read(&file).expect("a readable file");
        assert_hidden(&file.display().to_string(), &content);
    }
}
