//! Spans of a plain tar: pieces of equal length.

use crate::error::ScanError;
use crate::limits::{SPAN_DIGEST_COST, check_span_count, check_uncompressed_size};
use crate::span::SpanStart;

/// Counts bytes and cuts spans.
#[derive(Debug)]
pub(crate) struct TarSpans {
    /// At least 1.
    span_size: u64,
    position: u64,
    /// Where the next span starts.
    next: u64,
    count: i32,
    max_bytes: u64,
}

impl TarSpans {
    pub(crate) const fn new(span_size: u64, max_bytes: u64) -> Self {
        Self {
            span_size,
            position: 0,
            next: 0,
            count: 0,
            max_bytes,
        }
    }

    /// Passes `length` bytes and adds the spans whose first byte is among them.
    pub(crate) fn feed(
        &mut self,
        length: usize,
        starts: &mut Vec<SpanStart>,
    ) -> Result<(), ScanError> {
        self.position = self.position.saturating_add(length as u64);
        check_uncompressed_size(self.position, self.max_bytes)?;
        while self.next < self.position {
            starts.push(SpanStart {
                start: self.next,
                previous_end: self.next,
            });
            self.next = self.next.saturating_add(self.span_size);
            self.count = self.count.saturating_add(1);
            check_span_count(self.count.unsigned_abs().into(), SPAN_DIGEST_COST)?;
        }
        Ok(())
    }

    /// How many spans have started.
    pub(crate) const fn count(&self) -> i32 {
        self.count
    }

    /// How many bytes have passed.
    pub(crate) const fn size(&self) -> u64 {
        self.position
    }
}
