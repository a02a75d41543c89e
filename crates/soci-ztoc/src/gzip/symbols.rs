//! Decodes the literals and matches of a block: the loop in which decompression spends its time.

#![expect(
    clippy::inline_always,
    reason = "the loop must be one function, compiled for the instruction set of its caller"
)]

use super::bits::{BitBuffer, WORD_SIZE, low_mask};
use super::copy::{copy_match, write_byte};
use super::fault::DeflateFault;
use super::huffman::{
    self, DISTANCE_BITS, DISTANCE_ENTRIES, Entry, IncompleteCode, LITERAL_BITS, LITERAL_ENTRIES,
    Symbols, entry_at,
};
use super::output::{MIN_ROOM, OutputBuffer, Stop};

/// Input bytes that one round of the fast loop may read: two refills.
const MIN_INPUT: usize = 2 * WORD_SIZE;

/// The two codes of a block.
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

    /// Builds the codes from the code lengths of their symbols.
    pub(crate) fn set_lengths(
        &mut self,
        literals: &[u8],
        distances: &[u8],
    ) -> Result<(), DeflateFault> {
        let symbols = &self.symbols;
        huffman::build_table_or_single(
            &mut self.literals,
            LITERAL_BITS,
            &symbols.literals,
            literals,
        )
        .map_err(|IncompleteCode| DeflateFault::LiteralCode)?;
        huffman::build_table_or_single(
            &mut self.distances,
            DISTANCE_BITS,
            &symbols.distances,
            distances,
        )
        .map_err(|IncompleteCode| DeflateFault::DistanceCode)
    }
}

/// Decodes symbols until the block ends ([`Stop::BlockEnd`]), the input is used up, or less than
/// [`MIN_ROOM`] bytes of output are free.
pub(crate) fn run(
    bits: &mut BitBuffer,
    codes: &Codes,
    input: &mut &[u8],
    output: &mut OutputBuffer<'_>,
) -> Result<Stop, DeflateFault> {
    loop {
        if output.room() < MIN_ROOM {
            return Ok(Stop::OutputFull);
        }
        let stop = if input.len() >= MIN_INPUT {
            let mut fast_input = FastInput {
                bytes: input,
                position: 0,
            };
            let stop = dispatch_fast(bits, codes, &mut fast_input, output);
            let read = fast_input.position;
            bits.finish_fast(read);
            *input = input.get(read..).unwrap_or_default();
            stop?
        } else {
            bits.refill(input);
            decode_one(bits, codes, output)?
        };
        if let Some(stop) = stop {
            return Ok(stop);
        }
    }
}

/// Decodes one symbol if the buffer holds all its bits. This is the slow path for the last bytes
/// of an input chunk, where a fast round would read beyond the end.
fn decode_one(
    bits: &mut BitBuffer,
    codes: &Codes,
    output: &mut OutputBuffer<'_>,
) -> Result<Option<Stop>, DeflateFault> {
    let mut ahead = *bits;
    let entry = lookup_entry(&codes.literals, LITERAL_BITS, &mut ahead);
    let before = ahead;
    ahead.consume(entry.bit_count());
    if ahead.is_overdrawn() {
        return Ok(Some(Stop::InputExhausted));
    }
    if entry.is_literal() {
        push_literal(output, entry.literal_byte());
    } else if entry.is_end_of_block() {
        *bits = ahead;
        return Ok(Some(Stop::BlockEnd));
    } else if entry.is_special() {
        return Err(DeflateFault::Literal);
    } else {
        let length = entry.value(before.buffer);
        let entry = lookup_entry(&codes.distances, DISTANCE_BITS, &mut ahead);
        let before = ahead;
        ahead.consume(entry.bit_count());
        if ahead.is_overdrawn() {
            return Ok(Some(Stop::InputExhausted));
        }
        if entry.is_special() {
            return Err(DeflateFault::Distance);
        }
        push_match(output, entry.value(before.buffer), length)?;
    }
    *bits = ahead;
    Ok(None)
}

