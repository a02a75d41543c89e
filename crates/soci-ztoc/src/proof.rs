//! The proof of a ztoc against its layer, in one pass over the bytes of the layer.
//!
//! The proof shows that readers get the right bytes. It accepts the ztocs of all builders: any set
//! of valid checkpoints, any span size, and times in any time zone. It has two halves that may run
//! on two threads, because neither needs the other:
//!
//! - [`ContentProof`] decompresses the layer. Each checkpoint must lie at a block boundary and have
//!   the right offset. Its window must equal the output before it: inflating from it then gives the
//!   same bytes as inflating from the start, since a deflate block depends on nothing else. A span
//!   whose window differs is inflated a second time, from its checkpoint alone, and the outputs are
//!   compared. Each entry is compared with the tar.
//! - [`DigestProof`] compares the digests of the spans, and computes that of the layer.
//!
//! Findings are passed to the caller one by one and not collected: a hostile ztoc has one in each
//! of its entries. Of each rule only the first [`MAX_FINDINGS_PER_RULE`] are passed on, and all are
//! counted.

mod checkpoints;
mod content;
mod cursor;
mod digests;
mod entries;
mod finding;
mod instant;
mod respan;
mod tally;

pub use content::{ContentProof, ProvenContent};
pub use digests::{DigestProof, ProvenLayer};
pub use finding::{EntryField, ProofFinding, RULES, Severity, ShortName, WindowOutcome};
pub use tally::{Findings, MAX_FINDINGS_PER_RULE};

use crate::compression::Compression;
use crate::error::ScanError;
use crate::ztoc::{SpanError, Ztoc};

/// Bytes that [`prove`] passes to the two halves at a time: few enough to stay in the second-level
/// cache from one to the other.
const CHUNK_SIZE: usize = 128 * 1024;

/// Why a proof cannot start.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The spans of the ztoc are inconsistent. A decoded ztoc does not have this error.
    #[error(transparent)]
    Spans(#[from] SpanError),
    /// The decompressor cannot be allocated.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// What the proof of a layer in memory found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proven {
    /// What was compared with the content of the layer.
    pub content: ProvenContent,
    /// Digest and size of the layer.
    pub layer: ProvenLayer,
}

/// Proves a ztoc against a layer in memory, in one thread, and calls `visit` for each finding.
///
/// # Errors
///
/// Returns an error if the proof cannot start.
pub fn prove(
    ztoc: &Ztoc,
    layer: &[u8],
    mut visit: impl FnMut(ProofFinding),
) -> Result<Proven, ProofError> {
    let mut content = ContentProof::new(ztoc)?;
    let mut digests = DigestProof::new(ztoc)?;
    for chunk in layer.chunks(CHUNK_SIZE) {
        content.feed(chunk, &mut visit);
        digests.feed(chunk);
    }
    Ok(Proven {
        layer: digests.finish(&mut visit),
        content: content.finish(&mut visit),
    })
}

/// Returns whether the layer of a ztoc is compressed.
fn is_gzip(ztoc: &Ztoc) -> bool {
    ztoc.compression_info.algorithm == Compression::Gzip
}
