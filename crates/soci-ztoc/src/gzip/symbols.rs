//! Literals and matches: the loop that all the time goes into.

#![expect(
    clippy::inline_always,
    reason = "the loop must be one function, compiled for the instructions that its caller asked for"
)]

use std::ops::Range;

use super::bits::{Bits, WORD, mask};
use super::deflate::{DeflateFault, LEAST_ROOM, Output, Stop};
use super::huffman::{
    self, DISTANCE_BITS, DISTANCE_ENTRIES, Entry, LITERAL_BITS, LITERAL_ENTRIES, NoCode, Symbols,
    look,
};

/// Bytes of input that one turn of the fast loop may read: two refills.
const LEAST_INPUT: usize = 2 * WORD;

/// Bytes that a match is copied in. The last copy may write that many bytes too many, which are overwritten later.
const CHUNK: usize = 16;

/// The codes of a block.
#[derive(Debug)]
pub(crate) struct Codes {
    symbols: Symbols,
    literals: [Entry; LITERAL_ENTRIES],
    distances: [Entry; DISTANCE_ENTRIES],
}

impl Codes {
    pub(crate) fn new() -> Self {
        Self {
            symbols: Symbols::new(),
            literals: [Entry::INVALID; LITERAL_ENTRIES],
            distances: [Entry::INVALID; DISTANCE_ENTRIES],
        }
    }

    /// Sets the codes by the lengths of their symbols.
    pub(crate) fn set(&mut self, literals: &[u8], distances: &[u8]) -> Result<(), DeflateFault> {
        let Symbols {
            literals: of_literals,
            distances: of_distances,
        } = &self.symbols;
        huffman::fill_or_single(&mut self.literals, LITERAL_BITS, of_literals, literals)
            .map_err(|NoCode| DeflateFault::LiteralCode)?;
        huffman::fill_or_single(&mut self.distances, DISTANCE_BITS, of_distances, distances)
            .map_err(|NoCode| DeflateFault::DistanceCode)
    }
}

/// Decodes symbols until the block ends, the input is used up, or there is less than [`LEAST_ROOM`].
pub(crate) fn run(
    bits: &mut Bits,
    codes: &Codes,
    input: &mut &[u8],
    output: &mut Output<'_>,
) -> Result<Stop, DeflateFault> {
    loop {
        if output.room() < LEAST_ROOM {
            return Ok(Stop::Full);
        }
        let stop = if input.len() >= LEAST_INPUT {
            let mut at = 0;
            let stop = fastest(bits, codes, (input, &mut at), output);
            bits.settle(at);
            *input = input.get(at..).unwrap_or_default();
            stop?
        } else {
            bits.refill(input);
            careful(bits, codes, output)?
        };
        if let Some(stop) = stop {
            return Ok(stop);
        }
    }
}

/// Decodes one symbol if the bits that are there suffice.
fn careful(
    bits: &mut Bits,
    codes: &Codes,
    output: &mut Output<'_>,
) -> Result<Option<Stop>, DeflateFault> {
    let mut ahead = *bits;
    let entry = look_up(&codes.literals, LITERAL_BITS, &mut ahead);
    let known = ahead;
    ahead.drop(entry.bits());
    if ahead.is_overdrawn() {
        return Ok(Some(Stop::Starved));
    }
    if entry.is_literal() {
        put(output, entry.byte());
    } else if entry.is_end() {
        *bits = ahead;
        return Ok(Some(Stop::End));
    } else if entry.is_special() {
        return Err(DeflateFault::Literal);
    } else {
        let length = entry.value(known.buffer);
        let entry = look_up(&codes.distances, DISTANCE_BITS, &mut ahead);
        let known = ahead;
        ahead.drop(entry.bits());
        if ahead.is_overdrawn() {
            return Ok(Some(Stop::Starved));
        }
        if entry.is_special() {
            return Err(DeflateFault::Distance);
        }
        copy(output, entry.value(known.buffer), length)?;
    }
    *bits = ahead;
    Ok(None)
}

/// Runs [`fast`], compiled for the instructions that this machine has.
fn fastest(
    bits: &mut Bits,
    codes: &Codes,
    input: (&[u8], &mut usize),
    output: &mut Output<'_>,
) -> Result<Option<Stop>, DeflateFault> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
        #[expect(
            unsafe_code,
            reason = "the one call of code for instructions that not every machine has"
        )]
        // SAFETY: that the machine has these instructions was just asked; the function has no other condition.
        return unsafe { fast_with_bmi2(bits, codes, input, output) };
    }
    fast(bits, codes, input, output)
}

