//! Durations on the command line.

use std::str::FromStr;
use std::time::Duration;

/// A duration in seconds, with an optional fraction: more than 0 and at most 86,400 (one day).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seconds(pub Duration);

/// The error for a text that is not a duration in seconds.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected seconds, more than 0 and at most 86400, such as 30 or 0.5")]
pub struct SecondsError;

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Self, SecondsError> {
        const MAX: Duration = Duration::from_hours(24);
        // `f64` would also accept signs, exponents, and words such as `inf`.
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let seconds = text.parse().ok().filter(|_| is_plain);
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration
            .filter(|duration| !duration.is_zero() && *duration <= MAX)
            .map(Self)
            .ok_or(SecondsError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_seconds_and_rejects_other_notations() {
        let parse = |text: &str| text.parse::<Seconds>().map(|seconds| seconds.0).ok();
        assert_eq!(parse("30"), Some(Duration::from_secs(30)));
        assert_eq!(parse("0.25"), Some(Duration::from_millis(250)));
        for text in [
            "", "0", "-1", "+1", "1e3", "1s", "inf", "NaN", "86401", ".", "1.2.3",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
