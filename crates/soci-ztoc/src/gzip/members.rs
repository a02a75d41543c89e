//! Walks the members of a gzip file, keeps history, and records checkpoints.

use crc32fast::Hasher;
use zlib_rs::adler32::adler32;

use super::deflate::{Deflate, Output, Stop, WINDOW};
use super::header::HeaderCheck;
use super::inflate::{self, InflateError, Inflater, Pace};
use crate::checkpoint::{CHECKPOINT, Checkpoint, CheckpointWriter};
use crate::error::ScanError;
use crate::limits::{Limits, SPAN_DIGEST_COST, check_span_count, check_uncompressed_size};
use crate::span::SpanStart;
use crate::tar::reader::TarReader;

/// How much larger the tar of a layer mostly is than the layer, at most.
const USUAL_RATIO: u64 = 4;

/// What is set aside for checkpoints at most, in bytes: nobody vouches for the size of a layer before it is read.
const MAX_EXPECTED: u64 = 256 << 20;

/// The first byte of a gzip member.
const GZIP: u8 = 0x1f;

/// Output between two moves of the history. Large enough that moving 32 KiB costs little, small
/// enough that all of it stays in the second-level cache.
const OUTPUT: usize = 256 * 1024;

/// Inflates a layer and looks for the places where spans start.
#[derive(Debug)]
pub(crate) struct Members {
    /// Reads the headers alone.
    header: Inflater,
    body: Deflate,
    /// 32 KiB of history, then room for output.
    buffer: Box<[u8]>,
    /// Where the next output goes; at least [`WINDOW`].
    at: usize,
    /// Bytes before `at` that belong to this member, as far as the buffer holds them.
    history: usize,
    stage: Stage,
    checksum: Checksum,
    /// Position of the member in the file, from 0.
    member: u64,
    /// Compressed offset where the member starts.
    member_start: u64,
    /// Uncompressed bytes produced, over all members.
    produced: u64,
    /// `produced` where the member starts.
    member_produced: u64,
    /// `produced` at the last checkpoint.
    last: u64,
    span_size: u64,
    checkpoints: CheckpointWriter,
    max_uncompressed: u64,
}

#[derive(Debug)]
enum Stage {
    /// In a header, as far as it was seen; nothing once it was found wanting.
    Header(Option<HeaderCheck>),
    /// In the blocks.
    Body,
    /// In the checksum behind them.
    Checksum,
    /// In the length behind that of a gzip member.
    Length,
    /// Between members: the file may end here.
    Between,
}

