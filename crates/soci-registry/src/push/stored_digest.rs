//! Checks what a registry says that it has stored.

use reqwest::header::HeaderMap;
use soci_oci::Digest;

use crate::error::sanitize::sanitize;
use crate::error::{Operation, RegistryError, Violation};

/// Checks the `Docker-Content-Digest` header of a response, if there is one.
///
/// # Errors
///
/// Returns an error if it is a digest other than `expected`. A digest of another algorithm than
/// that of `expected` cannot be compared and is accepted.
pub(super) fn check_stored_digest(
    operation: &Operation,
    headers: &HeaderMap,
    expected: Digest,
) -> Result<(), RegistryError> {
    let Some(value) = headers.get("docker-content-digest") else {
        return Ok(());
    };
    let found = value.to_str().unwrap_or_default();
    if found == expected.to_string() || !is_comparable(found, expected) {
        return Ok(());
    }
    Err(operation.protocol(Violation::Digest {
        expected: Box::new(expected),
        found: sanitize(found),
    }))
}

/// Returns whether a text claims to be a digest of the same algorithm as `expected`.
fn is_comparable(found: &str, expected: Digest) -> bool {
    let algorithm = found.split_once(':').map(|(algorithm, _)| algorithm);
    algorithm == Some(expected.algorithm().name())
}
