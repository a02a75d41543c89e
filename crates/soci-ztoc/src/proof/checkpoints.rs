//! The checkpoints of a gzip layer: their positions, offsets and windows.

use std::collections::VecDeque;

use super::ProofError;
use super::finding::ProofFinding;
use super::respan::{OUTPUT_SIZE, Respan};
use crate::checkpoint::{Checkpoint, CheckpointList};
use crate::ztoc::{Span, SpanError, Ztoc};

/// Bytes before a chunk that are kept: the decoder may find a block start after it has received the
/// bytes of the next chunk, because it holds up to eight bytes, and a span may share the byte
/// before.
const TAIL_SIZE: usize = 16;

/// Called for each finding.
pub(super) type Report<'r> = &'r mut dyn FnMut(ProofFinding);

/// Compares the checkpoints of a ztoc with the block starts of its layer.
pub(super) struct CheckpointProof<'z> {
    list: CheckpointList<'z>,
    spans: Vec<Span>,
    /// Number of the next checkpoint.
    next: usize,
    /// The spans that are inflated again, in order. The last one gets the output of the pass.
    respans: VecDeque<Respan<'z>>,
    /// The last bytes of the layer before the next chunk.
    tail: Vec<u8>,
    /// Compressed bytes read.
    position: u64,
    buffer: Vec<u8>,
}

impl<'z> CheckpointProof<'z> {
    pub(super) fn new(ztoc: &'z Ztoc) -> Result<Self, ProofError> {
        let bytes = &ztoc.compression_info.checkpoints;
        let list = CheckpointList::parse(bytes).ok_or(SpanError::ListLength {
            length: bytes.len(),
        })?;
        Ok(Self {
            list,
            spans: ztoc.spans()?,
            next: 0,
            respans: VecDeque::new(),
            tail: Vec::new(),
            position: 0,
            buffer: Vec::new(),
        })
    }

    /// Reports whether the tar has bytes that no span has.
    pub(super) fn check_first(&self, report: Report<'_>) {
        if let Some(span) = self.spans.first()
            && span.uncompressed_start > 0
        {
            report(ProofFinding::FirstSpan {
                found: span.uncompressed_start,
            });
        }
    }

    /// Compares the checkpoints up to this block start with it.
    pub(super) fn push_block_start(&mut self, found: Checkpoint<'_>, report: Report<'_>) {
        let position = bit_position(found);
        while let Some(recorded) = self.list.get(self.next) {
            let recorded_position = bit_position(recorded);
            if recorded_position > position {
                return;
            }
            let span = self.next as u64;
            if recorded_position < position {
                report(no_block_start(span, recorded));
            } else if recorded.output != found.output {
                report(ProofFinding::SpanOffset {
                    span,
                    recorded: recorded.output,
                    found: found.output,
                });
            } else {
                self.compare_windows(found, recorded);
            }
            self.next = self.next.saturating_add(1);
        }
    }

    /// Starts to inflate the span again if its window differs.
    fn compare_windows(&mut self, found: Checkpoint<'_>, recorded: Checkpoint<'z>) {
        // An implied checkpoint has no window, and needs none at the start of the tar.
        if recorded.window == found.window || recorded.window.is_empty() {
            return;
        }
        let pairs = found.window.iter().zip(recorded.window);
        let differing = pairs.filter(|(found, recorded)| found != recorded).count();
        if let Some(&span) = self.spans.get(self.next) {
            let respan = Respan::new(self.next as u64, differing as u64, span, recorded);
            self.respans.push_back(respan);
        }
    }

    /// Adds output of the layer, after the last block start.
    pub(super) fn push_output(&mut self, bytes: &[u8]) {
        if let Some(respan) = self.respans.back_mut() {
            respan.push_output(bytes);
        }
    }

    /// Notes the bytes of the layer that were decompressed.
    pub(super) fn push_layer(&mut self, bytes: &[u8], report: Report<'_>) {
        let end = self.position.saturating_add(bytes.len() as u64);
        let tail_start = self.position.saturating_sub(self.tail.len() as u64);
        let mut rest = VecDeque::new();
        while let Some(mut respan) = self.respans.pop_front() {
            self.buffer.resize(OUTPUT_SIZE, 0);
            if !respan.has_started() {
                respan.feed(&self.tail, tail_start, &mut self.buffer);
            }
            respan.feed(bytes, self.position, &mut self.buffer);
            let is_last = self.respans.is_empty();
            if respan.is_inflated(end) && (respan.has_output() || !is_last) {
                report_respan(respan, report);
            } else {
                rest.push_back(respan);
            }
        }
        self.respans = rest;
        self.position = end;
        self.keep_tail(bytes);
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let start = bytes.len().saturating_sub(TAIL_SIZE);
        self.tail
            .extend_from_slice(bytes.get(start..).unwrap_or_default());
        let excess = self.tail.len().saturating_sub(TAIL_SIZE);
        self.tail.drain(..excess);
    }

    /// Reports the checkpoints at which no block starts up to the end of the layer.
    pub(super) fn finish(self, report: Report<'_>) {
        for respan in self.respans {
            report_respan(respan, report);
        }
        let rest = (self.next..).map_while(|index| Some((index, self.list.get(index)?)));
        for (index, recorded) in rest {
            report(no_block_start(index as u64, recorded));
        }
    }
}

fn report_respan(respan: Respan<'_>, report: Report<'_>) {
    report(ProofFinding::Window {
        span: respan.index,
        differing: respan.differing,
        outcome: respan.finish(),
    });
}

const fn no_block_start(span: u64, recorded: Checkpoint<'_>) -> ProofFinding {
    ProofFinding::Boundary {
        span,
        offset: recorded.input,
        unused_bits: recorded.unused_bits,
    }
}

/// Returns the number of bits of the layer before a checkpoint.
const fn bit_position(checkpoint: Checkpoint<'_>) -> u64 {
    let bits = checkpoint.input.saturating_mul(8);
    bits.saturating_sub(checkpoint.unused_bits as u64)
}