/// Returns the entry of the next code, following a subtable if there is one. Consumes the bits
/// that led to the subtable.
fn lookup_entry(table: &[Entry], index_bits: u32, bits: &mut BitBuffer) -> Entry {
    let entry = entry_at(table, bits.buffer & low_mask(index_bits));
    if !entry.is_subtable() {
        return entry;
    }
    bits.consume(index_bits);
    follow_subtable(table, entry, bits.buffer)
}

fn push_literal(output: &mut OutputBuffer<'_>, byte: u8) {
    write_byte(output.bytes, output.position, byte);
    output.position = output.position.wrapping_add(1);
    output.history = output.history.wrapping_add(1);
}

fn push_match(
    output: &mut OutputBuffer<'_>,
    distance: usize,
    length: usize,
) -> Result<(), DeflateFault> {
    if distance > output.history {
        return Err(DeflateFault::DistanceTooFar);
    }
    copy_match(output.bytes, output.position, distance, length);
    output.position = output.position.wrapping_add(length);
    output.history = output.history.wrapping_add(length);
    Ok(())
}

/// Input of the fast loop, and how much of it was read.
struct FastInput<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// Runs [`decode_fast`], compiled for the instructions that this processor has.
fn dispatch_fast(
    bits: &mut BitBuffer,
    codes: &Codes,
    input: &mut FastInput<'_>,
    output: &mut OutputBuffer<'_>,
) -> Result<Option<Stop>, DeflateFault> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
        #[expect(
            unsafe_code,
            reason = "the only call of code for instructions that some processors lack"
        )]
        // SAFETY: the processor has BMI1 and BMI2, as just detected; the function is safe code.
        return unsafe { decode_fast_bmi2(bits, codes, input, output) };
    }
    decode_fast(bits, codes, input, output)
}

/// [`decode_fast`] with BMI instructions (shifts by any register, bit field extraction), which
/// takes 5 % less time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn decode_fast_bmi2(
    bits: &mut BitBuffer,
    codes: &Codes,
    input: &mut FastInput<'_>,
    output: &mut OutputBuffer<'_>,
) -> Result<Option<Stop>, DeflateFault> {
    decode_fast(bits, codes, input, output)
}

/// Decodes symbols for as long as input and output suffice for a whole round.
#[inline(always)]
fn decode_fast(
    bits: &mut BitBuffer,
    codes: &Codes,
    input: &mut FastInput<'_>,
    output: &mut OutputBuffer<'_>,
) -> Result<Option<Stop>, DeflateFault> {
    let last_input = input.bytes.len().saturating_sub(MIN_INPUT);
    let last_output = output.bytes.len().saturating_sub(MIN_ROOM);
    let start = output.position;
    let mut fast = FastLoop {
        codes,
        input: input.bytes,
        next: input.position,
        bits: *bits,
        entry: Entry::INVALID,
        output: &mut *output.bytes,
        position: start,
        history_start: start.wrapping_sub(output.history),
    };
    fast.bits.refill_fast(input.bytes, &mut fast.next);
    fast.peek_entry();
    let stop = loop {
        if fast.next > last_input || fast.position > last_output {
            break Ok(None);
        }
        match fast.decode_round() {
            Ok(None) => {}
            stop => break stop,
        }
    };
    *bits = fast.bits;
    input.position = fast.next;
    output.position = fast.position;
    let written = fast.position.wrapping_sub(start);
    output.history = output.history.wrapping_add(written);
    stop
}

/// The state of the fast loop.
///
/// At the start of a round the buffer holds at least 56 bits, and `entry` is what the first of
/// them stand for. Two literals use at most 22 bits and a length at most 20, so at least 14 are
/// left to index the distances. Before the extra bits of a distance, the buffer is refilled if
/// necessary. A round refills at most twice.
struct FastLoop<'a> {
    codes: &'a Codes,
    input: &'a [u8],
    /// Index in `input` of the next refill.
    next: usize,
    bits: BitBuffer,
    /// The entry of the next bits, which are not consumed yet.
    entry: Entry,
    output: &'a mut [u8],
    /// Index in `output` of the next byte to write.
    position: usize,
    /// Index in `output` of the first byte that a match may refer to.
    history_start: usize,
}

