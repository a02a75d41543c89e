//! The one pass over a layer: finds spans and tar headers, hashes nothing.

use crate::compression::Compression;
use crate::entry::FileMetadata;
use crate::error::ScanError;
use crate::gzip::members::Members;
use crate::limits::Limits;
use crate::span::SpanStart;
use crate::tar::reader::TarReader;
use crate::tar::toc::Toc;
use crate::tar_spans::TarSpans;

/// Scans a layer that arrives in pieces. Any split of the same bytes gives the same result.
///
/// Holds about 320 KiB, the entries found so far, and 32 KiB for each span of a gzip layer.
#[derive(Debug)]
pub struct LayerScanner {
    spans: SpanSource,
    tar: TarReader,
    span_size: i64,
}

#[derive(Debug)]
enum SpanSource {
    Gzip(Box<Members>),
    Uncompressed(TarSpans),
}

/// What a scan found: all of a ztoc but the digests.
#[derive(Clone, Debug)]
pub struct ScannedLayer {
    pub(crate) compression: Compression,
    pub(crate) span_size: i64,
    pub(crate) span_count: i32,
    /// The checkpoint list of a gzip layer; empty for others.
    pub(crate) checkpoints: Vec<u8>,
    pub(crate) compressed_size: u64,
    pub(crate) uncompressed_size: u64,
    pub(crate) entries: Vec<FileMetadata>,
    pub(crate) truncated_ids: Vec<usize>,
}

impl LayerScanner {
    /// Starts a scan that makes spans of at least `span_size` uncompressed bytes, with the
    /// default limits.
    ///
    /// # Errors
    ///
    /// [`ScanError::SpanSize`] where the span size exceeds `i64::MAX`, or is zero for a plain
    /// tar; [`ScanError::OutOfMemory`].
    pub fn new(compression: Compression, span_size: u64) -> Result<Self, ScanError> {
        Self::with_limits(compression, span_size, Limits::default())
    }

    /// Starts a scan with limits of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`LayerScanner::new`].
    pub fn with_limits(
        compression: Compression,
        span_size: u64,
        limits: Limits,
    ) -> Result<Self, ScanError> {
        let minimum = match compression {
            Compression::Gzip => 0,
            Compression::Uncompressed => 1,
        };
        let size = i64::try_from(span_size).ok();
        let size = size.filter(|_| span_size >= minimum);
        let size = size.ok_or(ScanError::SpanSize { span_size, minimum })?;
        let spans = match compression {
            Compression::Gzip => SpanSource::Gzip(Box::new(Members::new(size, limits)?)),
            Compression::Uncompressed => {
                SpanSource::Uncompressed(TarSpans::new(span_size, limits.uncompressed_bytes))
            }
        };
        Ok(Self {
            spans,
            tar: TarReader::new(limits),
            span_size: size,
        })
    }

    /// Reserves memory for the checkpoints of a layer of `compressed_size` bytes, so that the list
    /// is not copied while it grows. The size is a hint and may be wrong.
    pub fn reserve_for(&mut self, compressed_size: u64) {
        if let SpanSource::Gzip(members) = &mut self.spans {
            members.expect(compressed_size);
        }
    }

    /// Takes the next bytes of the layer and says which spans start at them. A span may share its
    /// first byte with the span before; that byte may have come with an earlier call.
    ///
    /// # Errors
    ///
    /// [`ScanError::GzipData`] and [`ScanError::Limit`]; the scanner is of no use afterwards.
    /// Other faults wait for [`LayerScanner::finish`], since a damaged gzip stream hides them.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<SpanStart>, ScanError> {
        let mut starts = Vec::new();
        match &mut self.spans {
            SpanSource::Gzip(members) => members.feed(bytes, &mut self.tar, &mut starts)?,
            SpanSource::Uncompressed(spans) => {
                spans.feed(bytes.len(), &mut starts)?;
                self.tar.feed(bytes);
            }
        }
        Ok(starts)
    }

    /// Declares the end of the layer.
    ///
    /// # Errors
    ///
    /// Every kind but [`ScanError::SpanSize`]: first a gzip stream that is cut short, then what
    /// is wrong with the tar.
    pub fn finish(self) -> Result<ScannedLayer, ScanError> {
        let (compression, checkpoints, span_count, compressed_size) = match self.spans {
            SpanSource::Gzip(members) => {
                let walked = members.finish()?;
                let size = walked.compressed_size;
                (Compression::Gzip, walked.checkpoints, walked.count, size)
            }
            SpanSource::Uncompressed(spans) => {
                let (count, size) = (spans.count(), spans.size());
                (Compression::Uncompressed, Vec::new(), count, size)
            }
        };
        let Toc {
            entries,
            uncompressed_size,
            truncated_ids,
        } = self.tar.finish()?;
        Ok(ScannedLayer {
            compression,
            span_size: self.span_size,
            span_count,
            checkpoints,
            compressed_size,
            uncompressed_size,
            entries,
            truncated_ids,
        })
    }
}

impl ScannedLayer {
    /// Returns the number of spans.
    pub const fn span_count(&self) -> u32 {
        self.span_count.unsigned_abs()
    }

    /// Returns the entries in the order of the tar.
    pub fn entries(&self) -> &[FileMetadata] {
        &self.entries
    }

    /// Returns the size of the layer as it was fed, in bytes.
    pub const fn compressed_size(&self) -> u64 {
        self.compressed_size
    }

    /// Returns where the tar ended, in uncompressed bytes: after the end-of-archive blocks, of
    /// which at most two are read. Padding behind them does not count.
    pub const fn uncompressed_size(&self) -> u64 {
        self.uncompressed_size
    }
}
