//! Builds a ztoc in one call.

use crate::compression::Compression;
use crate::error::ScanError;
use crate::packed_ztoc::PackedZtoc;
use crate::scanner::{LayerScanner, ScannedLayer};
use crate::span::{LayerDigests, SpanHasher};
use crate::ztoc::{AssembleError, Ztoc};

/// Bytes that [`build`] passes to scanner and hasher at a time: few enough to stay in the
/// second-level cache from one to the other.
const CHUNK_SIZE: usize = 128 * 1024;

/// Why [`build`] failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub enum BuildError {
    /// The layer cannot be scanned.
    Scan(#[from] ScanError),
    /// Scanner and hasher disagree, which is a bug of this crate.
    Assemble(#[from] AssembleError),
}

/// Builds a ztoc from a layer in memory, in one thread.
///
/// # Errors
///
/// Returns [`BuildError::Scan`] if the layer cannot be scanned.
pub fn build(
    layer: &[u8],
    compression: Compression,
    span_size: u64,
    build_tool_identifier: &str,
) -> Result<Ztoc, BuildError> {
    let mut scanner = LayerScanner::new(compression, span_size)?;
    let mut hasher = SpanHasher::new();
    for chunk in layer.chunks(CHUNK_SIZE) {
        let starts = scanner.feed(chunk)?;
        hasher.feed(chunk, &starts);
    }
    let found = scanner.finish()?;
    let digests = hasher.finish();
    Ok(Ztoc::assemble(found, digests, build_tool_identifier)?)
}

impl Ztoc {
    /// Combines the results of scanner and hasher. [`PackedZtoc::assemble`] takes less memory.
    ///
    /// # Errors
    ///
    /// Returns an error if the two were not fed the same layer.
    pub fn assemble(
        scanned: ScannedLayer,
        digests: LayerDigests,
        build_tool_identifier: &str,
    ) -> Result<Self, AssembleError> {
        let packed = PackedZtoc::assemble(scanned, digests, build_tool_identifier)?;
        Ok(packed.unpack())
    }
}
