//! Secrets that are made to be found where they must not be.
//!
//! Every secret that a test gives to a tool, or that a server gives it, starts with `canary`. So
//! one search finds them all, as they are and in Base64; whatever [`process`](crate::process) runs
//! is searched.

use std::fs;

use crate::{
    process::{Finished, Sandbox},
    store::files_below,
};

/// `canary` as it is, and the part of it that is the same in every Base64, for each of three
/// offsets.
const NEEDLES: [&str; 4] = ["canary", "Y2FuYXJ5", "NhbmFye", "jYW5hcn"];

/// Asserts that no secret shows in bytes.
#[track_caller]
pub fn assert_hidden(place: &str, bytes: &[u8]) {
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

/// Asserts that no secret shows in what tools wrote, or in a file of the sandbox's store.
#[track_caller]
pub fn assert_no_secret(sandbox: &Sandbox, finished: &[&Finished]) {
    for finished in finished {
        assert_hidden("stderr", finished.stderr.as_bytes());
        assert_hidden("stdout", &finished.stdout);
    }
    for file in files_below(&sandbox.store()) {
        let content = fs::read(&file).expect("a readable file");
        assert_hidden(&file.display().to_string(), &content);
    }
}