impl FastLoop<'_> {
    /// Decodes up to three literals, or up to two literals and a match.
    #[inline(always)]
    fn decode_round(&mut self) -> Result<Option<Stop>, DeflateFault> {
        let mut before = self.consume_entry();
        if self.entry.is_literal() {
            self.push_literal();
            self.peek_entry();
            before = self.consume_entry();
            if self.entry.is_literal() {
                self.push_literal();
                self.peek_entry();
                before = self.consume_entry();
                if self.entry.is_literal() {
                    self.push_last_literal();
                    return Ok(None);
                }
            }
        }
        if self.entry.is_special() {
            if self.entry.is_subtable() {
                self.entry = follow_subtable(&self.codes.literals, self.entry, self.bits.buffer);
                before = self.consume_entry();
                if self.entry.is_literal() {
                    self.push_last_literal();
                    return Ok(None);
                }
            }
            if self.entry.is_end_of_block() {
                return Ok(Some(Stop::BlockEnd));
            }
            if self.entry.is_special() {
                return Err(DeflateFault::Literal);
            }
        }
        self.decode_match(self.entry.value(before))
    }

    /// Consumes the bits of the entry. Returns the buffer as it was before.
    #[inline(always)]
    fn consume_entry(&mut self) -> u64 {
        let before = self.bits.buffer;
        self.bits.consume(self.entry.bit_count());
        before
    }

    /// Looks up the entry of the next bits.
    #[inline(always)]
    fn peek_entry(&mut self) {
        let index = self.bits.buffer & low_mask(LITERAL_BITS);
        self.entry = entry_at(&self.codes.literals, index);
    }

    #[inline(always)]
    fn push_literal(&mut self) {
        write_byte(self.output, self.position, self.entry.literal_byte());
        self.position = self.position.wrapping_add(1);
    }

    /// Writes the literal that ends a round.
    #[inline(always)]
    fn push_last_literal(&mut self) {
        self.push_literal();
        self.peek_entry();
        self.bits.refill_fast(self.input, &mut self.next);
    }

    /// Decodes the distance of a match and copies `length` bytes. The next entry is looked up
    /// before the copy, so that the processor does both at the same time.
    #[inline(always)]
    fn decode_match(&mut self, length: usize) -> Result<Option<Stop>, DeflateFault> {
        let index = self.bits.buffer & low_mask(DISTANCE_BITS);
        let mut code = entry_at(&self.codes.distances, index);
        if code.is_special() {
            if self.bits.count < 15 + 13 + LITERAL_BITS {
                self.bits.refill_fast(self.input, &mut self.next);
            }
            if code.is_subtable() {
                self.bits.consume(DISTANCE_BITS);
                code = follow_subtable(&self.codes.distances, code, self.bits.buffer);
            }
            if code.is_special() {
                return Err(DeflateFault::Distance);
            }
        } else if self.bits.count < DISTANCE_BITS + 13 + LITERAL_BITS {
            self.bits.refill_fast(self.input, &mut self.next);
        }
        let distance = code.value(self.bits.buffer);
        self.bits.consume(code.bit_count());
        if distance > self.position.wrapping_sub(self.history_start) {
            return Err(DeflateFault::DistanceTooFar);
        }
        self.peek_entry();
        self.bits.refill_fast(self.input, &mut self.next);
        copy_match(self.output, self.position, distance, length);
        self.position = self.position.wrapping_add(length);
        Ok(None)
    }
}

/// Returns the entry in the subtable that `entry` leads to.
#[inline(always)]
fn follow_subtable(table: &[Entry], entry: Entry, buffer: u64) -> Entry {
    entry_at(table, entry.subtable_index(buffer))
}
