//! Durations on the command line.

use std::str::FromStr;
use std::time::Duration;

use crate::decimal::Decimal;

/// A duration of more than 0 and at most 24 hours: seconds with an optional fraction, or numbers
/// with units as Go writes them, such as `1m30s`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seconds(pub Duration);

/// The error for a text that is not a duration.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "expected a duration of more than 0 and at most 24h: seconds, such as 30 or 0.5, or a number with a unit (ms, s, m, h), such as 500ms or 2m"
)]
pub struct SecondsError;

/// The longest duration.
const MAX: Duration = Duration::from_hours(24);

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Self, SecondsError> {
        let duration = parse(&text.trim().to_ascii_lowercase());
        duration
            .filter(|duration| !duration.is_zero() && *duration <= MAX)
            .map(Self)
            .ok_or(SecondsError)
    }
}

fn parse(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (Duration::ZERO, text);
    loop {
        let (number, after) = Decimal::parse_prefix(rest)?;
        let after = after.trim_start();
        let unit_end = after.find(|character: char| !character.is_ascii_alphabetic());
        let (unit, after) = after.split_at(unit_end.unwrap_or(after.len()));
        let milliseconds: u64 = match unit {
            // A number without a unit stands alone.
            "" if rest.len() == text.len() && after.is_empty() => 1000,
            "ms" => 1,
            "s" | "sec" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => 60 * 1000,
            "h" | "hour" | "hours" => 60 * 60 * 1000,
            _ => return None,
        };
        let nanoseconds = number.times(milliseconds * 1_000_000)?;
        total = total.checked_add(Duration::from_nanos(nanoseconds))?;
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_seconds_and_units() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("0.25", 250),
            ("1.5", 1500),
            ("30s", 30_000),
            ("500ms", 500),
            ("0.5m", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            (" 2 M\n", 120_000),
            ("24h", 86_400_000),
            ("86400", 86_400_000),
        ] {
            let duration = text.parse::<Seconds>().expect(text).0;
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
        }
    }

    #[test]
    fn rejects_other_notations_and_names_the_units() {
        for text in [
            "",
            "0",
            "0s",
            "-1",
            "+1",
            "1e3",
            "inf",
            "NaN",
            "0x10",
            "86401",
            "25h",
            ".",
            ".5",
            "1.",
            "1.2.3",
            "s",
            "10 apples",
            "1m30",
            "99999999999999999999h",
            "9999999999999999999999",
        ] {
            let error = text.parse::<Seconds>().expect_err(text);
            assert!(error.to_string().contains("500ms"), "{error}");
        }
    }
}
