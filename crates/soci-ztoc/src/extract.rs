//! Reads any part of a layer through its ztoc, fetching only the spans it lies in.
//!
//! Every span is verified against its digest before it is used. Spans may reach over the ends of
//! gzip members.

use sha2::{Digest as _, Sha256};

use crate::checkpoint::Checkpoint;
use crate::compression::Compression;
use crate::gzip::inflate::{InflateError, Inflater, Pace, Stop};
use crate::ztoc::{Span, SpanError, Ztoc};

/// How much output is made room for at a time, in bytes.
const PIECE: u64 = 256 * 1024;

/// Uncompressed bytes that a span may have. Spans are a few MiB; a hostile ztoc may say anything.
const LONGEST_SPAN: u64 = 1 << 30;

/// Length of a gzip trailer: CRC-32 and size.
const TRAILER: usize = 8;

/// Something that has the bytes of a layer.
pub trait ReadRange {
    /// Why bytes could not be had.
    type Error;

    /// Returns the bytes from `start` to before `end`, compressed offsets both.
    ///
    /// # Errors
    ///
    /// Whatever keeps the bytes away. Returning fewer bytes is an error to the caller, too.
    fn read_range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, Self::Error>;
}

/// A layer in memory; what lies beyond its end is missing.
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
    /// The bytes of a span are not those that the ztoc was made from.
    #[error("digest of span {span} does not match its bytes")]
    Digest {
        /// Number of the span.
        span: usize,
    },
    /// There is no such entry.
    #[error("there is no entry {entry}, expected less than {count}")]
    Entry {
        /// The position asked for.
        entry: usize,
        /// Number of entries.
        count: usize,
    },
    /// A span does not inflate from its checkpoint.
    #[error("span {span} does not inflate from its checkpoint: {reason}")]
    Inflate {
        /// Number of the span.
        span: usize,
        /// What is wrong.
        reason: String,
    },
    /// The range is not within the tar, or not within any span.
    #[error("bytes {start} to {end} are not within the spans of the layer")]
    Range {
        /// Uncompressed offset of the first byte.
        start: u64,
        /// Uncompressed offset after the last byte.
        end: u64,
    },
    /// A span is longer than the reader allows.
    #[error("span {span} has {length} uncompressed bytes, expected at most {limit}")]
    SpanTooLong {
        /// Number of the span.
        span: usize,
        /// Its uncompressed length.
        length: u64,
        /// The longest that is allowed.
        limit: u64,
    },
    /// The source returned another number of bytes than it was asked for.
    #[error("source returned {found} bytes for span {span}, expected {expected}")]
    Short {
        /// Number of the span.
        span: usize,
        /// Bytes asked for.
        expected: u64,
        /// Bytes returned.
        found: u64,
    },
    /// The source failed.
    #[error("source failed to read span {span}")]
    Source {
        /// Number of the span.
        span: usize,
        /// Why.
        source: E,
    },
}

/// Reads a layer through its ztoc. The last span is kept, so that reading files in the order of
/// the tar inflates each span once.
#[derive(Clone, Debug)]
pub struct LayerReader<'z, R> {
    ztoc: &'z Ztoc,
    source: R,
    spans: Vec<Span>,
    max_span: u64,
    kept: Option<(usize, Vec<u8>)>,
}

impl<'z, R: ReadRange> LayerReader<'z, R> {
    /// Prepares to read a layer from `source`.
    ///
    /// # Errors
    ///
    /// [`SpanError`] where the spans of the ztoc make no sense.
    pub fn new(ztoc: &'z Ztoc, source: R) -> Result<Self, SpanError> {
        Ok(Self {
            ztoc,
            source,
            spans: ztoc.spans()?,
            max_span: LONGEST_SPAN,
            kept: None,
        })
    }

    /// Changes how many uncompressed bytes a span may have, since all of them are held in memory;
    /// 1 GiB unless changed.
    #[must_use]
    pub const fn with_max_span(mut self, bytes: u64) -> Self {
        self.max_span = bytes;
        self
    }

    /// Returns the spans of the layer.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Returns the contents of an entry of [`Ztoc::toc`]; nothing for links, directories and
    /// devices.
    ///
    /// # Errors
    ///
    /// [`ExtractError::Entry`] where there is none, [`ExtractError::Range`] where the entry lies
    /// outside the tar, and whatever reading a span gives.
    pub fn read_entry(&mut self, entry: usize) -> Result<Vec<u8>, ExtractError<R::Error>> {
        let count = self.ztoc.toc.len();
        let found = self.ztoc.toc.get(entry);
        let found = found.ok_or(ExtractError::Entry { entry, count })?;
        if !found.entry_type.has_contents() {
            return Ok(Vec::new());
        }
        let start = found.uncompressed_offset;
        let end = start.checked_add_signed(found.uncompressed_size);
        self.read(start, end.unwrap_or(0))
    }

