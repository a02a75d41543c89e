//! Inflates deflate streams (RFC 1951) piece by piece, and stops between blocks.
//!
//! Input comes in pieces of any size; output goes behind its own history, in one linear buffer. Both the bits between pieces
//! and the state within a block are kept, so that any split of the input gives the same stops.

use super::bits::Bits;
use super::lengths::{Lengths, Progress};
use super::symbols::{self, Codes};

/// Size of the history that deflate may refer to, in bytes.
pub(crate) const WINDOW: usize = 32 * 1024;

/// Room for output that a call needs to get on; less counts as none.
pub(crate) const LEAST_ROOM: usize = 512;

/// What is wrong with a stream, in zlib's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum DeflateFault {
    #[error("invalid block type")]
    BlockType,
    #[error("invalid stored block lengths")]
    StoredLength,
    #[error("too many length or distance symbols")]
    SymbolCounts,
    #[error("invalid code lengths set")]
    Precode,
    #[error("invalid bit length repeat")]
    Repeat,
    #[error("invalid code -- missing end-of-block")]
    NoEnd,
    #[error("invalid literal/lengths set")]
    LiteralCode,
    #[error("invalid distances set")]
    DistanceCode,
    #[error("invalid literal/length code")]
    Literal,
    #[error("invalid distance code")]
    Distance,
    #[error("invalid distance too far back")]
    TooFar,
}

/// Why a call returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// A block other than the last one has ended.
    Boundary,
    /// The input is used up.
    Starved,
    /// There is less than [`LEAST_ROOM`].
    Full,
    /// The last block has ended.
    End,
}

/// A buffer with history before `at` and room behind.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    pub(crate) buffer: &'a mut [u8],
    /// Where the next byte goes.
    pub(crate) at: usize,
    /// How many bytes before `at` may be referred to.
    pub(crate) history: usize,
}

/// An inflater of one stream after the other.
#[derive(Debug)]
pub(crate) struct Deflate {
    /// The bits before, between and behind streams, too.
    pub(crate) bits: Bits,
    state: State,
    is_last: bool,
    codes: Codes,
    lengths: Lengths,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before the three bits at the start of a block.
    Head,
    /// Before the length of a stored block.
    StoredLength,
    /// Within a stored block.
    Stored { left: usize },
    /// Within the lengths of a dynamic block's codes.
    Lengths,
    /// Among symbols.
    Symbols,
    /// Behind the last block.
    End,
}

impl Output<'_> {
    /// Bytes that fit.
    pub(crate) fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.at)
    }
}

impl Deflate {
    pub(crate) fn new() -> Self {
        Self {
            bits: Bits::default(),
            state: State::Head,
            is_last: false,
            codes: Codes::new(),
            lengths: Lengths::new(),
        }
    }

    /// Goes back to the start of a stream; bits stay.
    pub(crate) fn restart(&mut self) {
        self.state = State::Head;
        self.is_last = false;
    }

    /// Inflates until something stops it.
    pub(crate) fn run(
        &mut self,
        input: &mut &[u8],
        output: &mut Output<'_>,
    ) -> Result<Stop, DeflateFault> {
        loop {
            let progress = match self.state {
                State::Head => self.head(input)?,
                State::StoredLength => self.stored_length(input)?,
                State::Stored { left } => Some(self.stored(left, input, output)),
                State::Lengths => self.lengths(input)?,
                State::Symbols => match symbols::run(&mut self.bits, &self.codes, input, output)? {
                    Stop::End => Some(self.end_of_block()),
                    stop => Some(stop),
                },
                State::End => Some(Stop::End),
            };
            if let Some(stop) = progress {
                return Ok(stop);
            }
        }
    }

    /// Takes bits, or says that there are too few.
    fn take(&mut self, bits: u32, input: &mut &[u8]) -> Option<u32> {
        self.bits.refill(input);
        self.bits.take(bits)
    }

    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Stop>, DeflateFault> {
        let Some(head) = self.take(3, input) else {
            return Ok(Some(Stop::Starved));
        };
        self.is_last = head & 1 == 1;
        match head >> 1 {
            0 => {
                self.bits.align();
                self.state = State::StoredLength;
            }
            1 => self.fixed_codes()?,
            2 => {
                self.lengths.restart();
                self.state = State::Lengths;
            }
            _ => return Err(DeflateFault::BlockType),
        }
        Ok(None)
    }

    fn stored_length(&mut self, input: &mut &[u8]) -> Result<Option<Stop>, DeflateFault> {
        let Some(lengths) = self.take(32, input) else {
            return Ok(Some(Stop::Starved));
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

    fn stored(&mut self, mut left: usize, input: &mut &[u8], output: &mut Output<'_>) -> Stop {
        while left > 0 {
            if output.room() < LEAST_ROOM {
                return Stop::Full;
            }
            let most = left.min(output.room());
            let room = output.buffer.get_mut(output.at..).unwrap_or_default();
            let copied = self
                .bits
                .copy_bytes(input, room.get_mut(..most).unwrap_or_default());
            output.at = output.at.saturating_add(copied);
            output.history = output.history.saturating_add(copied);
            left = left.saturating_sub(copied);
            self.state = State::Stored { left };
            if copied == 0 {
                return Stop::Starved;
            }
        }
        self.end_of_block()
    }

    fn end_of_block(&mut self) -> Stop {
        if self.is_last {
            self.state = State::End;
            return Stop::End;
        }
        self.state = State::Head;
        Stop::Boundary
    }

    /// Sets the codes of RFC 1951, section 3.2.6.
    fn fixed_codes(&mut self) -> Result<(), DeflateFault> {
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
        self.codes.set(&literals, &[5; 32])?;
        self.state = State::Symbols;
        Ok(())
    }

    /// Reads the codes of a dynamic block.
    fn lengths(&mut self, input: &mut &[u8]) -> Result<Option<Stop>, DeflateFault> {
        let read = self.lengths.read(&mut self.bits, input)?;
        let Progress::Complete = read else {
            return Ok(Some(Stop::Starved));
        };
        let (literals, distances) = self.lengths.of_codes();
        if literals.get(256).copied().unwrap_or(0) == 0 {
            return Err(DeflateFault::NoEnd);
        }
        self.codes.set(literals, distances)?;
        self.state = State::Symbols;
        Ok(None)
    }
}
