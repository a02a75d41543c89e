//! Sizes on the command line.

use std::fmt;
use std::str::FromStr;

use crate::decimal::Decimal;

/// A size in bytes, at most `i64::MAX`: OCI descriptors and ztocs hold sizes as signed 64-bit
/// numbers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ByteSize(pub u64);

/// The error for a text that is not a size.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected a number of bytes, or a number with a unit, below 8 EiB: K, M, G, T or KiB, MiB, GiB, TiB (powers of 1024), or kB, MB, GB, TB (powers of 1000)"
)]
pub struct ByteSizeError;

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    /// Parses a number with an optional unit, in any case and with optional white space between
    /// them. `10M` is `10MiB`, as for `docker run --memory`; `10MB` is 10,000,000 bytes, as in SI.
    /// A fraction of a byte is cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = Decimal::parse_prefix(text.trim()).ok_or(ByteSizeError)?;
        let unit: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" if number.is_whole() => 1,
            "kb" => 1000,
            "mb" => 1000 * 1000,
            "gb" => 1000 * 1000 * 1000,
            "tb" => 1000 * 1000 * 1000 * 1000,
            "k" | "ki" | "kib" => 1 << 10,
            "m" | "mi" | "mib" => 1 << 20,
            "g" | "gi" | "gib" => 1 << 30,
            "t" | "ti" | "tib" => 1 << 40,
            _ => return Err(ByteSizeError),
        };
        number
            .times(unit)
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
            has_unit: text
                .trim_end()
                .ends_with(|last: char| last.is_ascii_alphabetic()),
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
            ("10mb", 10_000_000),
            ("10M", 10_485_760),
            ("10 MiB", 10_485_760),
            (" 10Mi\n", 10_485_760),
            ("1.5MiB", 1_572_864),
            ("0.1MB", 100_000),
            ("1kB", 1000),
            ("10k", 10_240),
            ("1G", 1 << 30),
            ("1.0", 1),
            ("512B", 512),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn the_error_lists_the_units() {
        for text in [
            "",
            "MiB",
            "-1",
            "-1MiB",
            "+1",
            "1.5",
            "1.5B",
            ".5MiB",
            "1.MiB",
            "1,5MiB",
            "1e6",
            "NaN",
            "inf",
            "10 apples",
            "10MiBs",
            "9223372036854775808",
            "8388608TiB",
            "99999999999999999999TiB",
            "999999999999999999999",
            "0x10",
        ] {
            let error = text.parse::<ByteSize>().expect_err(text);
            assert!(error.to_string().contains("MiB"), "{error}");
        }
    }
}
