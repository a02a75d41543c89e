//! The starts of spans, and the digests of spans and layer.
//!
//! Hashing is separate from scanning, so that another thread can hash the chunks of the layer that
//! were scanned already.

use crate::sha256::Sha256;

/// The start of a span, and the end of the previous one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpanStart {
    /// Compressed offset of the first byte of the span. It is one less than `previous_end` if the
    /// two spans share a byte, since deflate blocks can end within a byte.
    pub start: u64,
    /// Compressed offset after the last byte of the previous span. Bytes before the first span
    /// belong to no span.
    pub previous_end: u64,
}

/// The SHA-256 digests of a layer and of each of its spans.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayerDigests {
    /// Digest of the layer.
    pub layer: [u8; 32],
    /// Size of the layer in bytes.
    pub size: u64,
    /// Digests of the spans in order.
    pub spans: Vec<[u8; 32]>,
}

/// Hashes a layer and its spans as the layer arrives in chunks.
#[derive(Clone, Debug, Default)]
pub struct SpanHasher {
    layer: Sha256,
    /// The current span; `None` before the first one.
    span: Option<Sha256>,
    spans: Vec<[u8; 32]>,
    /// Bytes hashed so far.
    position: u64,
    /// The byte before `position`, which the next span may share.
    last_byte: u8,
}

impl SpanHasher {
    /// Creates a hasher at the start of a layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hashes the next bytes. `starts` is what [`LayerScanner::feed`](crate::LayerScanner::feed)
    /// returned for the same bytes.
    pub fn feed(&mut self, bytes: &[u8], starts: &[SpanStart]) {
        let begin = self.position;
        let mut rest = bytes;
        for start in starts {
            let length = start.previous_end.saturating_sub(self.position);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let (before, after) = rest.split_at(length.min(rest.len()));
            self.hash(before);
            rest = after;
            self.finish_span();
            let mut span = Sha256::default();
            if start.start < start.previous_end {
                span.update(&[self.last_byte]);
            }
            self.span = Some(span);
        }
        self.hash(rest);
        debug_assert_eq!(self.position.checked_sub(begin), Some(bytes.len() as u64));
    }

    /// Adds bytes to the layer and to the current span.
    fn hash(&mut self, bytes: &[u8]) {
        match &mut self.span {
            Some(span) => Sha256::update_both(&mut self.layer, span, bytes),
            None => self.layer.update(bytes),
        }
        if let Some(&last_byte) = bytes.last() {
            self.last_byte = last_byte;
        }
        self.position = self.position.saturating_add(bytes.len() as u64);
    }

    fn finish_span(&mut self) {
        if let Some(span) = self.span.take() {
            self.spans.push(span.finish());
        }
    }

    /// Declares the end of the layer, which ends the last span, and returns the digests.
    pub fn finish(mut self) -> LayerDigests {
        self.finish_span();
        LayerDigests {
            layer: self.layer.finish(),
            size: self.position,
            spans: self.spans,
        }
    }
}
