//! Times, shares and counts, as a person reads them.

use std::fmt;

/// A time in seconds: `0.8 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`. A time that is not a number,
/// or that is negative, is displayed as `–`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seconds(pub(crate) f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !(0.0..1e9).contains(&self.0) {
            return f.pad("–");
        }
        if self.0 < 0.095 {
            return f.pad(&format!("{:.2} s", self.0));
        }
        if self.0 < 59.95 {
            return f.pad(&format!("{:.1} s", self.0));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number is between 59 and 1e9"
        )]
        let whole = self.0.round() as u64;
        let (minutes, seconds) = (whole / 60, whole % 60);
        match minutes {
            0..60 => f.pad(&format!("{minutes} min {seconds:02} s")),
            _ => f.pad(&format!("{} h {:02} min", minutes / 60, minutes % 60)),
        }
    }
}

/// The share of `part` in `whole`, in percent: `86 %`. A share that rounds to 0 or 100 although it
/// is neither is displayed as `< 1 %` or `> 99 %`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Share {
    pub(crate) part: u64,
    pub(crate) whole: u64,
}

impl Share {
    /// Returns the share in hundredths of a percent, from 0 to 10,000.
    pub(crate) fn basis_points(self) -> u64 {
        if self.whole == 0 {
            return 0;
        }
        let part = u128::from(self.part.min(self.whole));
        u64::try_from(part * 10_000 / u128::from(self.whole)).unwrap_or(10_000)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.basis_points() + 50) / 100;
        match percent {
            0 if self.part > 0 => f.pad("< 1 %"),
            100 if self.part < self.whole => f.pad("> 99 %"),
            _ => f.pad(&format!("{percent} %")),
        }
    }
}

/// A count with its noun: `1 layer`, `12 layers`. The plural has an `s`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Count(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_times() {
        for (seconds, expected) in [
            (0.0, "0.00 s"),
            (0.034, "0.03 s"),
            (0.099, "0.1 s"),
            (12.345, "12.3 s"),
            (59.96, "1 min 00 s"),
            (125.0, "2 min 05 s"),
            (3720.0, "1 h 02 min"),
            (-1.0, "–"),
            (1e300, "–"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(Seconds(seconds).to_string(), expected, "{seconds}");
        }
    }

    #[test]
    fn displays_shares() {
        for (part, whole, expected) in [
            (0, 0, "0 %"),
            (0, 5, "0 %"),
            (1, 1000, "< 1 %"),
            (999, 1000, "> 99 %"),
            (86, 100, "86 %"),
            (5, 5, "100 %"),
            (u64::MAX, u64::MAX, "100 %"),
        ] {
            assert_eq!(Share { part, whole }.to_string(), expected);
        }
    }
}
