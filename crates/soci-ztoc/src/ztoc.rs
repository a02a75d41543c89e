//! The ztoc as a value.

use crate::checkpoint::{Checkpoint, CheckpointList};
use crate::compression::Compression;
use crate::entry::{FileMetadata, XATTR_PREFIX};
use crate::error::ScanError;
use crate::scanner::{LayerScanner, ScannedLayer};
use crate::span::{LayerDigests, SpanHasher};
use crate::tar_info::TarInfo;

/// The only version there is.
pub(crate) const VERSION: &str = "0.9";

/// How much of a layer [`build`] hands on at a time, in bytes: it stays in the second-level cache
/// from the scanner to the hasher.
const PIECE: usize = 128 * 1024;

/// A table of contents of a layer and the means to start reading it anywhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ztoc {
    /// Version of the format; `0.9`.
    pub version: String,
    /// What built the ztoc.
    pub build_tool_identifier: String,
    /// Size of the layer in bytes.
    pub compressed_archive_size: u64,
    /// Where the tar ends, in uncompressed bytes; what lies beyond its end-of-archive blocks is
    /// not counted.
    pub uncompressed_archive_size: u64,
    /// The entries in the order of the tar.
    pub toc: Vec<FileMetadata>,
    /// Where spans start.
    pub compression_info: CompressionInfo,
    /// Entries (by position in `toc`) whose owner or group lost bits. Only a scan can tell, so
    /// this is empty after decoding.
    pub(crate) truncated_ids: Vec<usize>,
}

/// How to start reading in the middle of a layer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CompressionInfo {
    /// How the layer is compressed.
    pub algorithm: Compression,
    /// Number of the last span, `-1` where there is none.
    pub max_span_id: i32,
    /// SHA-256 of each span's compressed bytes.
    pub span_digests: Vec<[u8; 32]>,
    /// The checkpoints in stored form: for gzip a list of offsets and windows, for a plain tar a
    /// small table with span size and size. [`Ztoc::spans`] reads it.
    pub checkpoints: Vec<u8>,
}

/// One span: a part of the layer that can be fetched, verified and decompressed alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// Compressed offset of its first byte.
    pub compressed_start: u64,
    /// Compressed offset after its last byte; one more than the start of the next span where the
    /// two share a byte.
    pub compressed_end: u64,
    /// Uncompressed offset of its first byte.
    pub uncompressed_start: u64,
    /// Uncompressed offset after its last byte.
    pub uncompressed_end: u64,
    /// High bits of the first compressed byte that belong to this span; 0 means all of them.
    pub bits: u8,
}

/// Scan and digests do not describe the same layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// Scanner and hasher have seen different numbers of bytes.
    #[error("{scanned} bytes were scanned but {hashed} hashed")]
    Size {
        /// Bytes that the scanner was fed.
        scanned: u64,
        /// Bytes that the hasher was fed.
        hashed: u64,
    },
    /// Scanner and hasher have seen different numbers of spans.
    #[error("{scanned} spans were found but {hashed} hashed")]
    Spans {
        /// Spans that the scanner found.
        scanned: u64,
        /// Spans that the hasher was told of.
        hashed: u64,
    },
}

/// Why [`build`] gave no ztoc.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub enum BuildError {
    /// The layer cannot be scanned.
    Scan(#[from] ScanError),
    /// Scanner and hasher disagree, which is a fault of this crate.
    Assemble(#[from] AssembleError),
}

/// Why the spans of a ztoc make no sense.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpanError {
    /// A checkpoint holds a negative offset or an impossible number of bits.
    #[error("checkpoint {index} holds impossible numbers")]
    Checkpoint {
        /// Position of the checkpoint.
        index: u32,
    },
    /// The length of the checkpoint list does not fit the count in it.
    #[error("checkpoint list of {length} bytes does not have the length its count asks for")]
    ListLength {
        /// Length of the list in bytes.
        length: usize,
    },
    /// Checkpoints, digests and largest span number do not agree.
    #[error(
        "largest span number is {max_span_id}, but there are {checkpoints} checkpoints and {digests} digests"
    )]
    Count {
        /// The largest span number as stored.
        max_span_id: i32,
        /// Number of checkpoints, or of spans that a plain tar must have.
        checkpoints: u64,
        /// Number of span digests.
        digests: u64,
    },
    /// The table of a plain tar is malformed, or disagrees with the size of the layer.
    #[error("span table of a plain tar is malformed")]
    TarTable,
}

/// Builds a ztoc from a layer in memory, in one thread.
///
/// # Errors
///
/// [`BuildError::Scan`] for a layer that cannot be scanned.
pub fn build(
    layer: &[u8],
    compression: Compression,
    span_size: u64,
    build_tool_identifier: &str,
) -> Result<Ztoc, BuildError> {
    let mut scanner = LayerScanner::new(compression, span_size)?;
    let mut hasher = SpanHasher::new();
    for piece in layer.chunks(PIECE) {
        let starts = scanner.feed(piece)?;
        hasher.feed(piece, &starts);
    }
    let found = scanner.finish()?;
    Ok(Ztoc::assemble(
        found,
        hasher.finish(),
        build_tool_identifier,
    )?)
}

