//! Numbers and texts in packed form.

/// Reads packed bytes. What is missing at their end reads as 0, which does not happen to bytes
/// that this crate has packed.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Reads a number of 7 bits in each byte, the lowest first.
    pub(super) fn number(&mut self) -> u64 {
        let mut value: u64 = 0;
        let mut shift: u32 = 0;
        while let Some((&byte, rest)) = self.bytes.split_first() {
            self.bytes = rest;
            let bits = u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            value |= bits;
            if byte < 0x80 {
                break;
            }
            shift = shift.saturating_add(7);
        }
        value
    }

    /// Reads a signed number.
    pub(super) fn signed(&mut self) -> i64 {
        let value = self.number();
        (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()
    }

    /// Reads a length.
    pub(super) fn length(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }

    /// Changes `text` to the text that [`put_text`] has written for it.
    pub(super) fn text(&mut self, text: &mut Vec<u8>) {
        let shared = self.length();
        let length = self.length().min(self.bytes.len());
        let (suffix, rest) = self.bytes.split_at(length);
        text.truncate(shared);
        text.extend_from_slice(suffix);
        self.bytes = rest;
    }
}

/// Writes a number of 7 bits in each byte, the lowest first.
pub(super) fn put_number(mut value: u64, packed: &mut Vec<u8>) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        packed.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    packed.push(low);
}

/// Writes a signed number, small ones of both signs in few bytes.
pub(super) fn put_signed(value: i64, packed: &mut Vec<u8>) {
    let folded = value.wrapping_shl(1) ^ (value >> 63);
    put_number(folded.cast_unsigned(), packed);
}

/// Writes how many bytes `text` has in common with `previous` at the start, and the others.
pub(super) fn put_text(text: &[u8], previous: &[u8], packed: &mut Vec<u8>) {
    let pairs = text.iter().zip(previous);
    let shared = pairs.take_while(|(byte, other)| byte == other).count();
    let suffix = text.get(shared..).unwrap_or_default();
    put_number(shared as u64, packed);
    put_number(suffix.len() as u64, packed);
    packed.extend_from_slice(suffix);
}
