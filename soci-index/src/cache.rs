//! The cache of ztocs in the store.
//!
//! The directory `ztocs` of the store has a file for each layer that was indexed. The file only
//! names the ztoc, which is a blob of the store: an entry counts if that blob is there and intact.
//! `soci-prune` reads the entries too.
//!
//! What a run has built serves every later run. A ztoc that a run has reused has an entry of its
//! own for the source that it was taken from, and serves only runs that trust this source. A third
//! kind of entry records that source by the digest of the ztoc: after the push of a reused ztoc the
//! image's own repository has it as well, and it must not be trusted for that.

use serde::{Deserialize, Serialize};
use soci_layout::{Layout, ZTOC_CACHE};
use soci_oci::{Descriptor, Digest};
use soci_ztoc::Compression;

use crate::outcome::{LayerOutcome, StoredZtoc};
use crate::trust::SourceId;

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

/// A ztoc that was not built from its layer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReusedZtoc {
    pub(crate) ztoc: StoredZtoc,
    /// The image that it was taken from, as a reference.
    pub(crate) reused_from: String,
    /// The repository, layout or archive of that image.
    pub(crate) source: SourceId,
}

impl<'a> ZtocCache<'a> {
    /// Returns the cache of a store.
    pub(crate) const fn new(store: &'a Layout) -> Self {
        Self(store)
    }

    /// Returns what an earlier run has built under `key`. An entry that cannot be read counts as
    /// absent.
    pub(crate) fn get_built(self, key: &CacheKey<'_>) -> Option<LayerOutcome> {
        if let Some(outcome) = self.read(&key.built_name()) {
            if let LayerOutcome::Ztoc(ztoc) = outcome {
                self.verify_ztoc(ztoc)?;
            }
            return Some(outcome);
        }
        // Earlier releases did not record where a ztoc came from, so only the layers that they have
        // skipped are known for certain to have been read.
        let outcome = self.read(&key.unmarked_name())?;
        matches!(outcome, LayerOutcome::Skipped(_)).then_some(outcome)
    }

    /// Returns the ztoc that an earlier run took from one of `sources`, if there is one.
    pub(crate) fn get_reused(self, key: &CacheKey<'_>, sources: &[SourceId]) -> Option<ReusedZtoc> {
        let entry = |source: &SourceId| {
            let reused: ReusedZtoc = self.read(&key.reused_name(source))?;
            self.verify_ztoc(reused.ztoc)?;
            (reused.source == *source).then_some(reused)
        };
        sources.iter().find_map(entry)
    }

    /// Returns the source that an earlier run took the ztoc `digest` from, if any did.
    pub(crate) fn source_of(self, digest: Digest) -> Option<SourceId> {
        let reused: ReusedZtoc = self.read(&source_name(digest))?;
        Some(reused.source)
    }

    /// Keeps what was built under `key`.
    pub(crate) fn insert_built(self, key: &CacheKey<'_>, outcome: &LayerOutcome) {
        self.write(&key.built_name(), key.layer, outcome);
    }

    /// Keeps a reused ztoc under `key`, and records its source unless another one is recorded.
    pub(crate) fn insert_reused(self, key: &CacheKey<'_>, reused: &ReusedZtoc) {
        // The source comes first, so that no entry lacks it if this process is killed.
        if self.source_of(reused.ztoc.digest).is_none() {
            self.write(&source_name(reused.ztoc.digest), key.layer, reused);
        }
        self.write(&key.reused_name(&reused.source), key.layer, reused);
    }

    /// Returns `None` if a ztoc is not in the store, or is damaged.
    fn verify_ztoc(self, ztoc: StoredZtoc) -> Option<()> {
        let StoredZtoc { digest, size, .. } = ztoc;
        let ztoc = Descriptor::new("", digest, size);
        self.0.verify_blob(&ztoc).ok()
    }

    fn read<T: serde::de::DeserializeOwned>(self, name: &str) -> Option<T> {
        let entry = self.0.read_private_file(ZTOC_CACHE, name, MAX_ENTRY)?;
        serde_json::from_slice(&entry).ok()
    }

    /// Writes an entry. If it cannot be written, a later run builds the ztoc again.
    fn write(self, name: &str, layer: Digest, entry: &impl Serialize) {
        let Ok(entry) = serde_json::to_vec(entry) else {
            return;
        };
        if let Err(error) = self.0.write_private_file(ZTOC_CACHE, name, &entry) {
            tracing::debug!(%layer, "cannot write the entry in the cache of ztocs: {error}");
        }
    }
}

impl CacheKey<'_> {
    /// Returns the name of the entry's file: a digest over all that determines the ztoc. The first
    /// line is the version of the entry's format.
    fn built_name(&self) -> String {
        self.file_name("2\nbuilt\n")
    }

    /// Returns the name of the entry for a ztoc that was taken from `source`.
    fn reused_name(&self, source: &SourceId) -> String {
        self.file_name(&format!("2\nfrom {:?}\n", source.as_str()))
    }

    /// Returns the name of the entry that releases before format 2 wrote.
    fn unmarked_name(&self) -> String {
        self.file_name("1\n")
    }

    fn file_name(&self, prefix: &str) -> String {
        let Self {
            layer,
            compression,
            span_size,
            build_tool_identifier,
        } = self;
        let key = format!("{prefix}{layer}\n{compression:?}\n{span_size}\n{build_tool_identifier}");
        Digest::of(key.as_bytes()).hex()
    }
}

/// Returns the name of the entry that records the source of a ztoc.
fn source_name(ztoc: Digest) -> String {
    Digest::of(format!("2\nsource of {ztoc}").as_bytes()).hex()
}