/// [`fast`] with instructions that shift by any register and cut out fields of bits: 5 % less time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn fast_with_bmi2(
    bits: &mut Bits,
    codes: &Codes,
    input: (&[u8], &mut usize),
    output: &mut Output<'_>,
) -> Result<Option<Stop>, DeflateFault> {
    fast(bits, codes, input, output)
}

/// Decodes symbols as long as input and room suffice for a whole turn, whatever comes.
#[inline(always)]
fn fast(
    bits: &mut Bits,
    codes: &Codes,
    (input, next): (&[u8], &mut usize),
    output: &mut Output<'_>,
) -> Result<Option<Stop>, DeflateFault> {
    let last_input = input.len().saturating_sub(LEAST_INPUT);
    let last_output = output.buffer.len().saturating_sub(LEAST_ROOM);
    let begin = output.at;
    let mut turns = Turns {
        codes,
        input,
        next: *next,
        bits: *bits,
        entry: Entry::INVALID,
        buffer: &mut *output.buffer,
        out: begin,
        lowest: begin.wrapping_sub(output.history),
    };
    turns.bits.refill_fast(input, &mut turns.next);
    turns.look_ahead();
    let stop = loop {
        if turns.next > last_input || turns.out > last_output {
            break Ok(None);
        }
        match turns.turn() {
            Ok(None) => {}
            stop => break stop,
        }
    };
    *bits = turns.bits;
    *next = turns.next;
    output.at = turns.out;
    output.history = output.history.wrapping_add(turns.out.wrapping_sub(begin));
    stop
}

/// The state of the fast loop.
///
/// At the start of a turn at least 56 bits are there, and what the first of them stand for is known. Two literals take at most
/// 22 of them, a length 20, so at least 14 are left for the index of a distance; before its extra bits, the input is asked
/// for more. A turn refills twice at most.
struct Turns<'a> {
    codes: &'a Codes,
    input: &'a [u8],
    /// Where the next refill starts.
    next: usize,
    bits: Bits,
    /// What the next bits stand for.
    entry: Entry,
    buffer: &'a mut [u8],
    /// Where the next byte goes.
    out: usize,
    /// The first byte that may be referred to.
    lowest: usize,
}

impl Turns<'_> {
    /// Decodes up to three literals, or up to two and a match.
    #[inline(always)]
    fn turn(&mut self) -> Result<Option<Stop>, DeflateFault> {
        let mut held = self.take();
        if self.entry.is_literal() {
            self.put();
            self.look_ahead();
            held = self.take();
            if self.entry.is_literal() {
                self.put();
                self.look_ahead();
                held = self.take();
                if self.entry.is_literal() {
                    self.last_literal();
                    return Ok(None);
                }
            }
        }
        if self.entry.is_special() {
            if self.entry.is_second() {
                self.entry = second(&self.codes.literals, self.entry, self.bits.buffer);
                held = self.take();
                if self.entry.is_literal() {
                    self.last_literal();
                    return Ok(None);
                }
            }
            if self.entry.is_end() {
                return Ok(Some(Stop::End));
            }
            if self.entry.is_special() {
                return Err(DeflateFault::Literal);
            }
        }
        self.copy(self.entry.value(held))
    }

    /// Uses the next bits up, and returns those that there were.
    #[inline(always)]
    fn take(&mut self) -> u64 {
        let held = self.bits.buffer;
        self.bits.drop(self.entry.bits());
        held
    }

    #[inline(always)]
    fn look_ahead(&mut self) {
        self.entry = look(&self.codes.literals, self.bits.buffer & mask(LITERAL_BITS));
    }

    #[inline(always)]
    fn put(&mut self) {
        put_at(self.buffer, self.out, self.entry.byte());
        self.out = self.out.wrapping_add(1);
    }

    #[inline(always)]
    fn last_literal(&mut self) {
        self.put();
        self.look_ahead();
        self.bits.refill_fast(self.input, &mut self.next);
    }

    /// Decodes a distance, and copies a match of this length while the next symbol is being looked up.
    #[inline(always)]
    fn copy(&mut self, length: usize) -> Result<Option<Stop>, DeflateFault> {
        let mut code = look(
            &self.codes.distances,
            self.bits.buffer & mask(DISTANCE_BITS),
        );
        if code.is_special() {
            if self.bits.count < 15 + 13 + LITERAL_BITS {
                self.bits.refill_fast(self.input, &mut self.next);
            }
            if code.is_second() {
                self.bits.drop(DISTANCE_BITS);
                code = second(&self.codes.distances, code, self.bits.buffer);
            }
            if code.is_special() {
                return Err(DeflateFault::Distance);
            }
        } else if self.bits.count < DISTANCE_BITS + 13 + LITERAL_BITS {
            self.bits.refill_fast(self.input, &mut self.next);
        }
        let distance = code.value(self.bits.buffer);
        self.bits.drop(code.bits());
        if distance > self.out.wrapping_sub(self.lowest) {
            return Err(DeflateFault::TooFar);
        }
        self.look_ahead();
        self.bits.refill_fast(self.input, &mut self.next);
        copy_at(self.buffer, self.out, distance, length);
        self.out = self.out.wrapping_add(length);
        Ok(None)
    }
}

