//! The lengths of codes at the start of a dynamic block (RFC 1951, section 3.2.7).

use super::bits::{Bits, mask};
use super::deflate::DeflateFault;
use super::huffman::{self, Entry, NoCode, PRECODE_BITS, PRECODE_ENTRIES};

/// Most literals and lengths that a block may have, the end of the block included.
const LITERALS: usize = 286;
/// Most distances that a block may have.
const DISTANCES: usize = 30;
/// Symbols of the code that the lengths are written in: 16 lengths, and three kinds of repetition.
const PRECODES: usize = 19;

/// The order in which the lengths of the code lengths' code are stored (RFC 1951, section 3.2.7).
const PRECODE_ORDER: [u8; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// The lengths, as far as they were read.
#[derive(Debug)]
pub(crate) struct Lengths {
    part: Part,
    literals: usize,
    distances: usize,
    precodes: usize,
    symbols: [Entry; PRECODES],
    precode: [u8; PRECODES],
    table: [Entry; PRECODE_ENTRIES],
    /// Those of literals and lengths, then those of distances.
    all: [u8; LITERALS + DISTANCES],
    /// How many of these are known.
    known: usize,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// Before the numbers of symbols.
    Counts,
    /// Before a length of the code that the others are written in.
    Precode { index: usize },
    /// Before a length.
    Lengths,
}

/// How far a call came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// All is read.
    Complete,
    /// The input is used up.
    Starved,
}

impl Lengths {
    pub(crate) fn new() -> Self {
        Self {
            part: Part::Counts,
            literals: 0,
            distances: 0,
            precodes: 0,
            symbols: huffman::precode_symbols(),
            precode: [0; PRECODES],
            table: [Entry::INVALID; PRECODE_ENTRIES],
            all: [0; LITERALS + DISTANCES],
            known: 0,
        }
    }

    /// Goes back to the start of a block's lengths.
    pub(crate) fn restart(&mut self) {
        self.part = Part::Counts;
        self.precode = [0; PRECODES];
        self.known = 0;
    }

    /// Returns the lengths of literals and of distances, once all are read.
    pub(crate) fn of_codes(&self) -> (&[u8], &[u8]) {
        let read = self.all.get(..self.known).unwrap_or_default();
        read.split_at_checked(self.literals).unwrap_or_default()
    }

    /// Reads on.
    pub(crate) fn read(
        &mut self,
        bits: &mut Bits,
        input: &mut &[u8],
    ) -> Result<Progress, DeflateFault> {
        loop {
            let progress = match self.part {
                Part::Counts => self.read_counts(bits, input)?,
                Part::Precode { index } => self.read_precode(index, bits, input)?,
                Part::Lengths => return self.read_lengths(bits, input),
            };
            if progress == Progress::Starved {
                return Ok(progress);
            }
        }
    }

    fn read_counts(
        &mut self,
        bits: &mut Bits,
        input: &mut &[u8],
    ) -> Result<Progress, DeflateFault> {
        bits.refill(input);
        let Some(counts) = bits.take(14) else {
            return Ok(Progress::Starved);
        };
        self.literals = (counts & 31).wrapping_add(257) as usize;
        self.distances = (counts >> 5 & 31).wrapping_add(1) as usize;
        self.precodes = (counts >> 10).wrapping_add(4) as usize;
        if self.literals > LITERALS || self.distances > DISTANCES {
            return Err(DeflateFault::SymbolCounts);
        }
        self.part = Part::Precode { index: 0 };
        Ok(Progress::Complete)
    }

    fn read_precode(
        &mut self,
        mut index: usize,
        bits: &mut Bits,
        input: &mut &[u8],
    ) -> Result<Progress, DeflateFault> {
        while index < self.precodes {
            bits.refill(input);
            let Some(length) = bits.take(3) else {
                self.part = Part::Precode { index };
                return Ok(Progress::Starved);
            };
            let place = PRECODE_ORDER.get(index).copied().map(usize::from);
            if let Some(slot) = place.and_then(|place| self.precode.get_mut(place)) {
                *slot = u8::try_from(length).unwrap_or(0);
            }
            index = index.wrapping_add(1);
        }
        huffman::fill(&mut self.table, PRECODE_BITS, &self.symbols, &self.precode)
            .map_err(|NoCode| DeflateFault::Precode)?;
        self.part = Part::Lengths;
        Ok(Progress::Complete)
    }

    fn read_lengths(
        &mut self,
        bits: &mut Bits,
        input: &mut &[u8],
    ) -> Result<Progress, DeflateFault> {
        let wanted = self.literals.saturating_add(self.distances);
        while self.known < wanted {
            bits.refill(input);
            let code = huffman::look(&self.table, bits.buffer & mask(PRECODE_BITS));
            let symbol = code.value(0);
            let (extra, least) = match symbol {
                16 => (2, 3),
                17 => (3, 3_u32),
                18 => (7, 11),
                _ => (0, 1),
            };
            if bits.count < code.bits().saturating_add(extra) {
                return Ok(Progress::Starved);
            }
            bits.drop(code.bits());
            let more = bits.take(extra).unwrap_or(0);
            self.add(symbol, least.saturating_add(more), wanted)?;
        }
        Ok(Progress::Complete)
    }

    /// Adds `count` lengths as the symbol says, of `wanted` in all.
    fn add(&mut self, symbol: usize, count: u32, wanted: usize) -> Result<(), DeflateFault> {
        let length = match symbol {
            0..16 => u8::try_from(symbol).unwrap_or(0),
            16 => {
                let last = self.known.checked_sub(1);
                let last = last.and_then(|last| self.all.get(last));
                *last.ok_or(DeflateFault::Repeat)?
            }
            _ => 0,
        };
        let end = self.known.saturating_add(count as usize);
        if end > wanted {
            return Err(DeflateFault::Repeat);
        }
        let slots = self.all.get_mut(self.known..end);
        slots.ok_or(DeflateFault::Repeat)?.fill(length);
        self.known = end;
        Ok(())
    }
}