    /// Returns bytes `start` to before `end` of the tar.
    ///
    /// # Errors
    ///
    /// [`ExtractError::Range`] where they are not within the tar, and whatever reading a span
    /// gives.
    pub fn read(&mut self, start: u64, end: u64) -> Result<Vec<u8>, ExtractError<R::Error>> {
        let range = || ExtractError::Range { start, end };
        if start > end || end > self.ztoc.uncompressed_archive_size {
            return Err(range());
        }
        let mut bytes = Vec::new();
        let mut at = start;
        while at < end {
            // Of spans with equal starts the last one holds the bytes.
            let after = self
                .spans
                .partition_point(|span| span.uncompressed_start <= at);
            let index = after.checked_sub(1).ok_or_else(range)?;
            let span = *self.spans.get(index).ok_or_else(range)?;
            let skip = at.checked_sub(span.uncompressed_start).ok_or_else(range)?;
            let take = end.min(span.uncompressed_end).checked_sub(at);
            let part = self.read_span(index)?;
            let part = usize::try_from(skip).ok().and_then(|skip| part.get(skip..));
            let part = part.zip(take.and_then(|take| usize::try_from(take).ok()));
            let part = part.and_then(|(part, take)| part.get(..take));
            let part = part.filter(|part| !part.is_empty()).ok_or_else(range)?;
            bytes.extend_from_slice(part);
            at = at.saturating_add(part.len() as u64);
        }
        Ok(bytes)
    }

    /// Returns all bytes of a span, verified and inflated, as far as the tar reaches.
    ///
    /// # Errors
    ///
    /// [`ExtractError`] of any kind but [`ExtractError::Entry`].
    pub fn read_span(&mut self, index: usize) -> Result<&[u8], ExtractError<R::Error>> {
        let kept = match self.kept.take() {
            Some(kept) if kept.0 == index => kept,
            _ => (index, self.fetch(index)?),
        };
        Ok(&self.kept.insert(kept).1)
    }

    fn fetch(&mut self, index: usize) -> Result<Vec<u8>, ExtractError<R::Error>> {
        let span = *self
            .spans
            .get(index)
            .ok_or(ExtractError::Range { start: 0, end: 0 })?;
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
        let info = &self.ztoc.compression_info;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if info.span_digests.get(index) != Some(&digest) {
            return Err(ExtractError::Digest { span: index });
        }
        if info.algorithm == Compression::Uncompressed {
            return Ok(bytes);
        }
        let inflate = |reason: String| ExtractError::Inflate {
            span: index,
            reason,
        };
        let checkpoint = self.ztoc.checkpoint(index);
        let checkpoint = checkpoint.ok_or_else(|| inflate("there is no checkpoint".to_owned()))?;
        inflate_span(checkpoint, &bytes, length).map_err(|error| match error {
            InflateError::Data(reason) => inflate(reason),
            InflateError::Memory => inflate("no memory for the inflater".to_owned()),
        })
    }
}

/// Inflates `length` bytes from a checkpoint on.
fn inflate_span(
    checkpoint: Checkpoint<'_>,
    compressed: &[u8],
    length: u64,
) -> Result<Vec<u8>, InflateError> {
    let short = || InflateError::Data(format!("it ends before {length} bytes"));
    let (shared, mut input) = match checkpoint.bits {
        0 => (0, compressed),
        _ => compressed
            .split_first()
            .map(|(&shared, rest)| (shared, rest))
            .ok_or_else(short)?,
    };
    let mut inflater = Inflater::resume(checkpoint.bits, shared, checkpoint.window)?;
    let mut output = Vec::new();
    let mut in_first_member = true;
    while (output.len() as u64) < length {
        let room = length.saturating_sub(output.len() as u64).min(PIECE);
        let from = output.len();
        let to = usize::try_from(room).unwrap_or(usize::MAX);
        output.resize(from.saturating_add(to), 0);
        let free = output.get_mut(from..).unwrap_or_default();
        let step = inflater.run(input, free, Pace::Through)?;
        output.truncate(from.saturating_add(step.produced));
        input = input.get(step.consumed..).unwrap_or_default();
        if step.stop == Stop::StreamEnd {
            // What was resumed has no header and does not know its trailer.
            if in_first_member {
                input = input.get(TRAILER..).ok_or_else(short)?;
                in_first_member = false;
            }
            inflater.reset_gzip()?;
        } else if step.produced == 0 && step.consumed == 0 {
            return Err(short());
        }
    }
    Ok(output)
}
