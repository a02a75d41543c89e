//! The outcome of building a ztoc.

use serde::{Deserialize, Serialize};
use soci_document::UnindexableReason;
use soci_oci::Digest;

/// What came of a layer that was to be indexed. The cache keeps it as JSON.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LayerOutcome {
    /// The ztoc of the layer, which is in the store.
    Ztoc(StoredZtoc),
    /// The layer is sound, but cannot have a ztoc.
    Skipped(UnindexableReason),
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
