//! What became of a layer.

use serde::{Deserialize, Serialize};
use soci_document::UnindexableReason;
use soci_oci::Digest;

/// What became of a layer that was to be indexed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Built {
    /// It has a ztoc, which is in the store.
    Ztoc {
        /// The ztoc.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
        /// Whether readers need not look for extended attributes.
        disable_xattrs: bool,
    },
    /// It is sound, but cannot have a ztoc.
    Skipped(UnindexableReason),
}
