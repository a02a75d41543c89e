//! The buffer that the decoder writes to, and the reasons for which it stops.

/// Size of the history that a match may refer to, in bytes (RFC 1951, section 2).
pub(crate) const WINDOW_SIZE: usize = 32 * 1024;

/// Free bytes that the decoder needs in its output buffer to make progress. A round of its inner
/// loop writes at most two literals, a match of 258 bytes and 16 bytes that are overwritten later.
pub(crate) const MIN_ROOM: usize = 512;

/// Why the decoder returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// A block other than the last one of its stream has ended.
    BlockEnd,
    /// All input is used up.
    InputExhausted,
    /// Less than [`MIN_ROOM`] bytes of output are free.
    OutputFull,
    /// The last block of the stream has ended.
    StreamEnd,
}

/// A linear buffer with history before `position` and free room after it.
#[derive(Debug)]
pub(crate) struct OutputBuffer<'a> {
    pub(crate) bytes: &'a mut [u8],
    /// Index of the next byte to write.
    pub(crate) position: usize,
    /// Number of bytes before `position` that a match may refer to.
    pub(crate) history: usize,
}

impl OutputBuffer<'_> {
    /// Returns the number of free bytes.
    pub(crate) fn room(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }
}
