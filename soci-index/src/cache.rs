//! The cache of ztocs in the store.
//!
//! The directory `ztocs` of the store has a file for each layer that was indexed. The file only
//! names the ztoc, which is a blob of the store: an entry counts if that blob is there and intact.
//! `soci-prune` reads the entries too.

use soci_layout::{Layout, ZTOC_CACHE};
use soci_oci::{Descriptor, Digest};
use soci_ztoc::Compression;

use crate::outcome::{LayerOutcome, StoredZtoc};

/// The maximum size of an entry in bytes.
const MAX_ENTRY: u64 = 64 << 10;

/// The outcomes of earlier runs with the same store.
#[derive(Clone, Copy)]
pub(crate) struct ZtocCache<'a>(&'a Layout);

/// What determines a ztoc, byte for byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheKey<'a> {
    pub(crate) layer: Digest,
    pub(crate) compression: Compression,
    /// The distance between checkpoints in bytes of the uncompressed layer.
    pub(crate) span_size: u64,
    pub(crate) build_tool_identifier: &'a str,
}

impl<'a> ZtocCache<'a> {
    /// Returns the cache of a store.
    pub(crate) const fn new(store: &'a Layout) -> Self {
        Self(store)
    }

    /// Returns the outcome under `key`. An entry that cannot be read counts as absent.
    pub(crate) fn get(self, key: &CacheKey<'_>) -> Option<LayerOutcome> {
        let name = key.file_name();
        let entry = self.0.read_private_file(ZTOC_CACHE, &name, MAX_ENTRY)?;
        let outcome = serde_json::from_slice(&entry).ok()?;
        if let LayerOutcome::Ztoc(StoredZtoc { digest, size, .. }) = outcome {
            let ztoc = Descriptor::new("", digest, size);
            self.0.read_blob(&ztoc, size).ok()?;
        }
        Some(outcome)
    }

    /// Keeps the outcome under `key`. If the entry cannot be written, a later run builds the ztoc
    /// again.
    pub(crate) fn insert(self, key: &CacheKey<'_>, outcome: &LayerOutcome) {
        let Ok(entry) = serde_json::to_vec(outcome) else {
            return;
        };
        if let Err(error) = self
            .0
            .write_private_file(ZTOC_CACHE, &key.file_name(), &entry)
        {
            tracing::debug!(layer = %key.layer, "cannot write the entry in the cache of ztocs: {error}");
        }
    }
}

impl CacheKey<'_> {
    /// Returns the name of the entry's file: a digest over all that determines the ztoc. The first
    /// line is the version of the entry's format.
    fn file_name(&self) -> String {
        let Self {
            layer,
            compression,
            span_size,
            build_tool_identifier,
        } = self;
        let key = format!("1\n{layer}\n{compression:?}\n{span_size}\n{build_tool_identifier}");
        Digest::of(key.as_bytes()).hex()
    }
}
