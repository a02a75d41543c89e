//! The code lengths at the start of a dynamic block (RFC 1951, section 3.2.7).
//!
//! They are themselves Huffman coded. That code, which the RFC calls the code length code, is
//! called the precode here.

use super::bits::{BitBuffer, low_mask};
use super::fault::DeflateFault;
use super::huffman::{self, Entry, IncompleteCode, PRECODE_BITS, PRECODE_ENTRIES};

/// Largest number of literal and length symbols that a block may use.
const MAX_LITERALS: usize = 286;
/// Largest number of distance symbols that a block may use.
const MAX_DISTANCES: usize = 30;
/// Symbols of the precode: the lengths 0 to 15, and three kinds of repetition.
const PRECODE_SYMBOLS: usize = 19;

/// The order in which the lengths of the precode are stored.
const PRECODE_ORDER: [u8; PRECODE_SYMBOLS] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// The code lengths of a block, as far as they were read.
#[derive(Debug)]
pub(crate) struct CodeLengths {
    part: Part,
    literal_count: usize,
    distance_count: usize,
    precode_count: usize,
    precode_symbols: [Entry; PRECODE_SYMBOLS],
    precode_lengths: [u8; PRECODE_SYMBOLS],
    precode_table: [Entry; PRECODE_ENTRIES],
    /// The lengths of literals, then those of distances.
    lengths: [u8; MAX_LITERALS + MAX_DISTANCES],
    /// Number of `lengths` that were read.
    known: usize,
}

/// What is read next.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// The numbers of symbols.
    Counts,
    /// A length of the precode.
    Precode { index: usize },
    /// A symbol of the precode.
    Lengths,
}

/// How far a call came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// What was to be read is complete.
    Complete,
    /// All input is used up; the call is to be repeated with more.
    InputExhausted,
}

impl CodeLengths {
    pub(crate) fn new() -> Self {
        Self {
            part: Part::Counts,
            literal_count: 0,
            distance_count: 0,
            precode_count: 0,
            precode_symbols: huffman::precode_symbols(),
            precode_lengths: [0; PRECODE_SYMBOLS],
            precode_table: [Entry::INVALID; PRECODE_ENTRIES],
            lengths: [0; MAX_LITERALS + MAX_DISTANCES],
            known: 0,
        }
    }

    /// Prepares for the code lengths of another block.
    pub(crate) fn restart(&mut self) {
        self.part = Part::Counts;
        self.precode_lengths = [0; PRECODE_SYMBOLS];
        self.known = 0;
    }

    /// Returns the lengths of literals and those of distances, once all are read.
    pub(crate) fn by_alphabet(&self) -> (&[u8], &[u8]) {
        let lengths = self.lengths.get(..self.known).unwrap_or_default();
        lengths
            .split_at_checked(self.literal_count)
            .unwrap_or_default()
    }

    /// Continues to read the code lengths of a block.
    pub(crate) fn read_from(
        &mut self,
        bits: &mut BitBuffer,
        input: &mut &[u8],
    ) -> Result<Progress, DeflateFault> {
        loop {
            let progress = match self.part {
                Part::Counts => self.read_counts(bits, input)?,
                Part::Precode { index } => self.read_precode(index, bits, input)?,
                Part::Lengths => return self.read_lengths(bits, input),
            };
            if progress == Progress::InputExhausted {
                return Ok(progress);
            }
        }
    }

    fn read_counts(
        &mut self,
        bits: &mut BitBuffer,
        input: &mut &[u8],
    ) -> Result<Progress, DeflateFault> {
        bits.refill(input);
        let Some(counts) = bits.take_bits(14) else {
            return Ok(Progress::InputExhausted);
        };
        self.literal_count = (counts & 31).wrapping_add(257) as usize;
        self.distance_count = (counts >> 5 & 31).wrapping_add(1) as usize;
        self.precode_count = (counts >> 10).wrapping_add(4) as usize;
        if self.literal_count > MAX_LITERALS || self.distance_count > MAX_DISTANCES {
            return Err(DeflateFault::SymbolCounts);
        }
        self.part = Part::Precode { index: 0 };
        Ok(Progress::Complete)
    }

    fn read_precode(
        &mut self,
        mut index: usize,
        bits: &mut BitBuffer,
        input: &mut &[u8],
    ) -> Result<Progress, DeflateFault> {
        while index < self.precode_count {
            bits.refill(input);
            let Some(length) = bits.take_bits(3) else {
                self.part = Part::Precode { index };
                return Ok(Progress::InputExhausted);
            };
            let symbol = PRECODE_ORDER.get(index).copied().map(usize::from);
            if let Some(slot) = symbol.and_then(|symbol| self.precode_lengths.get_mut(symbol)) {
                *slot = u8::try_from(length).unwrap_or(0);
            }
            index = index.wrapping_add(1);
        }
        huffman::build_table(
            &mut self.precode_table,
            PRECODE_BITS,
            &self.precode_symbols,
            &self.precode_lengths,
        )
        .map_err(|IncompleteCode| DeflateFault::Precode)?;
        self.part = Part::Lengths;
        Ok(Progress::Complete)
    }

    fn read_lengths(
        &mut self,
        bits: &mut BitBuffer,
        input: &mut &[u8],
    ) -> Result<Progress, DeflateFault> {
        let total = self.literal_count.saturating_add(self.distance_count);
        while self.known < total {
            bits.refill(input);
            let index = bits.buffer & low_mask(PRECODE_BITS);
            let code = huffman::entry_at(&self.precode_table, index);
            let symbol = code.value(0);
            let (extra_bits, base_count) = match symbol {
                16 => (2, 3),
                17 => (3, 3_u32),
                18 => (7, 11),
                _ => (0, 1),
            };
            if bits.count < code.bit_count().saturating_add(extra_bits) {
                return Ok(Progress::InputExhausted);
            }
            bits.consume(code.bit_count());
            let extra = bits.take_bits(extra_bits).unwrap_or(0);
            self.push_lengths(symbol, base_count.saturating_add(extra), total)?;
        }
        Ok(Progress::Complete)
    }

    /// Appends `count` lengths of the value that a precode symbol means. No more than `total`
    /// lengths are allowed.
    fn push_lengths(
        &mut self,
        symbol: usize,
        count: u32,
        total: usize,
    ) -> Result<(), DeflateFault> {
        let length = match symbol {
            0..16 => u8::try_from(symbol).unwrap_or(0),
            16 => {
                let last = self.known.checked_sub(1);
                let last = last.and_then(|last| self.lengths.get(last));
                *last.ok_or(DeflateFault::Repeat)?
            }
            _ => 0,
        };
        let end = self.known.saturating_add(count as usize);
        if end > total {
            return Err(DeflateFault::Repeat);
        }
        let slots = self.lengths.get_mut(self.known..end);
        slots.ok_or(DeflateFault::Repeat)?.fill(length);
        self.known = end;
        Ok(())
    }
}
