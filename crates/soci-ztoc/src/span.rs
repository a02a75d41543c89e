//! Where spans start, and the digests of spans and layer.
//!
//! Hashing is apart from scanning so that it can run one stage behind, on another thread, over
//! the same pieces of the layer.

use sha2::{Digest as _, Sha256};

/// The start of a span, and with it the end of the one before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpanStart {
    /// Compressed offset of the span's first byte. One less than `previous_end` where the two
    /// spans share a byte, since deflate blocks end at any bit.
    pub start: u64,
    /// Compressed offset after the last byte of the span before. Bytes before the first span
    /// belong to none.
    pub previous_end: u64,
}

/// SHA-256 of a layer and of each of its spans.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayerDigests {
    /// Digest of all bytes.
    pub layer: [u8; 32],
    /// Number of all bytes.
    pub size: u64,
    /// Digests of the spans in order.
    pub spans: Vec<[u8; 32]>,
}

/// Digests a layer as it passes.
#[derive(Clone, Debug, Default)]
pub struct SpanHasher {
    layer: Sha256,
    /// The span that bytes go to now, once there is one.
    span: Option<Sha256>,
    spans: Vec<[u8; 32]>,
    /// Bytes hashed so far.
    position: u64,
    /// The byte before `position`, which the next span may share.
    last: u8,
}

impl SpanHasher {
    /// Creates a hasher at the start of a layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, and the starts that [`crate::LayerScanner::feed`] gave for these
    /// same bytes.
    pub fn feed(&mut self, bytes: &[u8], starts: &[SpanStart]) {
        self.layer.update(bytes);
        let begin = self.position;
        let mut rest = bytes;
        for start in starts {
            let ahead = start.previous_end.saturating_sub(self.position);
            let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
            let (before, after) = rest.split_at(ahead.min(rest.len()));
            self.hash(before);
            rest = after;
            if let Some(span) = self.span.take() {
                self.spans.push(span.finalize().into());
            }
            let mut span = Sha256::new();
            if start.start < start.previous_end {
                span.update([self.last]);
            }
            self.span = Some(span);
        }
        self.hash(rest);
        debug_assert_eq!(self.position.checked_sub(begin), Some(bytes.len() as u64));
    }

    fn hash(&mut self, bytes: &[u8]) {
        if let Some(span) = &mut self.span {
            span.update(bytes);
        }
        if let Some(&last) = bytes.last() {
            self.last = last;
        }
        self.position = self.position.saturating_add(bytes.len() as u64);
    }

    /// Declares the end of the layer, which ends the last span.
    pub fn finish(mut self) -> LayerDigests {
        if let Some(span) = self.span.take() {
            self.spans.push(span.finalize().into());
        }
        LayerDigests {
            layer: self.layer.finalize().into(),
            size: self.position,
            spans: self.spans,
        }
    }
}
