//! Secrets that are made to be found where they must not be.
//!
//! Every secret that a fault test gives to a tool, or that a server gives it, starts with `canary`. So one search finds them
//! all, as they are and in Base64, and [`assert_no_canary`] can stand at the end of every run.

mod gate;

use std::fs;

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

/// Asserts that no secret shows in bytes.
#[track_caller]
pub(crate) fn assert_hidden(place: &str, bytes: &[u8]) {
    for needle in NEEDLES {
        let mut windows = bytes.windows(needle.len());
        let shows = windows.any(|window| window == needle.as_bytes());
        assert!(
            !shows,
            "a secret (`{needle}`) shows in {place}:\n{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

/// `canary` as it is, and the part of it that is the same in every Base64, for each of three offsets.
const NEEDLES: [&str; 4] = ["canary", "Y2FuYXJ5", "NhbmFye", "jYW5hcn"];
