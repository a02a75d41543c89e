//! Decimal numbers on the command line.

/// Billionths of 1, in which fractions are counted.
const BILLIONTHS: u128 = 1_000_000_000;

/// A decimal number of at most 20 digits before the point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal {
    billionths: u128,
}

impl Decimal {
    /// Parses the number at the start of `text`, such as `10` or `1.5`, and returns it with the
    /// rest of the text. Returns `None` if `text` starts with something else. Digits after the
    /// ninth of a fraction are ignored.
    pub(crate) fn parse_prefix(text: &str) -> Option<(Self, &str)> {
        let (whole, mut rest) = split_digits(text);
        let mut billionths = match whole.len() {
            1..=20 => whole.parse::<u128>().ok()? * BILLIONTHS,
            _ => return None,
        };
        if let Some(after) = rest.strip_prefix('.') {
            let (fraction, after) = split_digits(after);
            if fraction.is_empty() {
                return None;
            }
            let digits = fraction.get(..9).unwrap_or(fraction);
            billionths += format!("{digits:0<9}").parse::<u128>().ok()?;
            rest = after;
        }
        Some((Self { billionths }, rest))
    }

    /// Returns whether the number has no fraction.
    pub(crate) fn is_whole(self) -> bool {
        self.billionths.is_multiple_of(BILLIONTHS)
    }

    /// Returns the product with `unit` without its fraction, or `None` if it exceeds 64 bits.
    pub(crate) fn times(self, unit: u64) -> Option<u64> {
        let product = self.billionths.checked_mul(u128::from(unit))?;
        u64::try_from(product / BILLIONTHS).ok()
    }
}

/// Splits a text after the ASCII digits at its start.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}
