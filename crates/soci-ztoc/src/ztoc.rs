//! The ztoc as a value, and its spans.

use crate::checkpoint::{Checkpoint, CheckpointList};
use crate::compression::Compression;
use crate::entry::FileMetadata;
use crate::scanner::ScannedSpans;
use crate::span::LayerDigests;
use crate::tar_zinfo::TarZinfo;

/// The version of the format; the reference has no other.
pub(crate) const VERSION: &str = "0.9";

/// The table of contents of a layer, and the points from which the layer can be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ztoc {
    /// Version of the format: `0.9`.
    pub version: String,
    /// Identifier of the tool that built the ztoc.
    pub build_tool_identifier: String,
    /// Size of the layer in bytes.
    pub compressed_archive_size: u64,
    /// Uncompressed offset at which the tar ends. What follows its end-of-archive blocks is not
    /// counted.
    pub uncompressed_archive_size: u64,
    /// The entries in the order of the tar.
    pub toc: Vec<FileMetadata>,
    /// The spans.
    pub compression_info: CompressionInfo,
    /// Indexes in `toc` of entries whose owner or group was truncated to 32 bits. Only a scan can
    /// find them, so this is empty after decoding.
    pub(crate) truncated_ids: Vec<usize>,
}

/// The spans of a layer in stored form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CompressionInfo {
    /// Compression of the layer.
    pub algorithm: Compression,
    /// Number of the last span; `-1` if there are no spans.
    pub max_span_id: i32,
    /// SHA-256 of the compressed bytes of each span.
    pub span_digests: Vec<[u8; 32]>,
    /// The checkpoints in stored form: for gzip a list of offsets and windows, for a plain tar a
    /// table with span size and layer size. [`Ztoc::spans`] parses it.
    pub checkpoints: Vec<u8>,
}

/// A part of the layer that can be fetched, verified and decompressed alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// Compressed offset of the first byte.
    pub compressed_start: u64,
    /// Compressed offset after the last byte. It is one more than the start of the next span if the
    /// two share a byte.
    pub compressed_end: u64,
    /// Uncompressed offset of the first byte.
    pub uncompressed_start: u64,
    /// Uncompressed offset after the last byte.
    pub uncompressed_end: u64,
    /// Number of high bits, 1 to 7, of the first compressed byte that belong to this span while the
    /// low bits belong to the previous one; 0 if the byte belongs to this span alone.
    pub shared_bits: u8,
}

/// Scanner and hasher have not seen the same layer.
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
        /// Spans whose starts the hasher was given.
        hashed: u64,
    },
}

/// Why the spans of a ztoc are inconsistent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpanError {
    /// A checkpoint holds a negative offset or an impossible number of bits.
    #[error("checkpoint {index} holds impossible numbers")]
    Checkpoint {
        /// Index of the checkpoint.
        index: u32,
    },
    /// The length of the checkpoint list does not fit the count in it.
    #[error("checkpoint list of {length} bytes does not have the length that its count requires")]
    ListLength {
        /// Length of the list in bytes.
        length: usize,
    },
    /// The numbers of checkpoints and digests and the largest span number do not agree.
    #[error(
        "largest span number is {max_span_id}, but there are {checkpoints} checkpoints and {digests} digests"
    )]
    Count {
        /// The largest span number in the ztoc.
        max_span_id: i32,
        /// Number of checkpoints, or of spans that a plain tar of this size has.
        checkpoints: u64,
        /// Number of span digests.
        digests: u64,
    },
    /// The span table of a plain tar is malformed, or disagrees with the size of the layer.
    #[error("span table of a plain tar is malformed")]
    TarTable,
}

