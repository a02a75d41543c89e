//! Walks the members of a gzip file, keeps history, and records checkpoints.

use super::header::HeaderCheck;
use super::inflate::{InflateError, Inflater, Pace, Step, Stop, WINDOW};
use crate::checkpoint::{CHECKPOINT, Checkpoint, CheckpointWriter};
use crate::error::{LimitKind, ScanError};
use crate::scanner::{DIGEST_COST, Limits, MAX_ZTOC, too_many_bytes};
use crate::span::SpanStart;
use crate::tar::reader::TarReader;

/// Output between two moves of the history. Large enough that moving 32 KiB costs little, small
/// enough that all of it stays in the second-level cache.
const OUTPUT: usize = 256 * 1024;

/// Inflates a layer and looks for the places where spans start.
#[derive(Debug)]
pub(crate) struct Members {
    inflater: Inflater,
    /// 32 KiB of history, then room for output. Linear rather than circular: zlib-rs may scribble
    /// beyond what it produced, which would spoil the oldest history of a circular buffer.
    buffer: Box<[u8]>,
    /// Where the next output goes; at least [`WINDOW`].
    at: usize,
    stage: Stage,
    /// Position of the member in the file, from 0.
    member: u64,
    /// Compressed offset where the member starts.
    member_start: u64,
    /// Compressed bytes consumed.
    consumed: u64,
    /// Uncompressed bytes produced, over all members.
    produced: u64,
    /// `produced` at the last checkpoint.
    last: u64,
    span_size: u64,
    checkpoints: CheckpointWriter,
    max_uncompressed: u64,
}

#[derive(Debug)]
enum Stage {
    /// In a header, as far as it was seen.
    Header(HeaderCheck),
    /// In the blocks or the trailer.
    Body,
    /// Between members: the file may end here.
    Between,
}

/// What the walk found.
#[derive(Debug)]
pub(crate) struct Walked {
    /// The list of checkpoints, ready to be stored.
    pub(crate) checkpoints: Vec<u8>,
    /// How many there are.
    pub(crate) count: i32,
    /// Size of the layer in bytes.
    pub(crate) compressed_size: u64,
}

impl Members {
    pub(crate) fn new(span_size: i64, limits: Limits) -> Result<Self, ScanError> {
        let inflater = Inflater::detect().ok().ok_or(ScanError::OutOfMemory)?;
        Ok(Self {
            inflater,
            buffer: vec![0; WINDOW.saturating_add(OUTPUT)].into_boxed_slice(),
            at: WINDOW,
            stage: Stage::Header(HeaderCheck::new()),
            member: 0,
            member_start: 0,
            consumed: 0,
            produced: 0,
            last: 0,
            span_size: span_size.unsigned_abs(),
            checkpoints: CheckpointWriter::new(span_size),
            max_uncompressed: limits.uncompressed_bytes,
        })
    }

    /// Inflates the next bytes, hands the output on, and adds the spans that start in them.
    pub(crate) fn feed(
        &mut self,
        mut input: &[u8],
        tar: &mut TarReader,
        starts: &mut Vec<SpanStart>,
    ) -> Result<(), ScanError> {
        while !input.is_empty() {
            if matches!(self.stage, Stage::Between) {
                self.next_member()?;
            }
            loop {
                let (step, full) = self.step(&mut input, tar)?;
                if let Stop::Boundary { unused_bits } = step.stop {
                    self.stage = Stage::Body;
                    self.consider_checkpoint(unused_bits, starts)?;
                }
                if step.stop == Stop::StreamEnd {
                    self.stage = Stage::Between;
                    break;
                }
                // A full buffer may hold output back even when the input is used up.
                if input.is_empty() && !full {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Declares the end of the file.
    pub(crate) fn finish(self) -> Result<Walked, ScanError> {
        if !matches!(self.stage, Stage::Between) {
            return Err(ScanError::GzipData {
                offset: self.consumed,
                reason: "file ends within a gzip member".to_owned(),
            });
        }
        Ok(Walked {
            count: self.checkpoints.count(),
            checkpoints: self.checkpoints.finish(),
            compressed_size: self.consumed,
        })
    }

    fn next_member(&mut self) -> Result<(), ScanError> {
        let reset = self.inflater.reset_detect();
        reset.map_err(|error| self.damaged(error))?;
        self.stage = Stage::Header(HeaderCheck::new());
        self.member = self.member.saturating_add(1);
        self.member_start = self.consumed;
        Ok(())
    }

    /// Runs the inflater once. Returns what it did and whether it filled the buffer.
    fn step(&mut self, input: &mut &[u8], tar: &mut TarReader) -> Result<(Step, bool), ScanError> {
        if self.at == self.buffer.len() {
            self.move_history();
        }
        let room = self.buffer.get_mut(self.at..).unwrap_or_default();
        let result = self.inflater.run(input, room, Pace::Blocks);
        let step = result.map_err(|error| self.damaged(error))?;
        let (used, rest) = input.split_at(step.consumed);
        *input = rest;
        if let Stage::Header(check) = &mut self.stage
            && let Err(fault) = check.feed(used)
        {
            tar.break_off(ScanError::GzipHeader {
                member: self.member,
                offset: self.member_start,
                fault,
            });
            self.stage = Stage::Body;
        }
        let end = self.at.saturating_add(step.produced);
        tar.feed(self.buffer.get(self.at..end).unwrap_or_default());
        self.at = end;
        self.consumed = self.consumed.saturating_add(step.consumed as u64);
        self.produced = self.produced.saturating_add(step.produced as u64);
        if self.produced > self.max_uncompressed {
            return Err(too_many_bytes(self.max_uncompressed));
        }
        Ok((step, self.at == self.buffer.len()))
    }

    /// Makes room for output behind the last 32 KiB.
    fn move_history(&mut self) {
        let start = self.at.saturating_sub(WINDOW);
        self.buffer.copy_within(start..self.at, 0);
        self.at = WINDOW;
    }

    /// Records a checkpoint at this boundary if one is due: always before the first output, then
    /// at the first boundary that lies more than a span after the last checkpoint.
    fn consider_checkpoint(
        &mut self,
        bits: u8,
        starts: &mut Vec<SpanStart>,
    ) -> Result<(), ScanError> {
        let since = self.produced.saturating_sub(self.last);
        if self.produced > 0 && since <= self.span_size {
            return Ok(());
        }
        let cost = DIGEST_COST.saturating_add(CHECKPOINT as u64);
        let count = u64::from(self.checkpoints.count().unsigned_abs());
        if count.saturating_add(1).saturating_mul(cost) > MAX_ZTOC {
            return Err(ScanError::Limit {
                what: LimitKind::SpanBytes,
                limit: MAX_ZTOC,
            });
        }
        let history = self.at.saturating_sub(WINDOW)..self.at;
        self.checkpoints.push(Checkpoint {
            input: self.consumed,
            output: self.produced,
            bits,
            window: self.buffer.get(history).unwrap_or_default(),
        });
        self.last = self.produced;
        let shared = u64::from(bits != 0);
        starts.push(SpanStart {
            start: self.consumed.saturating_sub(shared),
            previous_end: self.consumed,
        });
        Ok(())
    }

    fn damaged(&self, error: InflateError) -> ScanError {
        match error {
            InflateError::Memory => ScanError::OutOfMemory,
            InflateError::Data(reason) => ScanError::GzipData {
                offset: self.consumed,
                reason,
            },
        }
    }
}
