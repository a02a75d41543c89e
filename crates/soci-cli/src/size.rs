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

/// A size as an argument of an option, which knows whether it was given with a unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SizeArgument {
    /// The size.
    pub size: ByteSize,
    has_unit: bool,
}

/// The size in bytes from which on a number without a unit is plausible.
const PLAUSIBLE_BYTES: u64 = 64 << 10;

impl SizeArgument {
    /// Warns if the size is a number of bytes that was most likely meant to have a unit, such as
    /// `10` for `10MiB`. 0 is a number of its own.
    pub fn warn_if_implausible(self, option: &str) {
        let ByteSize(bytes) = self.size;
        if self.has_unit || bytes == 0 || bytes >= PLAUSIBLE_BYTES {
            return;
        }
        let unit = if bytes < 1 << 10 { "MiB" } else { "KiB" };
        let plural = if bytes == 1 { "" } else { "s" };
        tracing::warn!("{option} is {bytes} byte{plural}; did you mean {bytes}{unit}?");
    }
}

impl FromStr for SizeArgument {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            size: text.parse()?,
            has_unit: text.ends_with('B'),
        })
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