impl Ztoc {
    /// Combines the results of scanner and hasher, but for the entries.
    pub(crate) fn without_entries(
        scanned: ScannedSpans,
        digests: LayerDigests,
        build_tool_identifier: &str,
    ) -> Result<Self, AssembleError> {
        if scanned.compressed_size != digests.size {
            return Err(AssembleError::Size {
                scanned: scanned.compressed_size,
                hashed: digests.size,
            });
        }
        let span_count = scanned.span_count.unsigned_abs();
        if u64::from(span_count) != digests.spans.len() as u64 {
            return Err(AssembleError::Spans {
                scanned: span_count.into(),
                hashed: digests.spans.len() as u64,
            });
        }
        let checkpoints = match scanned.compression {
            Compression::Gzip => scanned.checkpoints,
            Compression::Uncompressed => TarZinfo {
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
            toc: Vec::new(),
            compression_info: CompressionInfo {
                algorithm: scanned.compression,
                max_span_id: scanned.span_count.saturating_sub(1),
                span_digests: digests.spans,
                checkpoints,
            },
            truncated_ids: scanned.truncated_ids,
        })
    }

    /// Returns the spans in order. They may overlap or be empty, which
    /// [`Ztoc::visit_reader_violations`] reports. Offsets are not compared with the sizes of the
    /// layer.
    ///
    /// # Errors
    ///
    /// Returns an error if the checkpoints are malformed or their number is not that of the
    /// digests. A ztoc that was assembled or decoded, and not changed since, gives no error.
    pub fn spans(&self) -> Result<Vec<Span>, SpanError> {
        match self.compression_info.algorithm {
            Compression::Gzip => self.gzip_spans(),
            Compression::Uncompressed => self.tar_spans(),
        }
    }

    /// Returns whether a reader need not look for extended attributes: no entry has any, and no
    /// entry marks an opaque directory.
    pub fn can_disable_xattrs(&self) -> bool {
        !self.toc.iter().any(FileMetadata::needs_xattrs)
    }

    /// Returns the span size in bytes that the ztoc was built with, or `None` if the checkpoints
    /// are malformed.
    pub fn span_size(&self) -> Option<u64> {
        let checkpoints = &self.compression_info.checkpoints;
        let span_size = match self.compression_info.algorithm {
            Compression::Gzip => CheckpointList::parse(checkpoints)?.span_size,
            Compression::Uncompressed => TarZinfo::parse(checkpoints)?.span_size,
        };
        u64::try_from(span_size).ok()
    }

    /// Returns the checkpoint at which a span of a gzip layer starts.
    pub(crate) fn checkpoint_of(&self, span: usize) -> Option<Checkpoint<'_>> {
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
            let checkpoint = checkpoint.ok_or(SpanError::Checkpoint { index })?;
            if let Some(previous) = spans.last_mut() {
                previous.compressed_end = checkpoint.input;
                previous.uncompressed_end = checkpoint.output;
            }
            let shared = u64::from(checkpoint.unused_bits != 0);
            spans.push(Span {
                compressed_start: checkpoint.input.saturating_sub(shared),
                compressed_end: self.compressed_archive_size,
                uncompressed_start: checkpoint.output,
                uncompressed_end: self.uncompressed_archive_size,
                shared_bits: checkpoint.unused_bits,
            });
        }
        Ok(spans)
    }

    fn tar_spans(&self) -> Result<Vec<Span>, SpanError> {
        let zinfo = TarZinfo::parse(&self.compression_info.checkpoints);
        let zinfo = zinfo.filter(|zinfo| zinfo.size == self.compressed_archive_size);
        let zinfo = zinfo.ok_or(SpanError::TarTable)?;
        let step = zinfo.span_size.unsigned_abs();
        let count = zinfo.size.checked_next_multiple_of(step);
        let count = count.and_then(|size| size.checked_div(step));
        self.check_count(count.ok_or(SpanError::TarTable)?)?;
        let starts = (0..self.compression_info.span_digests.len() as u64)
            .map(|index| index.saturating_mul(step));
        Ok(starts
            .map(|start| {
                let end = start.saturating_add(step).min(zinfo.size);
                Span {
                    compressed_start: start,
                    compressed_end: end,
                    uncompressed_start: start,
                    uncompressed_end: end,
                    shared_bits: 0,
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
