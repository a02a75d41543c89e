//! The outcome of building a ztoc.

use std::fmt;

use serde::{Deserialize, Serialize};
use soci_document::{ReuseOrigin, UnindexableReason};
use soci_oci::Digest;

/// The outcome of a layer, and where it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LayerResult {
    pub(crate) outcome: LayerOutcome,
    /// Where the outcome comes from, if the layer was not read.
    pub(crate) reused: Option<ReuseOrigin>,
}

/// What came of a layer that was to be indexed. The cache keeps it as JSON.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LayerOutcome {
    /// The ztoc of the layer, which is in the store.
    Ztoc(StoredZtoc),
    /// The layer has the right digest, but cannot have a ztoc.
    Skipped(SkippedLayer),
}

/// Why a layer has no ztoc.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct SkippedLayer {
    pub(crate) reason: UnindexableReason,
    /// What was found in this layer, as a part of a sentence.
    pub(crate) cause: String,
}

impl SkippedLayer {
    /// Logs that the layer is skipped, and names the reason and the cause.
    pub(crate) fn log(&self, layer: Digest) {
        tracing::debug!(layer = %layer, "no ztoc: {self}");
    }
}

impl fmt::Display for SkippedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.cause)
    }
}

/// A ztoc in the store.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct StoredZtoc {
    pub(crate) digest: Digest,
    /// Length of the ztoc in bytes.
    pub(crate) size: u64,
    /// Whether no file of the layer has extended attributes, so that readers need not look for any.
    pub(crate) disable_xattrs: bool,
}
