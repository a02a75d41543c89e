//! Tables that decode Huffman codes (RFC 1951, section 3.2) by one lookup, or two for long codes.
//!
//! A table is indexed by the next bits of the stream. Codes longer than the index lead to a second table, which lies behind
//! the first. An entry tells what the code stands for, how many bits it has, and how many extra bits follow.

use super::bits::mask;

/// Bits that index the first table of literals and lengths.
pub(crate) const LITERAL_BITS: u32 = 11;
/// Bits that index the first table of distances.
pub(crate) const DISTANCE_BITS: u32 = 8;
/// Bits that index the table of code lengths: all that such a code may have.
pub(crate) const PRECODE_BITS: u32 = 7;

/// Entries that suffice for any complete code of 288 symbols and 15 bits (`enough 288 11 15` of zlib's examples).
pub(crate) const LITERAL_ENTRIES: usize = 2342;
/// Entries that suffice for any complete code of 32 symbols and 15 bits (`enough 32 8 15`).
pub(crate) const DISTANCE_ENTRIES: usize = 402;
/// Entries for all that [`PRECODE_BITS`] can index.
pub(crate) const PRECODE_ENTRIES: usize = 128;

/// The longest code, in bits.
const LONGEST: usize = 15;

/// What a code stands for.
///
/// Bits 0 to 7: bits of the code with its extra bits; 8 to 11: bits of the code alone, or those that index the second table;
/// 13 to 15 and 31: kind; from 16 on: the literal, the base that the extra bits are added to, or where the second table is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Entry(u32);

impl Entry {
    const LITERAL: u32 = 1 << 31;
    /// Neither a literal nor a length or distance.
    const SPECIAL: u32 = 1 << 15;
    const SECOND: u32 = 1 << 14;
    const END: u32 = 1 << 13;
    /// A code that is none, of one bit.
    pub(crate) const INVALID: Self = Self(Self::SPECIAL | 0x101);

    const fn literal(value: u8) -> Self {
        Self(Self::LITERAL | (value as u32) << 16)
    }

    const fn base(base: u16, extra: u8) -> Self {
        Self((base as u32) << 16 | extra as u32)
    }

    /// Adds the bits of the code.
    const fn of_length(self, bits: u32) -> Self {
        Self(self.0.wrapping_add(bits.wrapping_mul(0x101)))
    }

    const fn second(at: u32, index_bits: u32, bits: u32) -> Self {
        Self(Self::SPECIAL | Self::SECOND | at << 16 | index_bits << 8 | bits)
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
    pub(crate) const fn is_second(self) -> bool {
        self.0 & Self::SECOND != 0
    }

    #[inline]
    pub(crate) const fn is_end(self) -> bool {
        self.0 & Self::END != 0
    }

    /// Bits of the code and its extra bits.
    #[inline]
    pub(crate) const fn bits(self) -> u32 {
        self.0 & 0xff
    }

    /// The literal.
    #[inline]
    pub(crate) const fn byte(self) -> u8 {
        self.0.to_le_bytes()[2]
    }

    /// The value: base and extra bits, which `buffer` holds behind the code.
    #[inline]
    pub(crate) fn value(self, buffer: u64) -> usize {
        let extra = (buffer & mask(self.bits())).wrapping_shr(self.0 >> 8 & 15);
        let value = u64::from(self.0 >> 16 & 0x7fff).wrapping_add(extra);
        usize::try_from(value).unwrap_or(0)
    }

    /// Where in the second table the next bits lead, once those of the first are dropped.
    #[inline]
    pub(crate) const fn index(self, buffer: u64) -> u64 {
        ((self.0 >> 16 & 0x7fff) as u64).wrapping_add(buffer & mask(self.0 >> 8 & 15))
    }
}

/// The symbols of the two alphabets (RFC 1951, section 3.2.5), with those that are in none.
#[derive(Debug)]
pub(crate) struct Symbols {
    /// 256 literals, the end of a block, 29 lengths, and two that stand for nothing.
    pub(crate) literals: [Entry; 288],
    /// 30 distances, and two that stand for nothing.
    pub(crate) distances: [Entry; 32],
}

impl Symbols {
    pub(crate) fn new() -> Self {
        let mut literals = [Entry(Entry::SPECIAL); 288];
        for (symbol, value) in literals.iter_mut().zip(0..=u8::MAX) {
            *symbol = Entry::literal(value);
        }
        let mut others = literals.iter_mut().skip(256);
        others
            .by_ref()
            .take(1)
            .for_each(|symbol| *symbol = Entry(Entry::SPECIAL | Entry::END));
        let lengths = LENGTH_BASES.into_iter().zip(LENGTH_EXTRA);
        for (symbol, (base, extra)) in others.zip(lengths) {
            *symbol = Entry::base(base, extra);
        }
        let mut distances = [Entry(Entry::SPECIAL); 32];
        let bases = DISTANCE_BASES.into_iter().zip(DISTANCE_EXTRA);
        for (symbol, (base, extra)) in distances.iter_mut().zip(bases) {
            *symbol = Entry::base(base, extra);
        }
        Self {
            literals,
            distances,
        }
    }
}

/// Returns the symbols of the code that the lengths of codes are written in: each stands for its own number.
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
const LENGTH_EXTRA: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_BASES: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA: [u8; 30] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];

/// Looks a place of a table up.
#[inline]
pub(crate) fn look(table: &[Entry], index: u64) -> Entry {
    let index = usize::try_from(index).ok();
    let entry = index.and_then(|index| table.get(index));
    entry.copied().unwrap_or(Entry::INVALID)
}

