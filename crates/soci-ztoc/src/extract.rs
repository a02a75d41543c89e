//! Reads parts of a layer through its ztoc, fetching only the spans that hold them.
//!
//! Every span is verified against its digest before it is used. A span may reach across the end of
//! a gzip member.

use sha2::{Digest as _, Sha256};

use crate::checkpoint::Checkpoint;
use crate::compression::Compression;
use crate::gzip::span_inflater::SpanInflater;
use crate::gzip::zlib::ZlibError;
use crate::ztoc::{Span, SpanError, Ztoc};

/// Bytes by which the output of a span grows at a time.
const CHUNK_SIZE: u64 = 256 * 1024;

/// Default of the most uncompressed bytes of a span. Spans usually have a few MiB, but a hostile
/// ztoc may claim any size.
const DEFAULT_MAX_SPAN: u64 = 1 << 30;

/// A source of the bytes of a layer.
pub trait ReadRange {
    /// Why bytes cannot be read.
    type Error;

    /// Returns the bytes from compressed offset `start` to before `end`.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes cannot be read. The caller treats fewer bytes than requested
    /// as an error, too.
    fn read_range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, Self::Error>;
}

/// A layer in memory. Reading beyond its end gives fewer bytes.
impl ReadRange for &[u8] {
    type Error = std::convert::Infallible;

    fn read_range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, Self::Error> {
        let index = |offset| {
            usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(self.len())
        };
        Ok(self
            .get(index(start)..index(end))
            .unwrap_or_default()
            .to_vec())
    }
}

/// Why a part of a layer cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError<E> {
    /// The bytes of a span are not those that the ztoc was built from.
    #[error("digest of span {span} does not match its bytes")]
    Digest {
        /// Number of the span.
        span: usize,
    },
    /// The ztoc has no such entry.
    #[error("there is no entry {entry}, expected less than {count}")]
    Entry {
        /// The index asked for.
        entry: usize,
        /// Number of entries.
        count: usize,
    },
    /// A span cannot be decompressed from its checkpoint.
    #[error("span {span} cannot be decompressed from its checkpoint: {reason}")]
    Inflate {
        /// Number of the span.
        span: usize,
        /// What is wrong.
        reason: String,
    },
    /// The range is not within the tar, or not within the spans.
    #[error("bytes {start} to {end} are not within the spans of the layer")]
    Range {
        /// Uncompressed offset of the first byte.
        start: u64,
        /// Uncompressed offset after the last byte.
        end: u64,
    },
    /// A span is longer than the caller allows.
    #[error("span {span} has {length} uncompressed bytes, expected at most {limit}")]
    SpanTooLong {
        /// Number of the span.
        span: usize,
        /// Its uncompressed length in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The source returned another number of bytes than requested.
    #[error("source returned {found} bytes for span {span}, expected {expected}")]
    Short {
        /// Number of the span.
        span: usize,
        /// Bytes requested.
        expected: u64,
        /// Bytes returned.
        found: u64,
    },
    /// The source failed.
    #[error("source failed to read span {span}")]
    Source {
        /// Number of the span.
        span: usize,
        /// The error of the source.
        source: E,
    },
}

/// Reads a layer through its ztoc. The last span is kept in memory, so that reading files in the
/// order of the tar decompresses each span once.
#[derive(Clone, Debug)]
pub struct LayerReader<'z, R> {
    ztoc: &'z Ztoc,
    source: R,
    spans: Vec<Span>,
    max_span: u64,
    cached: Option<CachedSpan>,
}

/// A span that was verified and decompressed.
#[derive(Clone, Debug)]
struct CachedSpan {
    index: usize,
    bytes: Vec<u8>,
}

impl<'z, R: ReadRange> LayerReader<'z, R> {
    /// Creates a reader of the layer in `source`.
    ///
    /// # Errors
    ///
    /// Returns [`SpanError`] if the spans of the ztoc are inconsistent.
    pub fn new(ztoc: &'z Ztoc, source: R) -> Result<Self, SpanError> {
        Ok(Self {
            ztoc,
            source,
            spans: ztoc.spans()?,
            max_span: DEFAULT_MAX_SPAN,
            cached: None,
        })
    }

    /// Sets the most uncompressed bytes that a span may have, since a whole span is held in memory.
    /// The default is 1 GiB.
    #[must_use]
    pub const fn with_max_span(mut self, bytes: u64) -> Self {
        self.max_span = bytes;
        self
    }

    /// Returns the spans of the layer.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Returns the contents of an entry of [`Ztoc::toc`]. Links, directories and devices have none.
    ///
    /// # Errors
    ///
    /// Returns [`ExtractError::Entry`] if there is no such entry, [`ExtractError::Range`] if it
    /// lies outside the tar or has a negative size, and the errors of [`LayerReader::read_span`].
    pub fn read_entry(&mut self, entry: usize) -> Result<Vec<u8>, ExtractError<R::Error>> {
        let count = self.ztoc.toc.len();
        let found = self.ztoc.toc.get(entry);
        let found = found.ok_or(ExtractError::Entry { entry, count })?;
        if !found.entry_type.has_contents() {
            return Ok(Vec::new());
        }
        let start = found.uncompressed_offset;
        let size = u64::try_from(found.uncompressed_size).ok();
        let end = size.and_then(|size| start.checked_add(size));
        // A range that ends before its start is out of range.
        let end = end.ok_or(ExtractError::Range { start, end: 0 })?;
        self.read_bytes(start, end)
    }

