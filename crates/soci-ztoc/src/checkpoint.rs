//! The list of points from which inflation can resume, as a ztoc stores it.
//!
//! Layout, little endian: `i32` count, `i64` span size, then for each checkpoint `i64` compressed
//! offset, `i64` uncompressed offset, `u8` unused bits, 32 KiB window. An older layout leaves out
//! the first checkpoint, which then is (10, 0, 0, zeros); only the length tells them apart.

use crate::gzip::inflate::WINDOW;

/// Bytes of the count and the span size.
const HEAD: usize = 12;
/// Bytes of one checkpoint.
pub(crate) const CHECKPOINT: usize = 8 + 8 + 1 + WINDOW;
/// Length of a gzip header without options, where the first checkpoint of old lists is.
const PLAIN_GZIP_HEADER: u64 = 10;

/// A point between deflate blocks, or after a gzip header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Checkpoint<'a> {
    /// Bytes from the start of the layer to the first byte not yet consumed.
    pub(crate) input: u64,
    /// Bytes from the start of the tar.
    pub(crate) output: u64,
    /// Unused high bits of the byte before `input`, 0 to 7.
    pub(crate) bits: u8,
    /// The output before `output`, padded with zeros in front to 32 KiB; may be empty where
    /// `output` is 0.
    pub(crate) window: &'a [u8],
}

/// Builds a list in its final form, so that no window is held twice.
#[derive(Debug)]
pub(crate) struct CheckpointWriter {
    bytes: Vec<u8>,
    count: i32,
}

impl CheckpointWriter {
    pub(crate) fn new(span_size: i64) -> Self {
        let mut bytes = Vec::with_capacity(HEAD.saturating_add(CHECKPOINT));
        bytes.extend_from_slice(&0_i32.to_le_bytes());
        bytes.extend_from_slice(&span_size.to_le_bytes());
        Self { bytes, count: 0 }
    }

    /// Sets memory aside for so many checkpoints, so that the list need not move when it grows. Where there is not so much
    /// memory, it grows as it must.
    pub(crate) fn expect(&mut self, count: usize) {
        let bytes = count.saturating_mul(CHECKPOINT);
        drop(self.bytes.try_reserve_exact(bytes));
    }

    /// How many checkpoints there are.
    pub(crate) const fn count(&self) -> i32 {
        self.count
    }

    /// Adds a checkpoint whose window must be of full length.
    pub(crate) fn push(&mut self, checkpoint: Checkpoint<'_>) {
        self.bytes
            .extend_from_slice(&checkpoint.input.to_le_bytes());
        self.bytes
            .extend_from_slice(&checkpoint.output.to_le_bytes());
        self.bytes.push(checkpoint.bits);
        self.bytes.extend_from_slice(checkpoint.window);
        self.count = self.count.saturating_add(1);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        if let Some(count) = self.bytes.first_chunk_mut::<4>() {
            *count = self.count.to_le_bytes();
        }
        self.bytes
    }
}

/// A stored list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointList<'a> {
    /// How many there are, the implied one included.
    pub(crate) count: u32,
    /// The span size in bytes that the builder was given.
    pub(crate) span_size: i64,
    records: &'a [u8],
    first_is_implied: bool,
}

impl<'a> CheckpointList<'a> {
    /// Reads a list whose length fits its count.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let (span_size, records) = rest.split_first_chunk::<8>()?;
        let count = u32::try_from(i32::from_le_bytes(*count)).ok()?;
        let stored = records.len().checked_div(CHECKPOINT)?;
        if !records.len().is_multiple_of(CHECKPOINT) {
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

    /// Says whether the list is of the older layout, which leaves out the first checkpoint.
    pub(crate) const fn first_is_implied(&self) -> bool {
        self.first_is_implied
    }

    /// Returns the checkpoints in order, `None` for one that holds impossible numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<Checkpoint<'a>>> + use<'a> {
        let implied = self.first_is_implied.then_some(Some(Checkpoint {
            input: PLAIN_GZIP_HEADER,
            output: 0,
            bits: 0,
            window: &[],
        }));
        let stored = self.records.chunks_exact(CHECKPOINT).map(parse_one);
        implied.into_iter().chain(stored)
    }

    /// Returns one checkpoint.
    pub(crate) fn get(&self, index: usize) -> Option<Checkpoint<'a>> {
        let skipped = usize::from(self.first_is_implied);
        let Some(index) = index.checked_sub(skipped) else {
            return self.iter().next().flatten();
        };
        let start = index.checked_mul(CHECKPOINT)?;
        parse_one(self.records.get(start..start.checked_add(CHECKPOINT)?)?)
    }
}

fn parse_one(record: &[u8]) -> Option<Checkpoint<'_>> {
    let (input, rest) = record.split_first_chunk::<8>()?;
    let (output, rest) = rest.split_first_chunk::<8>()?;
    let (&bits, window) = rest.split_first()?;
    let input = u64::try_from(i64::from_le_bytes(*input)).ok()?;
    let output = u64::try_from(i64::from_le_bytes(*output)).ok()?;
    // A shared byte needs a byte to share.
    let possible = bits < 8 && (bits == 0 || input > 0);
    possible.then_some(Checkpoint {
        input,
        output,
        bits,
        window,
    })
}