/// Lengths that make no code: too many for their lengths, or too few.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NoCode;

/// Fills `table`, whose first part `index_bits` index, for the code in which a symbol has the number of bits that stands at
/// its place in `lengths`. No bits may be left that stand for nothing.
pub(crate) fn fill(
    table: &mut [Entry],
    index_bits: u32,
    symbols: &[Entry],
    lengths: &[u8],
) -> Result<(), NoCode> {
    let mut counts = [0_u32; LONGEST + 1];
    for &length in lengths.iter().filter(|&&length| length > 0) {
        let count = counts.get_mut(usize::from(length)).ok_or(NoCode)?;
        *count = count.wrapping_add(1);
    }
    let shares = counts.iter().rev().zip(0..);
    let taken: u32 = shares.map(|(count, bits)| count.wrapping_shl(bits)).sum();
    if taken != 1 << LONGEST {
        return Err(NoCode);
    }
    let mut sorted = [(Entry::default(), 0); 288];
    let sorted = sort(&counts, symbols, lengths, &mut sorted);
    fill_complete(table, index_bits, sorted, counts);
    Ok(())
}

/// As [`fill`]; but there may be no symbol at all, or one of one bit, as zlib has it.
pub(crate) fn fill_or_single(
    table: &mut [Entry],
    index_bits: u32,
    symbols: &[Entry],
    lengths: &[u8],
) -> Result<(), NoCode> {
    let mut used = symbols
        .iter()
        .zip(lengths)
        .filter(|(_, length)| **length > 0);
    let zeros = match (used.next(), used.next()) {
        (None, _) => Entry::INVALID,
        (Some((symbol, 1)), None) => symbol.of_length(1),
        _ => return fill(table, index_bits, symbols, lengths),
    };
    table.fill(Entry::INVALID);
    table.iter_mut().step_by(2).for_each(|entry| *entry = zeros);
    Ok(())
}

/// Returns the symbols that have a code, with the bits of theirs, in the order of the codes.
fn sort<'a>(
    counts: &[u32; LONGEST + 1],
    symbols: &[Entry],
    lengths: &[u8],
    sorted: &'a mut [(Entry, u32); 288],
) -> &'a [(Entry, u32)] {
    let mut places = [0_usize; LONGEST + 1];
    let mut used = 0_usize;
    for (place, &count) in places.iter_mut().zip(counts) {
        *place = used;
        used = used.wrapping_add(count as usize);
    }
    for (&symbol, &length) in symbols
        .iter()
        .zip(lengths)
        .filter(|(_, length)| **length > 0)
    {
        if let Some(place) = places.get_mut(usize::from(length))
            && let Some(slot) = sorted.get_mut(*place)
        {
            *slot = (symbol, length.into());
            *place = place.wrapping_add(1);
        }
    }
    sorted.get(..used).unwrap_or_default()
}

/// Fills a table for a code that uses up all bits. `counts` are those of `sorted` by length.
fn fill_complete(
    table: &mut [Entry],
    index_bits: u32,
    sorted: &[(Entry, u32)],
    mut counts: [u32; LONGEST + 1],
) {
    // What is filled so far of the first table: as much as the shorter codes can tell apart.
    let mut filled = 1_usize;
    let mut code = 0;
    let mut second = 0..1_usize.wrapping_shl(index_bits);
    let mut prefix = usize::MAX;
    for &(symbol, bits) in sorted {
        let wanted = 1_usize.wrapping_shl(bits.min(index_bits));
        while filled < wanted {
            table.copy_within(..filled, filled);
            filled = filled.wrapping_mul(2);
        }
        if bits <= index_bits {
            set(table, code, symbol.of_length(bits));
        } else {
            let rest = bits.wrapping_sub(index_bits);
            if prefix != code & wanted.wrapping_sub(1) {
                prefix = code & wanted.wrapping_sub(1);
                let second_bits = second_bits(&counts, index_bits, rest);
                let size = 1_usize.wrapping_shl(second_bits);
                second = second.end..second.end.wrapping_add(size);
                let at = u32::try_from(second.start).unwrap_or(0);
                set(table, prefix, Entry::second(at, second_bits, index_bits));
            }
            let first = second.start.wrapping_add(code.wrapping_shr(index_bits));
            for at in (first..second.end).step_by(1_usize.wrapping_shl(rest)) {
                set(table, at, symbol.of_length(rest));
            }
            if let Some(count) = counts.get_mut(bits as usize) {
                *count = count.wrapping_sub(1);
            }
        }
        code = next_code(code, bits);
    }
    let wanted = 1_usize.wrapping_shl(index_bits);
    while filled < wanted {
        table.copy_within(..filled, filled);
        filled = filled.wrapping_mul(2);
    }
}

fn set(table: &mut [Entry], at: usize, entry: Entry) {
    if let Some(slot) = table.get_mut(at) {
        *slot = entry;
    }
}

/// Bits that index a second table whose shortest code has `rest` bits behind the `index_bits`: as many as it takes for the
/// codes left to fill it.
fn second_bits(counts: &[u32; LONGEST + 1], index_bits: u32, rest: u32) -> u32 {
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

/// Returns the code that follows in the order of codes of this length; codes are held with their first bit lowest.
fn next_code(code: usize, bits: u32) -> usize {
    let ones = 1_usize.wrapping_shl(bits).wrapping_sub(1);
    let Some(carry) = (code ^ ones).checked_ilog2() else {
        return 0;
    };
    let carry = 1_usize.wrapping_shl(carry);
    code & carry.wrapping_sub(1) | carry
}