    /// Returns the bytes of the tar from uncompressed offset `start` to before `end`.
    ///
    /// # Errors
    ///
    /// Returns [`ExtractError::Range`] if they are not within the tar, and the errors of
    /// [`LayerReader::read_span`].
    pub fn read_bytes(&mut self, start: u64, end: u64) -> Result<Vec<u8>, ExtractError<R::Error>> {
        let out_of_range = || ExtractError::Range { start, end };
        if start > end || end > self.ztoc.uncompressed_archive_size {
            return Err(out_of_range());
        }
        let mut bytes = Vec::new();
        let mut at = start;
        while at < end {
            // Of several spans with the same start, only the last one has bytes.
            let after = self
                .spans
                .partition_point(|span| span.uncompressed_start <= at);
            let index = after.checked_sub(1).ok_or_else(out_of_range)?;
            let span = *self.spans.get(index).ok_or_else(out_of_range)?;
            let skip = at.checked_sub(span.uncompressed_start);
            let skip = skip.and_then(|skip| usize::try_from(skip).ok());
            let skip = skip.ok_or_else(out_of_range)?;
            let length = end.min(span.uncompressed_end).checked_sub(at);
            let length = length.and_then(|length| usize::try_from(length).ok());
            let part = self.read_span(index)?.get(skip..);
            let part = part
                .zip(length)
                .and_then(|(part, length)| part.get(..length));
            let part = part.filter(|part| !part.is_empty());
            let part = part.ok_or_else(out_of_range)?;
            bytes.extend_from_slice(part);
            at = at.saturating_add(part.len() as u64);
        }
        Ok(bytes)
    }

    /// Returns the bytes of a span, verified and decompressed, up to the end of the tar.
    ///
    /// # Errors
    ///
    /// Returns any [`ExtractError`] but [`ExtractError::Entry`].
    pub fn read_span(&mut self, index: usize) -> Result<&[u8], ExtractError<R::Error>> {
        let span = match self.cached.take() {
            Some(cached) if cached.index == index => cached,
            _ => CachedSpan {
                index,
                bytes: self.decompress_span(index)?,
            },
        };
        Ok(&self.cached.insert(span).bytes)
    }

    fn decompress_span(&mut self, index: usize) -> Result<Vec<u8>, ExtractError<R::Error>> {
        let span = self.spans.get(index);
        let span = *span.ok_or(ExtractError::Range { start: 0, end: 0 })?;
        let length = span
            .uncompressed_end
            .saturating_sub(span.uncompressed_start);
        if length > self.max_span {
            return Err(ExtractError::SpanTooLong {
                span: index,
                length,
                limit: self.max_span,
            });
        }
        let bytes = self.fetch_span(index, span)?;
        if self.ztoc.compression_info.algorithm == Compression::Uncompressed {
            return Ok(bytes);
        }
        let inflate_error = |reason: String| ExtractError::Inflate {
            span: index,
            reason,
        };
        let checkpoint = self.ztoc.checkpoint_of(index);
        let checkpoint =
            checkpoint.ok_or_else(|| inflate_error("there is no checkpoint".to_owned()))?;
        inflate_span(checkpoint, &bytes, length).map_err(|error| match error {
            ZlibError::Data(reason) => inflate_error(reason),
            ZlibError::OutOfMemory => {
                inflate_error("not enough memory for the decompressor".to_owned())
            }
        })
    }

    /// Reads the compressed bytes of a span and verifies their digest.
    fn fetch_span(&mut self, index: usize, span: Span) -> Result<Vec<u8>, ExtractError<R::Error>> {
        let (start, end) = (span.compressed_start, span.compressed_end);
        let bytes = self.source.read_range(start, end);
        let bytes = bytes.map_err(|source| ExtractError::Source {
            span: index,
            source,
        })?;
        let expected = end.saturating_sub(start);
        if bytes.len() as u64 != expected {
            return Err(ExtractError::Short {
                span: index,
                expected,
                found: bytes.len() as u64,
            });
        }
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if self.ztoc.compression_info.span_digests.get(index) != Some(&digest) {
            return Err(ExtractError::Digest { span: index });
        }
        Ok(bytes)
    }
}

/// Decompresses `length` bytes from a checkpoint on. `compressed` starts with the byte that the
/// span shares with the previous one, if it shares one.
fn inflate_span(
    checkpoint: Checkpoint<'_>,
    compressed: &[u8],
    length: u64,
) -> Result<Vec<u8>, ZlibError> {
    let too_short = || ZlibError::Data(format!("it ends before {length} bytes"));
    let (shared, mut input) = match checkpoint.unused_bits {
        0 => (0, compressed),
        _ => compressed
            .split_first()
            .map(|(&shared, rest)| (shared, rest))
            .ok_or_else(too_short)?,
    };
    let mut inflater = SpanInflater::resume(checkpoint, shared)?;
    let mut output = Vec::new();
    while (output.len() as u64) < length {
        let room = length.saturating_sub(output.len() as u64).min(CHUNK_SIZE);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let start = output.len();
        output.resize(start.saturating_add(room), 0);
        let free = output.get_mut(start..).unwrap_or_default();
        if inflater.run(&mut input, free)? < room {
            return Err(too_short());
        }
    }
    Ok(output)
}
