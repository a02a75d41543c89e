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
            let (shown, _) = error.split_once(" is a link to ").unwrap_or((error, ""));
            assert_eq!(shown.matches(digest).count(), 1, "`{digest}` in: {error}");
        }
        // Several credential sources may have the same outcome.
        let (error, rest) = error.split_once(" (tried: ").unwrap_or((error, ""));
        let rest = rest.rsplit_once(')').map_or(rest, |(_, rest)| rest);
        let mut parts: Vec<&str> = [error, rest]
            .into_iter()
            .flat_map(|text| text.split("; "))
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
    // `oci:DIR` is no host, nor is `docker:` of `docker://`.
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let is_host = port.is_some_and(|port| port.parse::<u16>().is_ok())
        || (host.contains('.') && !host.contains(':'));
    (is_host && !host.contains([' ', '`']) && !host.starts_with('.')).then_some(host)
}

/// Returns the hexadecimal digits of each digest. The target of a link may be another file of that
/// name.
fn digests(error: &str) -> Vec<&str> {
    let (error, _) = error.split_once(" is a link to ").unwrap_or((error, ""));
    let words = error.split(|character: char| !character.is_ascii_hexdigit());
    words.filter(|word| word.len() >= 64).collect()
}
