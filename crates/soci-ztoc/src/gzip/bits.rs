//! The bits of a deflate stream, lowest first (RFC 1951, section 3.1.1), across pieces of input.

/// Bytes that a refill of the fast kind reads.
pub(crate) const WORD: usize = 8;

/// Bits that were read from the input and not used yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bits {
    /// The next bit is the lowest. Bits beyond `count` are zero between calls; within the fast loop they may be what the
    /// next refill brings.
    pub(crate) buffer: u64,
    /// How many bits there are, at most 63.
    pub(crate) count: u32,
    /// Bytes read since the start of the layer.
    loaded: u64,
}

impl Bits {
    /// Reads whole bytes until at least 56 bits are there or the input is used up.
    pub(crate) fn refill(&mut self, input: &mut &[u8]) {
        while self.count < 56 {
            let Some((&byte, rest)) = input.split_first() else {
                return;
            };
            self.buffer |= u64::from(byte).wrapping_shl(self.count);
            self.count = self.count.wrapping_add(8);
            self.loaded = self.loaded.wrapping_add(1);
            *input = rest;
        }
    }

    /// As [`Bits::refill`], for at least [`WORD`] bytes of input from `at` on, without a loop. Bits beyond `count` are those
    /// of the bytes that the next refill reads again.
    #[inline]
    pub(crate) fn refill_fast(&mut self, input: &[u8], at: &mut usize) {
        let word = input.get(*at..at.wrapping_add(WORD));
        let word = word.and_then(<[u8]>::first_chunk::<WORD>);
        let word = word.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.buffer |= word.wrapping_shl(self.count);
        *at = at.wrapping_add((63_u32.wrapping_sub(self.count) >> 3) as usize);
        self.count |= 0b11_1000;
    }

    /// Accounts for `bytes` that fast refills have read, and drops the bits beyond `count`.
    pub(crate) fn settle(&mut self, bytes: usize) {
        self.loaded = self.loaded.wrapping_add(bytes as u64);
        self.buffer &= mask(self.count);
    }

    /// Uses up bits, at most as many as there are.
    #[inline]
    pub(crate) fn drop(&mut self, bits: u32) {
        self.buffer = self.buffer.wrapping_shr(bits);
        self.count = self.count.wrapping_sub(bits);
    }

    /// Takes `bits`, at most 32, if so many are there.
    pub(crate) fn take(&mut self, bits: u32) -> Option<u32> {
        if self.count < bits {
            return None;
        }
        let value = self.buffer & mask(bits);
        self.drop(bits);
        u32::try_from(value).ok()
    }

    /// Says whether no bits are left over.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the bytes that are left over, at a byte's start.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let bytes = self.buffer.to_le_bytes();
        let count = (self.count >> 3) as usize;
        bytes.get(..count).unwrap_or_default().to_vec()
    }

    /// Uses up bytes of those left over.
    pub(crate) fn drop_bytes(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.drop(8);
        }
    }

    /// Lets bytes of the input pass that somebody else has used; none may be left over.
    pub(crate) fn pass(&mut self, input: &mut &[u8], bytes: usize) {
        *input = input.get(bytes..).unwrap_or_default();
        self.loaded = self.loaded.wrapping_add(bytes as u64);
    }

    /// Takes 32 bits, once so many are there.
    pub(crate) fn take_word(&mut self, input: &mut &[u8]) -> Option<u32> {
        self.refill(input);
        self.take(32)
    }

    /// Moves whole bytes to `room`, at a byte's start. Returns how many: fewer than fit only where the input is used up.
    pub(crate) fn copy_bytes(&mut self, input: &mut &[u8], room: &mut [u8]) -> usize {
        let mut copied = 0_usize;
        for slot in &mut *room {
            let Some(byte) = self.take(8) else {
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
        self.loaded = self.loaded.wrapping_add(bytes.len() as u64);
        *input = left;
        copied.saturating_add(bytes.len())
    }

    /// Drops the bits up to the next whole byte.
    pub(crate) fn align(&mut self) {
        self.drop(self.count & 7);
    }

    /// Says whether more bits were dropped than there were.
    pub(crate) const fn is_overdrawn(&self) -> bool {
        self.count > 63
    }

    /// Bits, 0 to 7, of the last byte that was used in part.
    pub(crate) fn unused(&self) -> u8 {
        u8::try_from(self.count & 7).unwrap_or(0)
    }

    /// Bytes of the layer that were used, the last one perhaps in part.
    pub(crate) fn consumed(&self) -> u64 {
        self.loaded.wrapping_sub(u64::from(self.count >> 3))
    }
}

/// The lowest `bits`, at most 63, set.
#[inline]
pub(crate) const fn mask(bits: u32) -> u64 {
    1_u64.wrapping_shl(bits).wrapping_sub(1)
}
