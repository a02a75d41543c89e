//! How the content of blobs is sent to a registry.

use std::sync::atomic::{AtomicBool, Ordering};

/// The request that carries the content of a blob.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UploadMode {
    /// The `PUT` that closes the session (OCI distribution-spec, "POST then PUT").
    Put,
    /// A `PATCH` before that `PUT` (OCI distribution-spec, "Pushing a blob in chunks"), as one
    /// chunk.
    Patch,
}

/// The mode in which a registry has accepted a blob. Before the first one, it is
/// [`UploadMode::Put`].
#[derive(Debug, Default)]
pub(crate) struct KnownMode {
    needs_patch: AtomicBool,
}

impl KnownMode {
    /// Returns the mode for the next blob.
    pub(crate) fn get(&self) -> UploadMode {
        if self.needs_patch.load(Ordering::Relaxed) {
            UploadMode::Patch
        } else {
            UploadMode::Put
        }
    }

    /// Records the mode in which a blob was accepted.
    pub(super) fn set(&self, mode: UploadMode) {
        if mode == UploadMode::Patch {
            self.needs_patch.store(true, Ordering::Relaxed);
        }
    }
}