impl Ztoc {
    /// Puts the results of scanner and hasher together.
    ///
    /// # Errors
    ///
    /// [`AssembleError`] where they were not fed the same layer.
    pub fn assemble(
        scanned: ScannedLayer,
        digests: LayerDigests,
        build_tool_identifier: &str,
    ) -> Result<Self, AssembleError> {
        if scanned.compressed_size != digests.size {
            return Err(AssembleError::Size {
                scanned: scanned.compressed_size,
                hashed: digests.size,
            });
        }
        if u64::from(scanned.span_count()) != digests.spans.len() as u64 {
            return Err(AssembleError::Spans {
                scanned: scanned.span_count().into(),
                hashed: digests.spans.len() as u64,
            });
        }
        let checkpoints = match scanned.compression {
            Compression::Gzip => scanned.checkpoints,
            Compression::Uncompressed => TarInfo {
                span_size: scanned.span_size,
                size: scanned.compressed_size,
            }
            .encode(),
        };
        Ok(Self {
            version: VERSION.to_owned(),
            build_tool_identifier: build_tool_identifier.to_owned(),
            compressed_archive_size: scanned.compressed_size,
            uncompressed_archive_size: scanned.uncompressed_size,
            toc: scanned.entries,
            compression_info: CompressionInfo {
                algorithm: scanned.compression,
                max_span_id: scanned.span_count.saturating_sub(1),
                span_digests: digests.spans,
                checkpoints,
            },
            truncated_ids: scanned.truncated_ids,
        })
    }

    /// Returns the spans in order. They may overlap or be empty: [`Ztoc::reader_violations`] says
    /// so. Offsets are not compared with the sizes of the layer.
    ///
    /// # Errors
    ///
    /// [`SpanError`] where checkpoints are malformed or their number is not that of the digests;
    /// never for a ztoc that was assembled or decoded and not changed since.
    pub fn spans(&self) -> Result<Vec<Span>, SpanError> {
        match self.compression_info.algorithm {
            Compression::Gzip => self.gzip_spans(),
            Compression::Uncompressed => self.tar_spans(),
        }
    }

    /// Says whether a reader may skip looking for extended attributes: no entry has any, and none
    /// is an opaque directory's mark.
    pub fn can_disable_xattrs(&self) -> bool {
        self.toc.iter().all(|entry| {
            let mut keys = entry.xattrs.iter().map(|xattr| &xattr.key);
            !entry.name.ends_with(b".wh..wh..opq") && !keys.any(|key| key.starts_with(XATTR_PREFIX))
        })
    }

    /// Returns the point where a span of a gzip layer starts.
    pub(crate) fn checkpoint(&self, span: usize) -> Option<Checkpoint<'_>> {
        CheckpointList::parse(&self.compression_info.checkpoints)?.get(span)
    }

    fn gzip_spans(&self) -> Result<Vec<Span>, SpanError> {
        let bytes = &self.compression_info.checkpoints;
        let list = CheckpointList::parse(bytes).ok_or(SpanError::ListLength {
            length: bytes.len(),
        })?;
        self.check_count(list.count.into())?;
        let mut spans: Vec<Span> = Vec::with_capacity(list.count as usize);
        for (index, checkpoint) in (0..).zip(list.iter()) {
            let point = checkpoint.ok_or(SpanError::Checkpoint { index })?;
            if let Some(before) = spans.last_mut() {
                before.compressed_end = point.input;
                before.uncompressed_end = point.output;
            }
            spans.push(Span {
                compressed_start: point.input.saturating_sub(u64::from(point.bits != 0)),
                compressed_end: self.compressed_archive_size,
                uncompressed_start: point.output,
                uncompressed_end: self.uncompressed_archive_size,
                bits: point.bits,
            });
        }
        Ok(spans)
    }

    fn tar_spans(&self) -> Result<Vec<Span>, SpanError> {
        let info = TarInfo::parse(&self.compression_info.checkpoints);
        let info = info.filter(|info| info.size == self.compressed_archive_size);
        let info = info.ok_or(SpanError::TarTable)?;
        let step = info.span_size.unsigned_abs();
        let count = info.size.checked_next_multiple_of(step);
        let count = count.and_then(|size| size.checked_div(step));
        self.check_count(count.ok_or(SpanError::TarTable)?)?;
        let starts = (0..self.compression_info.span_digests.len() as u64)
            .map(|index| index.saturating_mul(step));
        Ok(starts
            .map(|start| {
                let end = start.saturating_add(step).min(info.size);
                Span {
                    compressed_start: start,
                    compressed_end: end,
                    uncompressed_start: start,
                    uncompressed_end: end,
                    bits: 0,
                }
            })
            .collect())
    }

    fn check_count(&self, checkpoints: u64) -> Result<(), SpanError> {
        let CompressionInfo {
            max_span_id,
            span_digests,
            ..
        } = &self.compression_info;
        let digests = span_digests.len() as u64;
        let count = i64::from(*max_span_id).saturating_add(1);
        if u64::try_from(count) == Ok(checkpoints) && digests == checkpoints {
            return Ok(());
        }
        Err(SpanError::Count {
            max_span_id: *max_span_id,
            checkpoints,
            digests,
        })
    }
}
