//! Tables that decode Huffman codes (RFC 1951, section 3.2) with one lookup, or two for long codes.
//!
//! A table is indexed by the next bits of the stream. Codes that are longer than the index lead to
//! a subtable, which follows the main table. An entry holds the meaning of the code, the number
//! of its bits, and the number of extra bits that follow.

use super::bits::low_mask;

/// Bits that index the main table of literals and lengths.
pub(crate) const LITERAL_BITS: u32 = 11;
/// Bits that index the main table of distances.
pub(crate) const DISTANCE_BITS: u32 = 8;
/// Bits that index the table of the precode: the longest code it may have.
pub(crate) const PRECODE_BITS: u32 = 7;

/// Entries for any complete code of 288 symbols with up to 15 bits: `enough 288 11 15`, a program
/// among zlib's examples.
pub(crate) const LITERAL_ENTRIES: usize = 2342;
/// Entries for any complete code of 32 symbols with up to 15 bits: `enough 32 8 15`.
pub(crate) const DISTANCE_ENTRIES: usize = 402;
/// Entries for all indexes of [`PRECODE_BITS`] bits.
pub(crate) const PRECODE_ENTRIES: usize = 128;

/// Bits of the longest code.
const MAX_CODE_BITS: usize = 15;

/// Symbols in the largest alphabet.
const MAX_SYMBOLS: usize = 288;

/// The meaning of a code.
///
/// | bits | meaning |
/// |---|---|
/// | 0 to 7 | bits of the code and its extra bits |
/// | 8 to 11 | bits of the code alone, or bits that index the subtable |
/// | 13, 14, 15, 31 | kind: end of block, subtable, special, literal |
/// | 16 to 30 | the literal, the base of a length or distance, or the start of the subtable |
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Entry(u32);

impl Entry {
    const LITERAL: u32 = 1 << 31;
    /// Set for everything that is not a literal, length or distance.
    const SPECIAL: u32 = 1 << 15;
    const SUBTABLE: u32 = 1 << 14;
    const END_OF_BLOCK: u32 = 1 << 13;
    /// One bit that is not a code.
    pub(crate) const INVALID: Self = Self(Self::SPECIAL | 0x101);

    const fn literal(value: u8) -> Self {
        Self(Self::LITERAL | (value as u32) << 16)
    }

    const fn base(base: u16, extra_bits: u8) -> Self {
        Self((base as u32) << 16 | extra_bits as u32)
    }

    const fn subtable(start: u32, index_bits: u32, code_bits: u32) -> Self {
        Self(Self::SPECIAL | Self::SUBTABLE | start << 16 | index_bits << 8 | code_bits)
    }

    /// Adds the number of bits of the code.
    const fn with_code_bits(self, bits: u32) -> Self {
        Self(self.0.wrapping_add(bits.wrapping_mul(0x101)))
    }

    #[inline]
    pub(crate) const fn is_literal(self) -> bool {
        self.0 & Self::LITERAL != 0
    }

    #[inline]
    pub(crate) const fn is_special(self) -> bool {
        self.0 & Self::SPECIAL != 0
    }

    #[inline]
    pub(crate) const fn is_subtable(self) -> bool {
        self.0 & Self::SUBTABLE != 0
    }

    #[inline]
    pub(crate) const fn is_end_of_block(self) -> bool {
        self.0 & Self::END_OF_BLOCK != 0
    }

    /// Returns the number of bits of the code and its extra bits.
    #[inline]
    pub(crate) const fn bit_count(self) -> u32 {
        self.0 & 0xff
    }

    /// Returns the literal.
    #[inline]
    pub(crate) const fn literal_byte(self) -> u8 {
        self.0.to_le_bytes()[2]
    }

    /// Returns the length or distance: the base plus the extra bits. `buffer` starts with the code.
    #[inline]
    pub(crate) fn value(self, buffer: u64) -> usize {
        let extra = (buffer & low_mask(self.bit_count())).wrapping_shr(self.0 >> 8 & 15);
        let value = u64::from(self.0 >> 16 & 0x7fff).wrapping_add(extra);
        usize::try_from(value).unwrap_or(0)
    }

    /// Returns the index of the next code in the subtable. `buffer` starts after the bits that
    /// indexed the main table.
    #[inline]
    pub(crate) const fn subtable_index(self, buffer: u64) -> u64 {
        ((self.0 >> 16 & 0x7fff) as u64).wrapping_add(buffer & low_mask(self.0 >> 8 & 15))
    }
}

