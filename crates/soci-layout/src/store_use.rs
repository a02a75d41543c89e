//! What marks a store, and a process that uses it.

use std::fs::File;

/// The name of the file that marks a layout as a store.
pub(crate) const MARKER: &str = "soci-store";

/// The directory of a store that has a file for each layer that was indexed.
///
/// The name of such a file is chosen by `soci-index`. Its content is JSON; if there is a ztoc, the
/// field `ztoc.digest` names the blob.
pub const ZTOC_CACHE: &str = "ztocs";

/// What a process holds while it uses a store.
#[derive(Debug)]
pub(crate) struct StoreUse {
    /// The file [`MARKER`] with a shared lock, if the file system has locks.
    pub(crate) _lock: File,
}
