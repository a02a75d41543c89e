//! The search for secrets in places where they must not be.
//!
//! Every secret that a test or a server gives to a tool starts with `canary`, so that one search
//! finds them all, plain or in Base64. [`process`](crate::process) searches the output of each tool
//! that it runs.

/// `canary`, and the Base64 of it for each of the three possible offsets in a longer text.
const NEEDLES: [&str; 4] = ["canary", "Y2FuYXJ5", "NhbmFye", "jYW5hcn"];

/// Asserts that bytes contain no secret. `place` names their origin in the message.
#[track_caller]
pub fn assert_hidden(place: &str, bytes: &[u8]) {
    for needle in NEEDLES {
        let mut windows = bytes.windows(needle.len());
        let is_found = windows.any(|window| window == needle.as_bytes());
        assert!(
            !is_found,
            "a secret (`{needle}`) is in {place}:\n{}",
            String::from_utf8_lossy(bytes)
        );
    }
}
