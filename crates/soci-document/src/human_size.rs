//! Sizes for people.

use std::fmt;

/// The units of sizes, each 1024 times as large as the one before.
const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size in bytes, displayed with a binary unit and about three digits: `512 B`, `4.1 MiB`,
/// `195 MiB`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HumanSize(pub u64);

/// A part of a size, displayed with one unit if it is the same: `195 of 226 MiB`, `12 KiB of
/// 1.5 GiB`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HumanSizes {
    /// The part in bytes.
    pub part: u64,
    /// The whole in bytes.
    pub whole: u64,
}

impl HumanSize {
    /// Returns the number and the unit that are displayed.
    fn parts(self) -> (String, &'static str) {
        let bytes = self.0;
        let exponent = (bytes.checked_ilog2().unwrap_or(0) / 10) as usize;
        let unit = 1_u128 << (10 * exponent);
        let round = |factor: u128| (u128::from(bytes) * factor + unit / 2) / unit;
        match (round(1), round(10)) {
            _ if exponent == 0 => (bytes.to_string(), UNITS[0]),
            // 1023.6 KiB are 1.0 MiB.
            (1024, _) => ("1.0".to_owned(), UNITS[exponent + 1]),
            (whole, 100..) => (whole.to_string(), UNITS[exponent]),
            (_, tenths) => (format!("{}.{}", tenths / 10, tenths % 10), UNITS[exponent]),
        }
    }
}

impl fmt::Display for HumanSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = self.parts();
        write!(f, "{number} {unit}")
    }
}

impl fmt::Display for HumanSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, part_unit) = HumanSize(self.part).parts();
        let (whole, unit) = HumanSize(self.whole).parts();
        if part_unit == unit || self.part == 0 {
            write!(f, "{part} of {whole} {unit}")
        } else {
            write!(f, "{part} {part_unit} of {whole} {unit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_about_three_digits_with_a_binary_unit() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 << 10, "10 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (4_299_161, "4.1 MiB"),
            (195 << 20, "195 MiB"),
            (1023 << 20, "1023 MiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(HumanSize(bytes).to_string(), expected, "{bytes}");
        }
    }

    #[test]
    fn displays_a_common_unit_once() {
        let sizes = |part, whole| HumanSizes { part, whole }.to_string();
        assert_eq!(sizes(195 << 20, 226 << 20), "195 of 226 MiB");
        assert_eq!(sizes(12 << 10, 3 << 29), "12 KiB of 1.5 GiB");
        assert_eq!(sizes(0, 226 << 20), "0 of 226 MiB");
    }
}