/// The checksum over a member's output so far.
#[derive(Debug)]
enum Checksum {
    /// That of gzip (RFC 1952, section 2.3.1).
    Crc32(Hasher),
    /// That of zlib (RFC 1950, section 2.2).
    Adler32(u32),
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
        let header = Inflater::detect().ok().ok_or(ScanError::OutOfMemory)?;
        Ok(Self {
            header,
            body: Deflate::new(),
            buffer: vec![0; WINDOW.saturating_add(OUTPUT)].into_boxed_slice(),
            at: WINDOW,
            history: 0,
            stage: Stage::Header(Some(HeaderCheck::new())),
            checksum: Checksum::of(GZIP),
            member: 0,
            member_start: 0,
            produced: 0,
            member_produced: 0,
            last: 0,
            span_size: span_size.unsigned_abs(),
            checkpoints: CheckpointWriter::new(span_size),
            max_uncompressed: limits.uncompressed_bytes,
        })
    }

    /// Prepares for `compressed` bytes in all, as a layer mostly has them.
    pub(crate) fn expect(&mut self, compressed: u64) {
        let output = compressed.saturating_mul(USUAL_RATIO);
        let count = output.checked_div(self.span_size).unwrap_or(0);
        let most = MAX_EXPECTED.checked_div(CHECKPOINT as u64).unwrap_or(0);
        let count = usize::try_from(count.min(most)).unwrap_or(0);
        self.checkpoints.expect(count);
    }

    /// Inflates the next bytes, hands the output on, and adds the spans that start in them.
    pub(crate) fn feed(
        &mut self,
        mut input: &[u8],
        tar: &mut TarReader,
        starts: &mut Vec<SpanStart>,
    ) -> Result<(), ScanError> {
        loop {
            let goes_on = match &self.stage {
                Stage::Header(_) => self.header(&mut input, tar, starts)?,
                Stage::Body => self.body(&mut input, tar, starts)?,
                Stage::Checksum => self.checksum(&mut input)?,
                Stage::Length => self.length(&mut input)?,
                Stage::Between => {
                    let more = !self.body.bits.is_empty() || !input.is_empty();
                    if more {
                        self.next_member()?;
                    }
                    more
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Declares the end of the file.
    pub(crate) fn finish(self) -> Result<Walked, ScanError> {
        if !matches!(self.stage, Stage::Between) {
            return Err(ScanError::GzipData {
                offset: self.consumed(),
                reason: "file ends within a gzip member".to_owned(),
            });
        }
        Ok(Walked {
            compressed_size: self.consumed(),
            count: self.checkpoints.count(),
            checkpoints: self.checkpoints.finish(),
        })
    }

    fn next_member(&mut self) -> Result<(), ScanError> {
        let reset = self.header.reset_detect();
        reset.map_err(|error| self.unreadable(error))?;
        self.stage = Stage::Header(Some(HeaderCheck::new()));
        self.history = 0;
        self.member = self.member.saturating_add(1);
        self.member_start = self.consumed();
        self.member_produced = self.produced;
        Ok(())
    }

    /// Compressed bytes consumed.
    fn consumed(&self) -> u64 {
        self.body.bits.consumed()
    }

    /// Reads on in a header. Returns whether more can be done, here as in the functions below.
    fn header(
        &mut self,
        input: &mut &[u8],
        tar: &mut TarReader,
        starts: &mut Vec<SpanStart>,
    ) -> Result<bool, ScanError> {
        let held = self.body.bits.bytes();
        let source = if held.is_empty() { *input } else { &held };
        if source.is_empty() {
            return Ok(false);
        }
        let result = self.header.run(source, &mut [], Pace::Blocks);
        let step = result.map_err(|error| self.unreadable(error))?;
        let used = source.get(..step.consumed).unwrap_or_default();
        if let (true, Some(&first)) = (self.consumed() == self.member_start, used.first()) {
            self.checksum = Checksum::of(first);
        }
        self.check_header(used, tar);
        if held.is_empty() {
            self.body.bits.pass(input, step.consumed);
        } else {
            self.body.bits.drop_bytes(step.consumed);
        }
        if let inflate::Stop::Boundary { .. } = step.stop {
            self.stage = Stage::Body;
            self.body.restart();
            self.consider_checkpoint(starts)?;
        }
        Ok(true)
    }

    fn check_header(&mut self, bytes: &[u8], tar: &mut TarReader) {
        if let Stage::Header(check) = &mut self.stage
            && let Some(Err(fault)) = check.as_mut().map(|check| check.feed(bytes))
        {
            *check = None;
            tar.break_off(ScanError::GzipHeader {
                member: self.member,
                offset: self.member_start,
                fault,
            });
        }
    }

    /// Inflates up to the next stop.
    fn body(
        &mut self,
        input: &mut &[u8],
        tar: &mut TarReader,
        starts: &mut Vec<SpanStart>,
    ) -> Result<bool, ScanError> {
        let mut output = Output {
            buffer: &mut self.buffer,
            at: self.at,
            history: self.history,
        };
        let stop = self.body.run(input, &mut output);
        let (from, to) = (self.at, output.at);
        (self.at, self.history) = (to, output.history);
        let stop = stop.map_err(|fault| self.damaged(&fault))?;
        let new = self.buffer.get(from..to).unwrap_or_default();
        self.checksum.add(new);
        tar.feed(new);
        self.produced = self.produced.saturating_add(new.len() as u64);
        check_uncompressed_size(self.produced, self.max_uncompressed)?;
        match stop {
            Stop::Starved => return Ok(false),
            Stop::Full => self.move_history(),
            Stop::Boundary => self.consider_checkpoint(starts)?,
            Stop::End => {
                self.body.bits.align();
                self.stage = Stage::Checksum;
            }
        }
        Ok(true)
    }

    fn checksum(&mut self, input: &mut &[u8]) -> Result<bool, ScanError> {
        let Some(stored) = self.body.bits.take_word(input) else {
            return Ok(false);
        };
        let (is_right, next) = match &self.checksum {
            Checksum::Crc32(sum) => (stored == sum.clone().finalize(), Stage::Length),
            Checksum::Adler32(sum) => (stored.swap_bytes() == *sum, Stage::Between),
        };
        if !is_right {
            return Err(self.damaged(&"incorrect data check"));
        }
        self.stage = next;
        Ok(true)
    }

    fn length(&mut self, input: &mut &[u8]) -> Result<bool, ScanError> {
        let Some(stored) = self.body.bits.take_word(input) else {
            return Ok(false);
        };
        let length = self.produced.saturating_sub(self.member_produced);
        if u64::from(stored) != length & u64::from(u32::MAX) {
            return Err(self.damaged(&"incorrect length check"));
        }
        self.stage = Stage::Between;
        Ok(true)
    }

    /// Makes room for output behind the last 32 KiB.
    fn move_history(&mut self) {
        let start = self.at.saturating_sub(WINDOW);
        self.buffer.copy_within(start..self.at, 0);
        self.at = WINDOW;
        self.history = self.history.min(WINDOW);
    }

    /// Records a checkpoint at this boundary if one is due: always before the first output, then
    /// at the first boundary that lies more than a span after the last checkpoint.
    fn consider_checkpoint(&mut self, starts: &mut Vec<SpanStart>) -> Result<(), ScanError> {
        let since = self.produced.saturating_sub(self.last);
        if self.produced > 0 && since <= self.span_size {
            return Ok(());
        }
        let cost = SPAN_DIGEST_COST.saturating_add(CHECKPOINT as u64);
        let count = u64::from(self.checkpoints.count().unsigned_abs());
        check_span_count(count.saturating_add(1), cost)?;
        let (input, bits) = (self.consumed(), self.body.bits.unused());
        let history = self.at.saturating_sub(WINDOW)..self.at;
        self.checkpoints.push(Checkpoint {
            input,
            output: self.produced,
            bits,
            window: self.buffer.get(history).unwrap_or_default(),
        });
        self.last = self.produced;
        let shared = u64::from(bits != 0);
        starts.push(SpanStart {
            start: input.saturating_sub(shared),
            previous_end: input,
        });
        Ok(())
    }

    fn unreadable(&self, error: InflateError) -> ScanError {
        match error {
            InflateError::Memory => ScanError::OutOfMemory,
            InflateError::Data(reason) => self.damaged(&reason),
        }
    }

    fn damaged(&self, reason: &impl ToString) -> ScanError {
        ScanError::GzipData {
            offset: self.consumed(),
            reason: reason.to_string(),
        }
    }
}

impl Checksum {
    /// Returns the one for a stream that starts with this byte, before any output.
    fn of(first: u8) -> Self {
        match first {
            GZIP => Self::Crc32(Hasher::new()),
            _ => Self::Adler32(1),
        }
    }

    fn add(&mut self, output: &[u8]) {
        match self {
            Self::Crc32(sum) => sum.update(output),
            Self::Adler32(sum) => *sum = adler32(*sum, output),
        }
    }
}
