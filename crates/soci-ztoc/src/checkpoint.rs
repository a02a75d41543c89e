//! The list of checkpoints, from which decompression can resume, as a ztoc stores it.
//!
//! The layout, little endian: `i32` count, `i64` span size, then for each checkpoint `i64`
//! compressed offset, `i64` uncompressed offset, `u8` unused bits and a 32 KiB window. An older
//! layout leaves out the first checkpoint, which then is (10, 0, 0, zeros). The two layouts can be
//! told apart only by the length of the list.

use crate::gzip::output::WINDOW_SIZE;

/// Bytes of the count and the span size.
const HEADER_SIZE: usize = 12;
/// Bytes of one checkpoint.
pub(crate) const CHECKPOINT_SIZE: usize = 8 + 8 + 1 + WINDOW_SIZE;
/// Length of a gzip header without optional fields, which is where the first checkpoint of the
/// older layout lies.
const PLAIN_GZIP_HEADER: u64 = 10;

/// A position after a gzip header or between two deflate blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Checkpoint<'a> {
    /// Compressed offset of the first byte that is not consumed at all.
    pub(crate) input: u64,
    /// Uncompressed offset.
    pub(crate) output: u64,
    /// Number of high bits, 0 to 7, of the byte before `input` that are not consumed.
    pub(crate) unused_bits: u8,
    /// The 32 KiB of output before `output`, with zeros in front if there is less output. May be
    /// empty if `output` is 0.
    pub(crate) window: &'a [u8],
}

/// Builds a list in stored form, so that no window is in memory twice.
#[derive(Debug)]
pub(crate) struct CheckpointWriter {
    bytes: Vec<u8>,
    count: i32,
}

impl CheckpointWriter {
    pub(crate) fn new(span_size: i64) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_SIZE.saturating_add(CHECKPOINT_SIZE));
        bytes.extend_from_slice(&0_i32.to_le_bytes());
        bytes.extend_from_slice(&span_size.to_le_bytes());
        Self { bytes, count: 0 }
    }

    /// Reserves memory for `count` checkpoints, so that the list is not copied when it grows. If
    /// there is not enough memory, nothing is reserved.
    pub(crate) fn reserve_for(&mut self, count: usize) {
        let bytes = count.saturating_mul(CHECKPOINT_SIZE);
        drop(self.bytes.try_reserve_exact(bytes));
    }

    /// Returns the number of checkpoints.
    pub(crate) const fn count(&self) -> i32 {
        self.count
    }

    /// Adds a checkpoint, whose window must be 32 KiB long.
    pub(crate) fn push(&mut self, checkpoint: Checkpoint<'_>) {
        self.bytes
            .extend_from_slice(&checkpoint.input.to_le_bytes());
        self.bytes
            .extend_from_slice(&checkpoint.output.to_le_bytes());
        self.bytes.push(checkpoint.unused_bits);
        self.bytes.extend_from_slice(checkpoint.window);
        self.count = self.count.saturating_add(1);
    }

    /// Drops every second checkpoint, and keeps the first.
    pub(crate) fn thin(&mut self) {
        let records = self.bytes.split_off(HEADER_SIZE.min(self.bytes.len()));
        self.count = 0;
        for record in records.chunks_exact(CHECKPOINT_SIZE).step_by(2) {
            self.bytes.extend_from_slice(record);
            self.count = self.count.saturating_add(1);
        }
    }

    /// Returns the list in stored form.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        if let Some(count) = self.bytes.first_chunk_mut::<4>() {
            *count = self.count.to_le_bytes();
        }
        self.bytes
    }
}

/// A list in stored form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointList<'a> {
    /// Number of checkpoints, including an implied one.
    pub(crate) count: u32,
    /// The span size in bytes that the ztoc was built with.
    pub(crate) span_size: i64,
    records: &'a [u8],
    first_is_implied: bool,
}

impl<'a> CheckpointList<'a> {
    /// Parses a list. Returns `None` if its length does not fit the count in it.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let (span_size, records) = rest.split_first_chunk::<8>()?;
        let count = u32::try_from(i32::from_le_bytes(*count)).ok()?;
        let stored = records.len().checked_div(CHECKPOINT_SIZE)?;
        if !records.len().is_multiple_of(CHECKPOINT_SIZE) {
            return None;
        }
        let first_is_implied = match (count as usize).checked_sub(stored)? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self {
            count,
            span_size: i64::from_le_bytes(*span_size),
            records,
            first_is_implied,
        })
    }

    /// Returns whether the list has the older layout, which leaves out the first checkpoint.
    pub(crate) const fn first_is_implied(&self) -> bool {
        self.first_is_implied
    }

    /// Returns the checkpoints in order, with `None` in place of one that holds impossible numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<Checkpoint<'a>>> + use<'a> {
        let implied = self.first_is_implied.then_some(Some(Checkpoint {
            input: PLAIN_GZIP_HEADER,
            output: 0,
            unused_bits: 0,
            window: &[],
        }));
        let stored = self.records.chunks_exact(CHECKPOINT_SIZE);
        implied.into_iter().chain(stored.map(parse_checkpoint))
    }

    /// Returns the checkpoint at an index. Returns `None` if the index is out of range or the
    /// checkpoint holds impossible numbers.
    pub(crate) fn get(&self, index: usize) -> Option<Checkpoint<'a>> {
        let skipped = usize::from(self.first_is_implied);
        let Some(index) = index.checked_sub(skipped) else {
            return self.iter().next().flatten();
        };
        let start = index.checked_mul(CHECKPOINT_SIZE)?;
        let end = start.checked_add(CHECKPOINT_SIZE)?;
        parse_checkpoint(self.records.get(start..end)?)
    }
}

fn parse_checkpoint(record: &[u8]) -> Option<Checkpoint<'_>> {
    let (input, rest) = record.split_first_chunk::<8>()?;
    let (output, rest) = rest.split_first_chunk::<8>()?;
    let (&unused_bits, window) = rest.split_first()?;
    let input = u64::try_from(i64::from_le_bytes(*input)).ok()?;
    let output = u64::try_from(i64::from_le_bytes(*output)).ok()?;
    // Unused bits belong to the byte before `input`, so there must be one.
    let is_possible = unused_bits < 8 && (unused_bits == 0 || input > 0);
    is_possible.then_some(Checkpoint {
        input,
        output,
        unused_bits,
        window,
    })
}
