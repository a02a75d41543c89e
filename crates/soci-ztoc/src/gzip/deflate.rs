//! Decodes deflate streams (RFC 1951) incrementally, and stops between blocks.
//!
//! Input arrives in chunks of any size. Output goes into one linear buffer, after its own
//! history. The bits left over between chunks and the state within a block are kept, so every
//! division of the input into chunks gives the same stops.

use super::bits::BitBuffer;
use super::code_lengths::{CodeLengths, Progress};
use super::fault::DeflateFault;
use super::output::{MIN_ROOM, OutputBuffer, Stop};
use super::symbols::{self, Codes};

/// Decodes one deflate stream after the other.
#[derive(Debug)]
pub(crate) struct DeflateDecoder {
    /// The bits of the streams and of what lies before, between and after them.
    pub(crate) bits: BitBuffer,
    state: State,
    is_last_block: bool,
    codes: Codes,
    code_lengths: CodeLengths,
}

/// What the decoder reads next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The three bits at the start of a block.
    BlockHeader,
    /// The length of a stored block.
    StoredLength,
    /// The content of a stored block.
    Stored { left: usize },
    /// The code lengths of a dynamic block.
    CodeLengths,
    /// The symbols of a compressed block.
    Symbols,
    /// Nothing: the last block has ended.
    StreamEnd,
}

impl DeflateDecoder {
    pub(crate) fn new() -> Self {
        Self {
            bits: BitBuffer::default(),
            state: State::BlockHeader,
            is_last_block: false,
            codes: Codes::new(),
            code_lengths: CodeLengths::new(),
        }
    }

    /// Prepares for the start of another stream. The bits in the buffer stay.
    pub(crate) fn start_stream(&mut self) {
        self.state = State::BlockHeader;
        self.is_last_block = false;
    }

    /// Decodes until one of the reasons in [`Stop`] applies.
    pub(crate) fn run(
        &mut self,
        input: &mut &[u8],
        output: &mut OutputBuffer<'_>,
    ) -> Result<Stop, DeflateFault> {
        loop {
            let stop = match self.state {
                State::BlockHeader => self.read_block_header(input)?,
                State::StoredLength => self.read_stored_length(input)?,
                State::Stored { left } => Some(self.copy_stored(left, input, output)),
                State::CodeLengths => self.read_code_lengths(input)?,
                State::Symbols => match symbols::run(&mut self.bits, &self.codes, input, output)? {
                    Stop::BlockEnd => Some(self.finish_block()),
                    stop => Some(stop),
                },
                State::StreamEnd => Some(Stop::StreamEnd),
            };
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    /// Refills the buffer and removes `bits` from it. Returns `None` if the input is too short.
    fn take_bits(&mut self, bits: u32, input: &mut &[u8]) -> Option<u32> {
        self.bits.refill(input);
        self.bits.take_bits(bits)
    }

    fn read_block_header(&mut self, input: &mut &[u8]) -> Result<Option<Stop>, DeflateFault> {
        let Some(header) = self.take_bits(3, input) else {
            return Ok(Some(Stop::InputExhausted));
        };
        self.is_last_block = header & 1 == 1;
        match header >> 1 {
            0 => {
                self.bits.align_to_byte();
                self.state = State::StoredLength;
            }
            1 => self.set_fixed_codes()?,
            2 => {
                self.code_lengths.restart();
                self.state = State::CodeLengths;
            }
            _ => return Err(DeflateFault::BlockType),
        }
        Ok(None)
    }

    fn read_stored_length(&mut self, input: &mut &[u8]) -> Result<Option<Stop>, DeflateFault> {
        let Some(lengths) = self.take_bits(32, input) else {
            return Ok(Some(Stop::InputExhausted));
        };
        let length = lengths & 0xffff;
        if length != lengths >> 16 ^ 0xffff {
            return Err(DeflateFault::StoredLength);
        }
        self.state = State::Stored {
            left: length as usize,
        };
        Ok(None)
    }

    fn copy_stored(
        &mut self,
        mut left: usize,
        input: &mut &[u8],
        output: &mut OutputBuffer<'_>,
    ) -> Stop {
        while left > 0 {
            if output.room() < MIN_ROOM {
                return Stop::OutputFull;
            }
            let limit = left.min(output.room());
            let room = output.bytes.get_mut(output.position..).unwrap_or_default();
            let copied = self
                .bits
                .copy_bytes(input, room.get_mut(..limit).unwrap_or_default());
            output.position = output.position.saturating_add(copied);
            output.history = output.history.saturating_add(copied);
            left = left.saturating_sub(copied);
            self.state = State::Stored { left };
            if copied == 0 {
                return Stop::InputExhausted;
            }
        }
        self.finish_block()
    }

    fn finish_block(&mut self) -> Stop {
        if self.is_last_block {
            self.state = State::StreamEnd;
            return Stop::StreamEnd;
        }
        self.state = State::BlockHeader;
        Stop::BlockEnd
    }

    /// Sets the codes of a block with fixed codes (RFC 1951, section 3.2.6).
    fn set_fixed_codes(&mut self) -> Result<(), DeflateFault> {
        let mut literals = [8; 288];
        literals
            .iter_mut()
            .skip(144)
            .take(112)
            .for_each(|length| *length = 9);
        literals
            .iter_mut()
            .skip(256)
            .take(24)
            .for_each(|length| *length = 7);
        self.codes.set_lengths(&literals, &[5; 32])?;
        self.state = State::Symbols;
        Ok(())
    }

    /// Reads the codes of a dynamic block (RFC 1951, section 3.2.7).
    fn read_code_lengths(&mut self, input: &mut &[u8]) -> Result<Option<Stop>, DeflateFault> {
        let progress = self.code_lengths.read_from(&mut self.bits, input)?;
        if progress == Progress::InputExhausted {
            return Ok(Some(Stop::InputExhausted));
        }
        let (literals, distances) = self.code_lengths.by_alphabet();
        if literals.get(256).copied().unwrap_or(0) == 0 {
            return Err(DeflateFault::NoEndOfBlock);
        }
        self.codes.set_lengths(literals, distances)?;
        self.state = State::Symbols;
        Ok(None)
    }
}
