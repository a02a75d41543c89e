//! Sizes on the command line.

use std::fmt;
use std::str::FromStr;

/// A size in bytes, at most `i64::MAX`: OCI descriptors and ztocs hold sizes as signed 64-bit
/// numbers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ByteSize(pub u64);

/// The error for a text that is not a size.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected a whole number with an optional unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB), below 8 EiB"
)]
pub struct ByteSizeError;

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unit_start = text
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, unit) = text.split_at(unit_start);
        let unit: u64 = match unit {
            "" | "B" => 1,
            "kB" | "KB" => 1000,
            "MB" => 1000 * 1000,
            "GB" => 1000 * 1000 * 1000,
            "TB" => 1000 * 1000 * 1000 * 1000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err(ByteSizeError),
        };
        let bytes = digits
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(unit));
        bytes
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .map(Self)
            .ok_or(ByteSizeError)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&indicatif::BinaryBytes(self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_binary_and_decimal_units() {
        for (text, bytes) in [
            ("0", 0),
            ("10485760", 10_485_760),
            ("10MiB", 10_485_760),
            ("10MB", 10_000_000),
            ("1kB", 1000),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)));
        }
    }

    #[test]
    fn the_error_lists_the_units() {
        for text in [
            "",
            "MiB",
            "-1",
            "1.5MiB",
            "10M",
            "10 MiB",
            "9223372036854775808",
            "8388608TiB",
            "0x10",
        ] {
            let error = text.parse::<ByteSize>().expect_err(text);
            assert!(error.to_string().contains("MiB"), "{error}");
        }
    }
}
