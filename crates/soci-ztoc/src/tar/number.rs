//! Numbers and strings in the fixed-width fields of a tar header.
//!
//! The accepted forms are those of Go's `archive/tar`, because the readers of a ztoc parse the
//! same headers with it: a form read differently here would give a ztoc that they refuse.

/// Returns the bytes before the first NUL, or all of them.
pub(crate) fn c_string(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Reads an octal field: spaces and NULs around it are padding, nothing at all is zero.
pub(crate) fn octal(field: &[u8]) -> Option<i64> {
    let padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !padding(byte));
    let end = field.iter().rposition(|byte| !padding(byte));
    let (Some(start), Some(end)) = (start, end) else {
        return Some(0);
    };
    let digits = c_string(field.get(start..=end)?);
    let mut value: i64 = 0;
    for &digit in digits {
        if !matches!(digit, b'0'..=b'7') {
            return None;
        }
        let digit = digit.wrapping_sub(b'0');
        value = value.checked_mul(8)?.checked_add(i64::from(digit))?;
    }
    Some(value)
}

/// Reads a numeric field: base-256 when the top bit of its first byte is set, else octal.
///
/// Base-256 is big-endian two's complement whose sign is bit 0x40 of the first byte. Values that
/// do not fit 63 bits and a sign are refused.
pub(crate) fn numeric(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        return octal(field);
    }
    let negative = first & 0x40 != 0;
    let mask = if negative { 0xff } else { 0x00 };
    let mut value: u64 = 0;
    for (index, &byte) in field.iter().enumerate() {
        let byte = byte ^ mask;
        let byte = if index == 0 { byte & 0x7f } else { byte };
        if value >> 56 != 0 {
            return None;
        }
        value = (value << 8) | u64::from(byte);
    }
    let magnitude = i64::try_from(value).ok()?;
    Some(if negative { !magnitude } else { magnitude })
}

/// Reads a decimal of a PAX record: an optional sign and digits, within 64 bits.
pub(crate) fn decimal(text: &[u8]) -> Option<i64> {
    str::from_utf8(text).ok()?.parse().ok()
}
