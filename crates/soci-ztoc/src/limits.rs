//! How much of a layer is scanned, and how much a ztoc can hold.

use crate::error::{LimitKind, ScanError};

/// The largest ztoc that the reference builds and reads, in bytes.
pub(crate) const MAX_ZTOC_SIZE: u64 = 1 << 30;

/// Bytes that a span takes in a ztoc besides its checkpoint: the digest (71 characters, a NUL and
/// a 4-byte length) and the 4-byte offset of the digest.
pub(crate) const SPAN_DIGEST_COST: u64 = 80;

/// How much of a layer a scanner accepts before it gives up with [`ScanError::Limit`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Tar entries; default 5,000,000.
    pub entries: u64,
    /// Total bytes of names, owners and extended header records; default 1 GiB.
    pub string_bytes: u64,
    /// Bytes of memory that the table of files may take while a ztoc is built; default 256 MiB. A
    /// file takes about 25 bytes, and its extended attributes as many as they have, unless they are
    /// those of the file before.
    pub table_bytes: u64,
    /// Bytes of the ztoc, which are estimated while it grows; default 1 GiB, which is the most that
    /// the reference builds and reads.
    pub ztoc_bytes: u64,
    /// Bytes after decompression, including those after the end of the tar; default 256 GiB.
    pub uncompressed_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 5_000_000,
            string_bytes: 1 << 30,
            table_bytes: 256 << 20,
            ztoc_bytes: MAX_ZTOC_SIZE,
            uncompressed_bytes: 256 << 30,
        }
    }
}

/// Checks that a ztoc can hold `count` spans of `span_cost` bytes each.
pub(crate) fn check_span_count(count: u64, span_cost: u64) -> Result<(), ScanError> {
    if count.saturating_mul(span_cost) <= MAX_ZTOC_SIZE {
        return Ok(());
    }
    Err(ScanError::Limit {
        what: LimitKind::SpanBytes,
        limit: MAX_ZTOC_SIZE,
    })
}

/// Checks that a layer's uncompressed size so far is within `limit`.
pub(crate) const fn check_uncompressed_size(size: u64, limit: u64) -> Result<(), ScanError> {
    if size <= limit {
        return Ok(());
    }
    Err(ScanError::Limit {
        what: LimitKind::UncompressedBytes,
        limit,
    })
}