/// Looks up where a second table leads.
#[inline(always)]
fn second(table: &[Entry], entry: Entry, buffer: u64) -> Entry {
    look(table, entry.index(buffer))
}

/// Looks the next bits up, in a second table if need be, and drops those that led there.
fn look_up(table: &[Entry], index_bits: u32, bits: &mut Bits) -> Entry {
    let entry = look(table, bits.buffer & mask(index_bits));
    if !entry.is_second() {
        return entry;
    }
    bits.drop(index_bits);
    second(table, entry, bits.buffer)
}

#[inline(always)]
fn put_at(buffer: &mut [u8], at: usize, byte: u8) {
    if let Some(slot) = buffer.get_mut(at) {
        *slot = byte;
    }
}

fn put(output: &mut Output<'_>, byte: u8) {
    put_at(output.buffer, output.at, byte);
    output.at = output.at.wrapping_add(1);
    output.history = output.history.wrapping_add(1);
}

fn copy(output: &mut Output<'_>, distance: usize, length: usize) -> Result<(), DeflateFault> {
    if distance > output.history {
        return Err(DeflateFault::TooFar);
    }
    copy_at(output.buffer, output.at, distance, length);
    output.at = output.at.wrapping_add(length);
    output.history = output.history.wrapping_add(length);
    Ok(())
}

/// Repeats `length` bytes that lie `distance` before `at`; may write up to [`CHUNK`] bytes too many.
#[inline(always)]
fn copy_at(buffer: &mut [u8], at: usize, distance: usize, length: usize) {
    let from = at.wrapping_sub(distance);
    let to = at..at.wrapping_add(length);
    if distance >= CHUNK {
        copy_chunks::<CHUNK>(buffer, from, to, CHUNK);
    } else if distance == 1 {
        repeat(buffer, to);
    } else {
        // Each copy brings `distance` right bytes, or eight; what is wrong behind them the next one mends.
        copy_chunks::<8>(buffer, from, to, distance.min(8));
    }
}

/// Fills `to` with the byte before it.
#[inline(always)]
fn repeat(buffer: &mut [u8], to: Range<usize>) {
    let last = to.start.wrapping_sub(1);
    let byte = buffer.get(last).copied().unwrap_or(0);
    let mut at = to.start;
    while at < to.end {
        let end = at.wrapping_add(CHUNK);
        let Some(chunk) = buffer.get_mut(at..end) else {
            return;
        };
        chunk.fill(byte);
        at = end;
    }
}

/// Copies `N` bytes at every `step` from `from` on until `to` is full.
#[inline(always)]
fn copy_chunks<const N: usize>(buffer: &mut [u8], from: usize, to: Range<usize>, step: usize) {
    let (mut from, mut at) = (from, to.start);
    loop {
        // Checked here, with a length that the compiler knows, so that it needs no call.
        let (past, end) = (from.wrapping_add(N), at.wrapping_add(N));
        if from > past || past > buffer.len() || end > buffer.len() {
            return;
        }
        buffer.copy_within(from..past, at);
        from = from.wrapping_add(step);
        at = at.wrapping_add(step);
        if at >= to.end {
            return;
        }
    }
}
