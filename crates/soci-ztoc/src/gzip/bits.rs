//! The bits of a deflate stream, lowest first (RFC 1951, section 3.1.1), across input chunks.

/// Bytes that a fast refill reads.
pub(crate) const WORD_SIZE: usize = 8;

/// Bits that were read from the input and not used yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BitBuffer {
    /// The lowest bit is the next one. Bits above `count` are zero, except inside the fast loop:
    /// there they already are the bits that the next refill reads again.
    pub(crate) buffer: u64,
    /// Number of bits in the buffer, at most 63.
    pub(crate) count: u32,
    /// Bytes read into the buffer since the start of the layer.
    bytes_read: u64,
}

impl BitBuffer {
    /// Reads whole bytes until the buffer holds at least 56 bits or the input is used up.
    pub(crate) fn refill(&mut self, input: &mut &[u8]) {
        while self.count < 56 {
            let Some((&byte, rest)) = input.split_first() else {
                return;
            };
            self.buffer |= u64::from(byte).wrapping_shl(self.count);
            self.count = self.count.wrapping_add(8);
            self.bytes_read = self.bytes_read.wrapping_add(1);
            *input = rest;
        }
    }

    /// Refills the buffer to at least 56 bits without a loop. `input` must hold at least
    /// [`WORD_SIZE`] bytes from `position` on. Bits above `count` are left as the next refill
    /// will read them.
    #[inline]
    pub(crate) fn refill_fast(&mut self, input: &[u8], position: &mut usize) {
        let word = input.get(*position..position.wrapping_add(WORD_SIZE));
        let word = word.and_then(<[u8]>::first_chunk::<WORD_SIZE>);
        let word = word.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.buffer |= word.wrapping_shl(self.count);
        *position = position.wrapping_add((63_u32.wrapping_sub(self.count) >> 3) as usize);
        self.count |= 0b11_1000;
    }

    /// Counts the `bytes` that fast refills have read, and clears the bits above `count`.
    pub(crate) fn finish_fast(&mut self, bytes: usize) {
        self.bytes_read = self.bytes_read.wrapping_add(bytes as u64);
        self.buffer &= low_mask(self.count);
    }

    /// Drops the next `bits`, of which the buffer must hold as many.
    #[inline]
    pub(crate) fn consume(&mut self, bits: u32) {
        self.buffer = self.buffer.wrapping_shr(bits);
        self.count = self.count.wrapping_sub(bits);
    }

    /// Removes and returns the next `bits`, at most 32. Returns `None` if the buffer holds fewer.
    pub(crate) fn take_bits(&mut self, bits: u32) -> Option<u32> {
        if self.count < bits {
            return None;
        }
        let value = self.buffer & low_mask(bits);
        self.consume(bits);
        u32::try_from(value).ok()
    }

    /// Removes and returns 32 bits, refilling the buffer first.
    pub(crate) fn take_u32(&mut self, input: &mut &[u8]) -> Option<u32> {
        self.refill(input);
        self.take_bits(32)
    }

    /// Returns whether the buffer holds no bits.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns a copy of the bytes in the buffer, which must be aligned to a byte.
    pub(crate) fn buffered_bytes(&self) -> Vec<u8> {
        let bytes = self.buffer.to_le_bytes();
        let count = (self.count >> 3) as usize;
        bytes.get(..count).unwrap_or_default().to_vec()
    }

    /// Drops whole bytes from the buffer, which must hold as many.
    pub(crate) fn consume_bytes(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.consume(8);
        }
    }

    /// Skips input bytes that zlib has used. The buffer must be empty.
    pub(crate) fn skip_input(&mut self, input: &mut &[u8], bytes: usize) {
        *input = input.get(bytes..).unwrap_or_default();
        self.bytes_read = self.bytes_read.wrapping_add(bytes as u64);
    }

    /// Moves whole bytes from the buffer and then from the input to `room`; the buffer must be
    /// aligned to a byte. Returns their number, which is less than `room` holds only if the input
    /// is used up.
    pub(crate) fn copy_bytes(&mut self, input: &mut &[u8], room: &mut [u8]) -> usize {
        let mut copied = 0_usize;
        for slot in &mut *room {
            let Some(byte) = self.take_bits(8) else {
                break;
            };
            *slot = u8::try_from(byte).unwrap_or(0);
            copied = copied.saturating_add(1);
        }
        let rest = room.get_mut(copied..).unwrap_or_default();
        let (bytes, left) = input.split_at(rest.len().min(input.len()));
        rest.iter_mut()
            .zip(bytes)
            .for_each(|(slot, &byte)| *slot = byte);
        self.bytes_read = self.bytes_read.wrapping_add(bytes.len() as u64);
        *input = left;
        copied.saturating_add(bytes.len())
    }

    /// Drops the bits up to the next byte boundary.
    pub(crate) fn align_to_byte(&mut self) {
        self.consume(self.count & 7);
    }

    /// Returns whether more bits were consumed than the buffer held.
    pub(crate) const fn is_overdrawn(&self) -> bool {
        self.count > 63
    }

    /// Returns the number of bits, 0 to 7, that are left of the last byte that was used.
    pub(crate) fn unused_bits(&self) -> u8 {
        u8::try_from(self.count & 7).unwrap_or(0)
    }

    /// Returns the number of bytes used since the start of the layer. A byte counts as soon as one
    /// of its bits is used.
    pub(crate) fn bytes_consumed(&self) -> u64 {
        self.bytes_read.wrapping_sub(u64::from(self.count >> 3))
    }
}

/// Returns a mask of the lowest `bits`, at most 63.
#[inline]
pub(crate) const fn low_mask(bits: u32) -> u64 {
    1_u64.wrapping_shl(bits).wrapping_sub(1)
}
