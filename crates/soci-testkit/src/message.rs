//! The form of the error messages that the tools write as text.

use crate::process::Finished;

/// Texts that only Rust's own formatting of values produces.
const DEBUG_TEXTS: [&str; 11] = [
    "Error {",
    "Os {",
    "Some(",
    "None)",
    "unhandled error (",
    "kind:",
    "code:",
    "UnknownIssuer",
    "DnsName(",
    "Custom {",
    "client error (",
];

/// Asserts that the errors of a tool hold no text of Rust's own formatting, and that the registry
/// of the image, each digest and each part of the message stand there once.
#[track_caller]
pub fn assert_clear_errors(finished: &Finished) {
    let label = format!("{}: error: ", finished.name);
    let errors = finished
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix(&label));
    for error in errors {
        for text in DEBUG_TEXTS {
            assert!(!error.contains(text), "`{text}` in: {error}");
        }
        if let Some(host) = registry_of(error) {
            assert_eq!(error.matches(host).count(), 1, "`{host}` in: {error}");
        }
        for digest in digests(error) {
            assert_eq!(error.matches(digest).count(), 1, "`{digest}` in: {error}");
        }
        let mut parts: Vec<&str> = error
            .split("; ")
            .flat_map(|part| part.split(": "))
            .collect();
        parts.sort_unstable();
        for pair in parts.windows(2) {
            assert_ne!(pair[0], pair[1], "twice in: {error}");
        }
    }
}

/// Returns the registry that an error begins with, if it begins with an image of a registry that
/// has a port or a domain.
fn registry_of(error: &str) -> Option<&str> {
    let (host, _) = error.split_once('/')?;
    let is_host = host.contains(['.', ':']) && !host.contains([' ', '`']);
    (is_host && !host.starts_with("oci") && !host.starts_with("docker-archive")).then_some(host)
}

/// Returns the hexadecimal digits of each digest.
fn digests(error: &str) -> Vec<&str> {
    let words = error.split(|character: char| !character.is_ascii_hexdigit());
    words.filter(|word| word.len() >= 64).collect()
}
