//! Walks the members of a gzip layer, keeps the history of the output, and records checkpoints.

use super::checksum::{Checksum, GZIP_ID1};
use super::deflate::DeflateDecoder;
use super::event::GzipEvent;
use super::header::HeaderCheck;
use super::output::{OutputBuffer, Stop, WINDOW_SIZE};
use super::zlib::{StopAt, ZlibError, ZlibInflater, ZlibStop};
use crate::checkpoint::{CHECKPOINT_SIZE, Checkpoint, CheckpointWriter};
use crate::error::ScanError;
use crate::limits::{Limits, SPAN_DIGEST_COST, check_span_count, check_uncompressed_size};
use crate::span::SpanStart;

/// Ratio of uncompressed to compressed size that most layers do not exceed.
const USUAL_RATIO: u64 = 4;

/// Most bytes reserved for checkpoints in advance, since the size of a layer is only a manifest's
/// claim until the layer was read.
const MAX_RESERVATION: u64 = 256 << 20;

/// The second byte of a gzip member (RFC 1952, section 2.3.1).
const GZIP_ID2: u8 = 0x8b;

/// Bytes of output between two moves of the history. Large enough that moving 32 KiB costs
/// little, small enough that all of it stays in the second-level cache.
const OUTPUT_SIZE: usize = 256 * 1024;

/// Decompresses a layer, and decides where spans start.
#[derive(Debug)]
pub(crate) struct GzipScanner {
    /// Reads the headers only.
    header: ZlibInflater,
    decoder: DeflateDecoder,
    /// 32 KiB of history, then room for output.
    buffer: Box<[u8]>,
    /// Index in `buffer` of the next output byte; at least [`WINDOW_SIZE`].
    position: usize,
    /// Number of bytes before `position` that belong to this member, as far as `buffer` holds
    /// them.
    history: usize,
    stage: Stage,
    checksum: Checksum,
    /// Number of the member in the layer, from 0.
    member: u64,
    /// Compressed offset of the start of the member.
    member_start: u64,
    /// The first two bytes of the member, as far as they have arrived.
    member_id: [Option<u8>; 2],
    /// Uncompressed bytes produced so far, over all members.
    produced: u64,
    /// Value of `produced` at the start of the member.
    member_produced: u64,
    /// Value of `produced` at the last checkpoint.
    checkpoint_produced: u64,
    span_size: u64,
    pub(crate) checkpoints: CheckpointWriter,
    /// The number of checkpoints at which every second one is dropped, if they are not those of a
    /// ztoc.
    max_checkpoints: Option<i32>,
    /// Whether block starts are reported instead of recorded as checkpoints.
    reports_block_starts: bool,
    max_uncompressed: u64,
}

/// The part of a member that is read next.
#[derive(Debug)]
enum Stage {
    /// The header. `None` if the check has failed, which is reported only once.
    Header(Option<HeaderCheck>),
    /// The deflate blocks.
    Body,
    /// The checksum after the blocks.
    Checksum,
    /// The length after the checksum of a gzip member.
    Length,
    /// The start of another member; the layer may end here.
    BetweenMembers,
}

/// What the scan of a whole layer found.
#[derive(Debug)]
pub(crate) struct GzipSummary {
    /// The list of checkpoints in stored form.
    pub(crate) checkpoints: Vec<u8>,
    /// Number of checkpoints, which is the number of spans.
    pub(crate) span_count: i32,
    /// Size of the layer in bytes.
    pub(crate) compressed_size: u64,
}

impl GzipScanner {
    pub(crate) fn new(span_size: i64, limits: Limits) -> Result<Self, ScanError> {
        let header = ZlibInflater::with_header().ok();
        Ok(Self {
            header: header.ok_or(ScanError::OutOfMemory)?,
            decoder: DeflateDecoder::new(),
            buffer: vec![0; WINDOW_SIZE.saturating_add(OUTPUT_SIZE)].into_boxed_slice(),
            position: WINDOW_SIZE,
            history: 0,
            stage: Stage::Header(Some(HeaderCheck::new())),
            checksum: Checksum::for_first_byte(GZIP_ID1),
            member: 0,
            member_start: 0,
            member_id: [None; 2],
            produced: 0,
            member_produced: 0,
            checkpoint_produced: 0,
            span_size: span_size.unsigned_abs(),
            checkpoints: CheckpointWriter::new(span_size),
            max_checkpoints: None,
            reports_block_starts: false,
            max_uncompressed: limits.uncompressed_bytes,
        })
    }

    /// Bounds the number of checkpoints: each time that it reaches `max`, every second one is
    /// dropped and the span size doubles. They are then not those of a ztoc.
    pub(crate) const fn with_max_checkpoints(mut self, max: i32) -> Self {
        self.max_checkpoints = Some(max);
        self
    }

    /// Reports each start of a deflate block, and records no checkpoints.
    pub(crate) const fn reporting_block_starts(mut self) -> Self {
        self.reports_block_starts = true;
        self
    }

