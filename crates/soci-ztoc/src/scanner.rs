//! The single pass over a layer that finds its spans and its tar entries. It hashes nothing; that
//! is what [`SpanHasher`](crate::SpanHasher) does.

use crate::checkpoint::CHECKPOINT_SIZE;
use crate::compression::Compression;
use crate::error::{LimitKind, ScanError};
use crate::gzip::event::GzipEvent;
use crate::gzip::scanner::GzipScanner;
use crate::limits::{Limits, SPAN_DIGEST_COST};
use crate::packed::PackedEntries;
use crate::span::SpanStart;
use crate::tar::reader::TarReader;
use crate::tar::toc::Toc;
use crate::tar_spans::TarSpans;

/// Scans a layer that arrives in chunks. Any division of the same bytes into chunks gives the same
/// result.
///
/// Holds about 320 KiB, the entries found so far, each of which takes about 25 bytes in a usual
/// layer, and 32 KiB for each span of a gzip layer.
#[derive(Debug)]
pub struct LayerScanner {
    spans: SpanSource,
    tar: TarReader,
    span_size: i64,
    max_ztoc: u64,
}

#[derive(Debug)]
enum SpanSource {
    Gzip(Box<GzipScanner>),
    Uncompressed(TarSpans),
}

/// What a scan found: all of a ztoc except for the digests.
#[derive(Clone, Debug)]
pub struct ScannedLayer {
    pub(crate) spans: ScannedSpans,
    pub(crate) entries: PackedEntries,
}

/// What a scan found besides the entries.
#[derive(Clone, Debug)]
pub(crate) struct ScannedSpans {
    pub(crate) compression: Compression,
    pub(crate) span_size: i64,
    pub(crate) span_count: i32,
    /// The list of checkpoints of a gzip layer in stored form; empty for a plain tar.
    pub(crate) checkpoints: Vec<u8>,
    pub(crate) compressed_size: u64,
    pub(crate) uncompressed_size: u64,
    pub(crate) truncated_ids: Vec<usize>,
}

impl LayerScanner {
    /// Starts a scan with the default [`Limits`]. A span of a gzip layer ends at the first block
    /// boundary more than `span_size` uncompressed bytes after its start; a span of a plain tar
    /// has `span_size` bytes.
    ///
    /// # Errors
    ///
    /// Returns [`ScanError::SpanSize`] if the span size exceeds `i64::MAX`, or is 0 for a plain
    /// tar, and [`ScanError::OutOfMemory`] if the decompressor cannot be allocated.
    pub fn new(compression: Compression, span_size: u64) -> Result<Self, ScanError> {
        Self::with_limits(compression, span_size, Limits::default())
    }

    /// Starts a scan with other limits.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`LayerScanner::new`].
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
            Compression::Gzip => SpanSource::Gzip(Box::new(GzipScanner::new(size, limits)?)),
            Compression::Uncompressed => {
                SpanSource::Uncompressed(TarSpans::new(span_size, limits.uncompressed_bytes))
            }
        };
        Ok(Self {
            spans,
            tar: TarReader::new(limits),
            span_size: size,
            max_ztoc: limits.ztoc_bytes,
        })
    }

    /// Reserves memory for the checkpoints of a layer of `compressed_size` bytes, so that the list
    /// is not copied while it grows. The size is a hint and may be wrong.
    pub fn reserve_for(&mut self, compressed_size: u64) {
        if let SpanSource::Gzip(gzip) = &mut self.spans {
            gzip.reserve_for(compressed_size);
        }
    }

    /// Scans the next bytes of the layer, and returns the spans that start in them. A span may
    /// share its first byte with the previous span. That byte may have come with an earlier call.
    ///
    /// # Errors
    ///
    /// Returns [`ScanError::GzipData`] for a corrupt gzip stream, [`ScanError::TrailingData`] for
    /// bytes after it, and [`ScanError::Limit`] for a layer that exceeds a limit or whose ztoc
    /// does. The scanner
    /// cannot be used afterwards. All other errors are returned by [`LayerScanner::finish`], since
    /// a fault of the gzip stream takes precedence.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<SpanStart>, ScanError> {
        let mut starts = Vec::new();
        let Self { spans, tar, .. } = self;
        match spans {
            SpanSource::Gzip(gzip) => gzip.feed(bytes, |event| match event {
                GzipEvent::Output(bytes) => tar.feed(bytes),
                GzipEvent::SpanStart(start) => starts.push(start),
                GzipEvent::HeaderFault(error) => tar.fail(error),
                GzipEvent::BlockStart(_) => {}
            })?,
            SpanSource::Uncompressed(spans) => {
                spans.advance(bytes.len(), &mut starts)?;
                tar.feed(bytes);
            }
        }
        self.check_size()?;
        Ok(starts)
    }

    /// Checks that neither the ztoc nor the table of files is too large so far.
    fn check_size(&self) -> Result<(), ScanError> {
        if let Some(error) = self.tar.exceeded_limit() {
            return Err(error.clone());
        }
        let (count, cost) = match &self.spans {
            SpanSource::Gzip(gzip) => (gzip.checkpoints.count(), CHECKPOINT_SIZE as u64),
            SpanSource::Uncompressed(spans) => (spans.count(), 0),
        };
        let cost = cost.saturating_add(SPAN_DIGEST_COST);
        let spans = u64::from(count.unsigned_abs()).saturating_mul(cost);
        if spans.saturating_add(self.tar.table_size()) <= self.max_ztoc {
            return Ok(());
        }
        Err(ScanError::Limit {
            what: LimitKind::ZtocBytes,
            limit: self.max_ztoc,
        })
    }

    /// Returns the bytes of memory that the entries found so far take.
    pub const fn table_memory(&self) -> u64 {
        self.tar.table_memory()
    }

    /// Declares the end of the layer.
    ///
    /// # Errors
    ///
    /// Returns an error if the gzip stream is cut short, else the first error in the tar. Every
    /// [`ScanError`] but [`ScanError::SpanSize`] is possible.
    pub fn finish(self) -> Result<ScannedLayer, ScanError> {
        let (compression, checkpoints, span_count, compressed_size) = match self.spans {
            SpanSource::Gzip(gzip) => {
                let summary = gzip.finish()?;
                let size = summary.compressed_size;
                let checkpoints = summary.checkpoints;
                (Compression::Gzip, checkpoints, summary.span_count, size)
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
        let spans = ScannedSpans {
            compression,
            span_size: self.span_size,
            span_count,
            checkpoints,
            compressed_size,
            uncompressed_size,
            truncated_ids,
        };
        Ok(ScannedLayer { spans, entries })
    }
}

impl ScannedLayer {
    /// Returns the number of spans.
    pub const fn span_count(&self) -> u32 {
        self.spans.span_count.unsigned_abs()
    }

    /// Returns the number of entries.
    pub const fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// Returns the size of the layer in bytes, as it was fed to the scanner.
    pub const fn compressed_size(&self) -> u64 {
        self.spans.compressed_size
    }

    /// Returns the uncompressed offset at which the tar ends: after its two end-of-archive blocks,
    /// if it has them. Padding after them is not counted.
    pub const fn uncompressed_size(&self) -> u64 {
        self.spans.uncompressed_size
    }
}