/// The symbols of the two alphabets (RFC 1951, section 3.2.5), including those that may not occur.
#[derive(Debug)]
pub(crate) struct Symbols {
    /// 256 literals, the end of a block, 29 lengths, and two symbols that must not occur.
    pub(crate) literals: [Entry; MAX_SYMBOLS],
    /// 30 distances, and two symbols that must not occur.
    pub(crate) distances: [Entry; 32],
}

impl Symbols {
    pub(crate) fn new() -> Self {
        let mut literals = [Entry(Entry::SPECIAL); MAX_SYMBOLS];
        for (symbol, value) in literals.iter_mut().zip(0..=u8::MAX) {
            *symbol = Entry::literal(value);
        }
        let mut others = literals.iter_mut().skip(256);
        others
            .by_ref()
            .take(1)
            .for_each(|symbol| *symbol = Entry(Entry::SPECIAL | Entry::END_OF_BLOCK));
        let lengths = LENGTH_BASES.into_iter().zip(LENGTH_EXTRA_BITS);
        for (symbol, (base, extra_bits)) in others.zip(lengths) {
            *symbol = Entry::base(base, extra_bits);
        }
        let mut distances = [Entry(Entry::SPECIAL); 32];
        let bases = DISTANCE_BASES.into_iter().zip(DISTANCE_EXTRA_BITS);
        for (symbol, (base, extra_bits)) in distances.iter_mut().zip(bases) {
            *symbol = Entry::base(base, extra_bits);
        }
        Self {
            literals,
            distances,
        }
    }
}

/// Returns the symbols of the precode. Each means its own number.
pub(crate) fn precode_symbols() -> [Entry; 19] {
    let mut symbols = [Entry::default(); 19];
    for (symbol, value) in symbols.iter_mut().zip(0..) {
        *symbol = Entry::base(value, 0);
    }
    symbols
}

const LENGTH_BASES: [u16; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
const LENGTH_EXTRA_BITS: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_BASES: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA_BITS: [u8; 30] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];

/// Returns the entry at an index, and [`Entry::INVALID`] for an index outside the table.
#[inline]
pub(crate) fn entry_at(table: &[Entry], index: u64) -> Entry {
    let index = usize::try_from(index).ok();
    let entry = index.and_then(|index| table.get(index));
    entry.copied().unwrap_or(Entry::INVALID)
}

/// The code lengths do not make a complete prefix code: there are too many codes, or too few.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct IncompleteCode;

/// Builds the table of a complete code, in which `symbols[n]` has a code of `lengths[n]` bits; a
/// length of 0 means that the symbol is not used. `index_bits` index the main table.
pub(crate) fn build_table(
    table: &mut [Entry],
    index_bits: u32,
    symbols: &[Entry],
    lengths: &[u8],
) -> Result<(), IncompleteCode> {
    let mut counts = [0_u32; MAX_CODE_BITS + 1];
    for &length in lengths.iter().filter(|&&length| length > 0) {
        let count = counts.get_mut(usize::from(length));
        let count = count.ok_or(IncompleteCode)?;
        *count = count.wrapping_add(1);
    }
    // Kraft's inequality: a code is complete if its shares of the code space add up to all of it.
    let shares = counts.iter().rev().zip(0..);
    let kraft_sum: u32 = shares.map(|(count, bits)| count.wrapping_shl(bits)).sum();
    if kraft_sum != 1 << MAX_CODE_BITS {
        return Err(IncompleteCode);
    }
    let mut sorted = [(Entry::default(), 0); MAX_SYMBOLS];
    let sorted = sort_symbols(&counts, symbols, lengths, &mut sorted);
    fill_table(table, index_bits, sorted, counts);
    Ok(())
}

/// Builds a table as [`build_table`] does, and also accepts, as zlib does, a code without symbols
/// and one with a single symbol of one bit.
pub(crate) fn build_table_or_single(
    table: &mut [Entry],
    index_bits: u32,
    symbols: &[Entry],
    lengths: &[u8],
) -> Result<(), IncompleteCode> {
    let mut used = symbols
        .iter()
        .zip(lengths)
        .filter(|(_, length)| **length > 0);
    let entry_of_zero = match (used.next(), used.next()) {
        (None, _) => Entry::INVALID,
        (Some((symbol, 1)), None) => symbol.with_code_bits(1),
        _ => return build_table(table, index_bits, symbols, lengths),
    };
    table.fill(Entry::INVALID);
    table
        .iter_mut()
        .step_by(2)
        .for_each(|entry| *entry = entry_of_zero);
    Ok(())
}

