//! Numbers and strings in the fixed-width fields of a tar header.
//!
//! The accepted forms are those of Go's `archive/tar`. The readers of a ztoc parse the same headers
//! with that package, and would refuse a ztoc whose numbers differ from theirs.

/// Returns the bytes before the first NUL, or all bytes if there is no NUL.
pub(crate) fn c_string(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Parses an octal field. Spaces and NULs around the digits are padding; a field of padding alone
/// is zero.
pub(crate) fn parse_octal(field: &[u8]) -> Option<i64> {
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_padding(byte));
    let end = field.iter().rposition(|byte| !is_padding(byte));
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

/// Parses a numeric field: base-256 if the top bit of its first byte is set, else octal.
///
/// Base-256 is big-endian two's complement whose sign is bit 0x40 of the first byte. Returns `None`
/// for values that do not fit 64 bits including the sign.
pub(crate) fn parse_numeric(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        return parse_octal(field);
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

/// Parses a decimal number of a PAX record: an optional sign and digits, within 64 bits.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<i64> {
    str::from_utf8(text).ok()?.parse().ok()
}