    /// Reserves memory for the checkpoints that a layer of this compressed size usually has.
    pub(crate) fn reserve_for(&mut self, compressed_size: u64) {
        let uncompressed_size = compressed_size.saturating_mul(USUAL_RATIO);
        let count = uncompressed_size.checked_div(self.span_size).unwrap_or(0);
        let limit = MAX_RESERVATION.checked_div(CHECKPOINT_SIZE as u64);
        let count = usize::try_from(count.min(limit.unwrap_or(0))).unwrap_or(0);
        self.checkpoints.reserve_for(count);
    }

    /// Reads the next bytes of the layer, and passes what it finds to `sink`.
    pub(crate) fn feed(
        &mut self,
        mut input: &[u8],
        mut sink: impl FnMut(GzipEvent<'_>),
    ) -> Result<(), ScanError> {
        loop {
            let continues = match &self.stage {
                Stage::Header(_) => self.read_header(&mut input, &mut sink)?,
                Stage::Body => self.decode_body(&mut input, &mut sink)?,
                Stage::Checksum => self.verify_checksum(&mut input)?,
                Stage::Length => self.verify_length(&mut input)?,
                Stage::BetweenMembers => {
                    let has_input = !self.decoder.bits.is_empty() || !input.is_empty();
                    if has_input {
                        self.start_member()?;
                    }
                    has_input
                }
            };
            if !continues {
                return Ok(());
            }
        }
    }

    /// Declares the end of the layer.
    pub(crate) fn finish(self) -> Result<GzipSummary, ScanError> {
        if !matches!(self.stage, Stage::BetweenMembers) {
            return Err(self.data_error(&"file ends within a gzip member"));
        }
        Ok(GzipSummary {
            compressed_size: self.bytes_consumed(),
            span_count: self.checkpoints.count(),
            checkpoints: self.checkpoints.into_bytes(),
        })
    }

    /// Returns the checkpoints so far in stored form, wherever the stream is.
    pub(crate) fn into_checkpoints(self) -> Vec<u8> {
        self.checkpoints.into_bytes()
    }

    fn start_member(&mut self) -> Result<(), ScanError> {
        let reset = self.header.reset_with_header();
        reset.map_err(|error| self.zlib_error(error))?;
        self.stage = Stage::Header(Some(HeaderCheck::new()));
        self.history = 0;
        self.member = self.member.saturating_add(1);
        self.member_start = self.bytes_consumed();
        self.member_id = [None; 2];
        self.member_produced = self.produced;
        Ok(())
    }

    /// Returns the number of compressed bytes used so far.
    fn bytes_consumed(&self) -> u64 {
        self.decoder.bits.bytes_consumed()
    }

    /// Continues to read a header. Returns whether there is more to do with this input, as the
    /// functions of the other stages do.
    fn read_header(
        &mut self,
        input: &mut &[u8],
        sink: &mut impl FnMut(GzipEvent<'_>),
    ) -> Result<bool, ScanError> {
        let buffered = self.decoder.bits.buffered_bytes();
        let source = if buffered.is_empty() {
            *input
        } else {
            &buffered
        };
        if source.is_empty() {
            return Ok(false);
        }
        let before = self.bytes_consumed().saturating_sub(self.member_start);
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        for (id, &byte) in self.member_id.iter_mut().skip(before).zip(source) {
            *id = Some(byte);
        }
        let step = self.header.run(source, &mut [], StopAt::BlockEnd);
        let step = step.map_err(|error| self.zlib_error(error))?;
        let used = source.get(..step.consumed).unwrap_or_default();
        if let (0, Some(&first)) = (before, used.first()) {
            self.checksum = Checksum::for_first_byte(first);
        }
        self.check_header(used, sink);
        if buffered.is_empty() {
            self.decoder.bits.skip_input(input, step.consumed);
        } else {
            self.decoder.bits.consume_bytes(step.consumed);
        }
        if let ZlibStop::BlockEnd { .. } = step.stop {
            self.stage = Stage::Body;
            self.decoder.start_stream();
            self.record_checkpoint_if_due(sink)?;
        }
        Ok(true)
    }

    fn check_header(&mut self, bytes: &[u8], sink: &mut impl FnMut(GzipEvent<'_>)) {
        if let Stage::Header(check) = &mut self.stage
            && let Some(Err(fault)) = check.as_mut().map(|check| check.feed(bytes))
        {
            *check = None;
            sink(GzipEvent::HeaderFault(ScanError::GzipHeader {
                member: self.member,
                offset: self.member_start,
                fault,
            }));
        }
    }

    /// Decodes blocks until the decoder stops.
    fn decode_body(
        &mut self,
        input: &mut &[u8],
        sink: &mut impl FnMut(GzipEvent<'_>),
    ) -> Result<bool, ScanError> {
        let mut output = OutputBuffer {
            bytes: &mut self.buffer,
            position: self.position,
            history: self.history,
        };
        let stop = self.decoder.run(input, &mut output);
        let (start, end) = (self.position, output.position);
        (self.position, self.history) = (end, output.history);
        let stop = stop.map_err(|fault| self.data_error(&fault))?;
        let new = self.buffer.get(start..end).unwrap_or_default();
        self.checksum.update(new);
        sink(GzipEvent::Output(new));
        self.produced = self.produced.saturating_add(new.len() as u64);
        check_uncompressed_size(self.produced, self.max_uncompressed)?;
        match stop {
            Stop::InputExhausted => return Ok(false),
            Stop::OutputFull => self.move_history(),
            Stop::BlockEnd => self.record_checkpoint_if_due(sink)?,
            Stop::StreamEnd => {
                self.decoder.bits.align_to_byte();
                self.stage = Stage::Checksum;
            }
        }
        Ok(true)
    }

    fn verify_checksum(&mut self, input: &mut &[u8]) -> Result<bool, ScanError> {
        let Some(stored) = self.decoder.bits.take_u32(input) else {
            return Ok(false);
        };
        let (is_equal, next) = match &self.checksum {
            Checksum::Crc32(sum) => (stored == sum.clone().finalize(), Stage::Length),
            Checksum::Adler32(sum) => (stored.swap_bytes() == *sum, Stage::BetweenMembers),
        };
        if !is_equal {
            return Err(self.data_error(&"incorrect data check"));
        }
        self.stage = next;
        Ok(true)
    }

    fn verify_length(&mut self, input: &mut &[u8]) -> Result<bool, ScanError> {
        let Some(stored) = self.decoder.bits.take_u32(input) else {
            return Ok(false);
        };
        let length = self.produced.saturating_sub(self.member_produced);
        if u64::from(stored) != length & u64::from(u32::MAX) {
            return Err(self.data_error(&"incorrect length check"));
        }
        self.stage = Stage::BetweenMembers;
        Ok(true)
    }

    /// Moves the last 32 KiB to the front of the buffer, which makes room for output.
    fn move_history(&mut self) {
        let start = self.position.saturating_sub(WINDOW_SIZE);
        self.buffer.copy_within(start..self.position, 0);
        self.position = WINDOW_SIZE;
        self.history = self.history.min(WINDOW_SIZE);
    }

    /// Records a checkpoint at this block boundary if one is due: at each boundary before the
    /// first output, then at the first boundary more than a span size after the last checkpoint.
    fn record_checkpoint_if_due(
        &mut self,
        sink: &mut impl FnMut(GzipEvent<'_>),
    ) -> Result<(), ScanError> {
        if self.reports_block_starts {
            sink(GzipEvent::BlockStart(self.block_start()));
            return Ok(());
        }
        let since = self.produced.saturating_sub(self.checkpoint_produced);
        let is_near = match self.max_checkpoints {
            None => self.produced > 0,
            Some(_) => self.checkpoints.count() > 0,
        };
        if is_near && since <= self.span_size {
            return Ok(());
        }
        if self.max_checkpoints == Some(self.checkpoints.count()) {
            self.checkpoints.thin();
            self.span_size = self.span_size.saturating_mul(2);
        }
        let cost = SPAN_DIGEST_COST.saturating_add(CHECKPOINT_SIZE as u64);
        let count = u64::from(self.checkpoints.count().unsigned_abs());
        check_span_count(count.saturating_add(1), cost)?;
        let Checkpoint {
            input, unused_bits, ..
        } = self.block_start();
        let window = self.position.saturating_sub(WINDOW_SIZE)..self.position;
        self.checkpoints.push(Checkpoint {
            input,
            output: self.produced,
            unused_bits,
            window: self.buffer.get(window).unwrap_or_default(),
        });
        self.checkpoint_produced = self.produced;
        let shared = u64::from(unused_bits != 0);
        sink(GzipEvent::SpanStart(SpanStart {
            start: input.saturating_sub(shared),
            previous_end: input,
        }));
        Ok(())
    }

    /// Returns the checkpoint that can be recorded here, at the start of a block.
    fn block_start(&self) -> Checkpoint<'_> {
        let window = self.position.saturating_sub(WINDOW_SIZE)..self.position;
        Checkpoint {
            input: self.bytes_consumed(),
            output: self.produced,
            unused_bits: self.decoder.bits.unused_bits(),
            window: self.buffer.get(window).unwrap_or_default(),
        }
    }

    fn zlib_error(&self, error: ZlibError) -> ScanError {
        match error {
            ZlibError::OutOfMemory => ScanError::OutOfMemory,
            ZlibError::Data(reason) => self.data_error(&reason),
        }
    }

    /// Returns the error for data that cannot be decompressed. After the first member, data that
    /// does not even start as a gzip member is not a part of the stream.
    fn data_error(&self, reason: &impl ToString) -> ScanError {
        if let [Some(first), second] = self.member_id
            && self.member > 0
            && (first != GZIP_ID1 || second.is_some_and(|second| second != GZIP_ID2))
        {
            let offset = self.member_start;
            return ScanError::TrailingData { offset, first };
        }
        ScanError::GzipData {
            offset: self.bytes_consumed(),
            reason: reason.to_string(),
        }
    }
}
