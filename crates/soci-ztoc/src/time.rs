//! Modification times in the form that a ztoc stores: RFC 3339 text in UTC.

use crate::tar::number::parse_decimal;

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z; both may be negative.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Timestamp {
    /// Whole seconds.
    pub(crate) seconds: i64,
    /// Added to `seconds`; `-1_000_000_000 < nanoseconds < 1_000_000_000`.
    pub(crate) nanoseconds: i64,
}

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;
/// 0000-01-01T00:00:00Z.
const YEAR_ZERO: i64 = -62_167_219_200;
/// 10000-01-01T00:00:00Z.
const YEAR_TEN_THOUSAND: i64 = 253_402_300_800;
const SECONDS_PER_DAY: i64 = 86_400;

/// Formats a time of whole seconds since 1970-01-01T00:00:00Z as `2006-01-02T15:04:05Z` (RFC 3339).
/// Returns an empty text for a year outside 0 to 9999, which RFC 3339 does not have.
pub fn format_rfc3339(seconds: i64) -> String {
    Timestamp::from_seconds(seconds).to_rfc3339()
}

/// A day of the proleptic Gregorian calendar.
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Timestamp {
    /// Returns a time of whole seconds, as a tar header holds it.
    pub(crate) const fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }

    /// Parses the time of a PAX record, `seconds[.digits]`. Digits after the ninth are dropped.
    pub(crate) fn parse_pax(text: &[u8]) -> Option<Self> {
        let mut parts = text.splitn(2, |&byte| byte == b'.');
        let whole = parts.next().unwrap_or_default();
        let fraction = parts.next().unwrap_or_default();
        let seconds = parse_decimal(whole)?;
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut nanoseconds: i64 = 0;
        let digits = fraction.iter().copied().chain(std::iter::repeat(b'0'));
        for digit in digits.take(9) {
            let digit = i64::from(digit.wrapping_sub(b'0'));
            nanoseconds = nanoseconds.checked_mul(10)?.checked_add(digit)?;
        }
        if whole.first() == Some(&b'-') {
            nanoseconds = nanoseconds.checked_neg()?;
        }
        Some(Self {
            seconds,
            nanoseconds,
        })
    }

    /// Formats the time as `2006-01-02T15:04:05[.fffffffff]Z`, without trailing zeros in the
    /// fraction. Returns an empty text for a year outside 0 to 9999, which RFC 3339 does not have.
    pub(crate) fn to_rfc3339(self) -> String {
        self.format_rfc3339().unwrap_or_default()
    }

    fn format_rfc3339(self) -> Option<String> {
        let carry = self.nanoseconds.div_euclid(NANOSECONDS_PER_SECOND);
        let nanoseconds = self.nanoseconds.rem_euclid(NANOSECONDS_PER_SECOND);
        let seconds = self.seconds.checked_add(carry)?;
        if !(YEAR_ZERO..YEAR_TEN_THOUSAND).contains(&seconds) {
            return None;
        }
        let Date { year, month, day } = date_of_day(seconds.div_euclid(SECONDS_PER_DAY))?;
        let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let hour = second_of_day.div_euclid(3600);
        let minute = second_of_day.div_euclid(60).rem_euclid(60);
        let second = second_of_day.rem_euclid(60);
        let fraction = if nanoseconds == 0 {
            String::new()
        } else {
            let digits = format!(".{nanoseconds:09}");
            digits.trim_end_matches('0').to_owned()
        };
        Some(format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
        ))
    }
}

/// Returns the date of a day, counted from 1970-01-01.
///
/// Days are counted in eras of 400 years that start on the first of March, so that the leap day is
/// the last day of a year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`).
fn date_of_day(day: i64) -> Option<Date> {
    let shifted = day.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = day_of_era
        .checked_sub(day_of_era.div_euclid(1460))?
        .checked_add(day_of_era.div_euclid(36_524))?
        .checked_sub(day_of_era.div_euclid(146_096))?
        .div_euclid(365);
    let days_before = year_of_era
        .checked_mul(365)?
        .checked_add(year_of_era.div_euclid(4))?
        .checked_sub(year_of_era.div_euclid(100))?;
    let day_of_year = day_of_era.checked_sub(days_before)?;
    let march_month = day_of_year.checked_mul(5)?.checked_add(2)?.div_euclid(153);
    let days_before_month = march_month.checked_mul(153)?.checked_add(2)?.div_euclid(5);
    let day = day_of_year.checked_sub(days_before_month)?.checked_add(1)?;
    let month = if march_month < 10 {
        march_month.checked_add(3)?
    } else {
        march_month.checked_sub(9)?
    };
    let year = era.checked_mul(400)?.checked_add(year_of_era)?;
    let year = year.checked_add(i64::from(month <= 2))?;
    Some(Date { year, month, day })
}
