//! The entries of a list of referrers.

use std::fmt::Display;

use serde_json::Value;
use soci_oci::Descriptor;

use crate::error::sanitize::sanitize;
use crate::error::{Operation, RegistryError, Violation};

/// Returns the entries that are valid descriptors. If `artifact_type` is given, returns only those
/// of that type. An invalid entry is skipped, because this tool did not write it.
pub(super) fn parse_descriptors(
    entries: Vec<Value>,
    artifact_type: Option<&str>,
) -> Vec<Descriptor> {
    entries
        .into_iter()
        .filter_map(|entry| serde_json::from_value::<Descriptor>(entry).ok())
        .filter(|found| artifact_type.is_none() || found.artifact_type.as_deref() == artifact_type)
        .collect()
}

/// Returns the error for a malformed list of referrers.
pub(super) fn malformed_list(operation: &Operation, reason: impl Display) -> RegistryError {
    operation.protocol(Violation::Document {
        what: "the list of referrers",
        reason: sanitize(&reason.to_string()),
    })
}
