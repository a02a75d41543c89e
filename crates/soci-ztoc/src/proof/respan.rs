//! Inflates a span from its checkpoint alone, to see whether a window that differs does harm.

use sha2::{Digest as _, Sha256};

use super::finding::WindowOutcome;
use crate::checkpoint::Checkpoint;
use crate::gzip::span_inflater::SpanInflater;
use crate::ztoc::Span;

/// Bytes that are inflated at a time.
pub(super) const OUTPUT_SIZE: usize = 64 * 1024;

/// A span that is inflated a second time. Its output is compared by digest with that of the pass
/// over the whole layer, since the two arrive at different times.
pub(super) struct Respan<'z> {
    /// Number of the span.
    pub(super) index: u64,
    /// How many bytes of the window differ.
    pub(super) differing: u64,
    span: Span,
    checkpoint: Checkpoint<'z>,
    right: Output,
    own: Output,
    inflater: Inflater,
}

/// The output of a span so far.
struct Output {
    digest: Sha256,
    /// Bytes that are missing.
    left: u64,
}

/// The inflater of a span, which needs the first byte of the span before it can start.
enum Inflater {
    NotStarted,
    Started(Box<SpanInflater>),
    Failed,
}

impl Output {
    fn new(left: u64) -> Self {
        Self {
            digest: Sha256::new(),
            left,
        }
    }

    /// Adds the next bytes, as far as they belong to the span.
    fn push(&mut self, bytes: &[u8]) {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX);
        let bytes = bytes.get(..length).unwrap_or(bytes);
        self.digest.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
    }
}

impl<'z> Respan<'z> {
    pub(super) fn new(index: u64, differing: u64, span: Span, checkpoint: Checkpoint<'z>) -> Self {
        let length = span
            .uncompressed_end
            .saturating_sub(span.uncompressed_start);
        Self {
            index,
            differing,
            span,
            checkpoint,
            right: Output::new(length),
            own: Output::new(length),
            inflater: Inflater::NotStarted,
        }
    }

    /// Returns whether the first byte was fed.
    pub(super) const fn has_started(&self) -> bool {
        !matches!(self.inflater, Inflater::NotStarted)
    }

    /// Adds the right output, which the pass over the whole layer has found.
    pub(super) fn push_output(&mut self, bytes: &[u8]) {
        self.right.push(bytes);
    }

    /// Inflates the next bytes of the layer, which start at compressed offset `at`. `buffer` is
    /// scratch memory.
    pub(super) fn feed(&mut self, bytes: &[u8], at: u64, buffer: &mut [u8]) {
        let index = |offset: u64| usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX);
        let end = index(self.span.compressed_end).min(bytes.len());
        let start = index(self.span.compressed_start).min(end);
        let mut input = bytes.get(start..end).unwrap_or_default();
        if matches!(self.inflater, Inflater::NotStarted) && !input.is_empty() {
            self.start_inflater(&mut input);
        }
        let Inflater::Started(inflater) = &mut self.inflater else {
            return;
        };
        while self.own.left > 0 {
            let room = usize::try_from(self.own.left).unwrap_or(usize::MAX);
            let room = room.min(buffer.len());
            let free = buffer.get_mut(..room).unwrap_or_default();
            let Ok(written) = inflater.run(&mut input, free) else {
                self.inflater = Inflater::Failed;
                return;
            };
            self.own.push(free.get(..written).unwrap_or_default());
            if written < room {
                return;
            }
        }
    }

    fn start_inflater(&mut self, input: &mut &[u8]) {
        let mut shared = 0;
        if self.checkpoint.unused_bits > 0
            && let Some((&first, rest)) = input.split_first()
        {
            (shared, *input) = (first, rest);
        }
        self.inflater = match SpanInflater::resume(self.checkpoint, shared) {
            Ok(inflater) => Inflater::Started(Box::new(inflater)),
            Err(_) => Inflater::Failed,
        };
    }

    /// Returns whether no further bytes of the layer change the outcome, after those before
    /// compressed offset `position`.
    pub(super) const fn is_inflated(&self, position: u64) -> bool {
        let has_all = self.own.left == 0 || self.span.compressed_end <= position;
        has_all || matches!(self.inflater, Inflater::Failed)
    }

    /// Returns whether all of the right output was added.
    pub(super) const fn has_output(&self) -> bool {
        self.right.left == 0
    }

    /// Returns what inflating the span gave.
    pub(super) fn finish(self) -> WindowOutcome {
        if matches!(self.inflater, Inflater::Failed) || self.own.left != self.right.left {
            return WindowOutcome::Fails;
        }
        if self.own.digest.finalize() == self.right.digest.finalize() {
            return WindowOutcome::SameBytes;
        }
        WindowOutcome::OtherBytes
    }
}