/// Returns the symbols that have a code, with its number of bits, in the order of the codes.
fn sort_symbols<'a>(
    counts: &[u32; MAX_CODE_BITS + 1],
    symbols: &[Entry],
    lengths: &[u8],
    sorted: &'a mut [(Entry, u32); MAX_SYMBOLS],
) -> &'a [(Entry, u32)] {
    let mut next_index = [0_usize; MAX_CODE_BITS + 1];
    let mut used = 0_usize;
    for (index, &count) in next_index.iter_mut().zip(counts) {
        *index = used;
        used = used.wrapping_add(count as usize);
    }
    for (&symbol, &length) in symbols
        .iter()
        .zip(lengths)
        .filter(|(_, length)| **length > 0)
    {
        if let Some(index) = next_index.get_mut(usize::from(length))
            && let Some(slot) = sorted.get_mut(*index)
        {
            *slot = (symbol, length.into());
            *index = index.wrapping_add(1);
        }
    }
    sorted.get(..used).unwrap_or_default()
}

/// Fills the table of a complete code. `counts` holds the number of codes of each length.
fn fill_table(
    table: &mut [Entry],
    index_bits: u32,
    sorted: &[(Entry, u32)],
    mut counts: [u32; MAX_CODE_BITS + 1],
) {
    // Entries of the main table that are filled: as many as the codes so far can tell apart. The
    // filled part is doubled whenever the codes become longer.
    let mut filled = 1_usize;
    let mut code = 0;
    let mut subtable = 0..1_usize.wrapping_shl(index_bits);
    let mut prefix = usize::MAX;
    for &(symbol, bits) in sorted {
        let size = 1_usize.wrapping_shl(bits.min(index_bits));
        filled = double_until(table, filled, size);
        if bits <= index_bits {
            set_entry(table, code, symbol.with_code_bits(bits));
        } else {
            let rest = bits.wrapping_sub(index_bits);
            if prefix != code & size.wrapping_sub(1) {
                prefix = code & size.wrapping_sub(1);
                let bits = subtable_bits(&counts, index_bits, rest);
                let size = 1_usize.wrapping_shl(bits);
                subtable = subtable.end..subtable.end.wrapping_add(size);
                let start = u32::try_from(subtable.start).unwrap_or(0);
                set_entry(table, prefix, Entry::subtable(start, bits, index_bits));
            }
            let first = subtable.start.wrapping_add(code.wrapping_shr(index_bits));
            for index in (first..subtable.end).step_by(1_usize.wrapping_shl(rest)) {
                set_entry(table, index, symbol.with_code_bits(rest));
            }
            if let Some(count) = counts.get_mut(bits as usize) {
                *count = count.wrapping_sub(1);
            }
        }
        code = next_code(code, bits);
    }
    double_until(table, filled, 1_usize.wrapping_shl(index_bits));
}

/// Repeats the first `filled` entries until `size` entries are filled. Returns how many are.
fn double_until(table: &mut [Entry], mut filled: usize, size: usize) -> usize {
    while filled < size {
        table.copy_within(..filled, filled);
        filled = filled.wrapping_mul(2);
    }
    filled
}

fn set_entry(table: &mut [Entry], index: usize, entry: Entry) {
    if let Some(slot) = table.get_mut(index) {
        *slot = entry;
    }
}

/// Returns the number of bits that index a subtable whose shortest code has `rest` bits beyond
/// `index_bits`: as many as the remaining codes need to fill the subtable.
fn subtable_bits(counts: &[u32; MAX_CODE_BITS + 1], index_bits: u32, rest: u32) -> u32 {
    let mut bits = rest;
    let mut codes = 0_u32;
    loop {
        let length = index_bits.wrapping_add(bits) as usize;
        let Some(count) = counts.get(length) else {
            return bits;
        };
        codes = codes.wrapping_mul(2).wrapping_add(*count);
        if codes >= 1_u32.wrapping_shl(bits) {
            return bits;
        }
        bits = bits.wrapping_add(1);
    }
}

/// Returns the code that follows `code` among those of this length. Codes are kept with their
/// first bit lowest, as the stream holds them.
fn next_code(code: usize, bits: u32) -> usize {
    let ones = 1_usize.wrapping_shl(bits).wrapping_sub(1);
    let Some(carry) = (code ^ ones).checked_ilog2() else {
        return 0;
    };
    let carry = 1_usize.wrapping_shl(carry);
    code & carry.wrapping_sub(1) | carry
}
