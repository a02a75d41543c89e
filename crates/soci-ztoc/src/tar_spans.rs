//! The spans of a plain tar, which all have the same length except for the last.

use crate::error::ScanError;
use crate::limits::{SPAN_DIGEST_COST, check_span_count, check_uncompressed_size};
use crate::span::SpanStart;

/// Counts the bytes of a plain tar, and decides where spans start.
#[derive(Debug)]
pub(crate) struct TarSpans {
    /// At least 1.
    span_size: u64,
    position: u64,
    /// Offset at which the next span starts.
    next_start: u64,
    count: i32,
    max_bytes: u64,
}

impl TarSpans {
    pub(crate) const fn new(span_size: u64, max_bytes: u64) -> Self {
        Self {
            span_size,
            position: 0,
            next_start: 0,
            count: 0,
            max_bytes,
        }
    }

    /// Counts the next `length` bytes, and adds the spans that start in them to `starts`.
    pub(crate) fn advance(
        &mut self,
        length: usize,
        starts: &mut Vec<SpanStart>,
    ) -> Result<(), ScanError> {
        self.position = self.position.saturating_add(length as u64);
        check_uncompressed_size(self.position, self.max_bytes)?;
        while self.next_start < self.position {
            starts.push(SpanStart {
                start: self.next_start,
                previous_end: self.next_start,
            });
            self.next_start = self.next_start.saturating_add(self.span_size);
            self.count = self.count.saturating_add(1);
            check_span_count(self.count.unsigned_abs().into(), SPAN_DIGEST_COST)?;
        }
        Ok(())
    }

    /// Returns the number of spans that have started.
    pub(crate) const fn count(&self) -> i32 {
        self.count
    }

    /// Returns the number of bytes so far.
    pub(crate) const fn size(&self) -> u64 {
        self.position
    }
}
