//! Compares modification times, which a ztoc may hold in any time zone.

/// Seconds since 1970-01-01T00:00:00Z, and nanoseconds after them.
type Instant = (i64, u32);

/// Returns whether two texts are the same instant. Texts that are not RFC 3339 are compared as they
/// are.
pub(super) fn is_same_time(left: &str, right: &str) -> bool {
    left == right
        || matches!((parse(left), parse(right)), (Some(left), Some(right)) if left == right)
}

/// Parses a time such as `2006-01-02T15:04:05.5+02:00` (RFC 3339, section 5.6) with at most nine
/// digits of fraction.
fn parse(text: &str) -> Option<Instant> {
    let (date, rest) = text.split_once('T')?;
    let zone = rest.find(['Z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone)?;
    let (time, fraction) = time.split_once('.').map_or((time, ""), |parts| parts);
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let is_in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_in_range || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    let seconds = days_since_epoch(year, month, day)?
        .checked_mul(86_400)?
        .checked_add(seconds_of(hour, minute)?)?
        .checked_add(second)?
        .checked_sub(parse_zone(zone)?)?;
    Some((seconds, nanoseconds))
}

/// Parses `Z` or `±hh:mm` as seconds east of UTC.
fn parse_zone(zone: &str) -> Option<i64> {
    let sign = match zone.get(..1)? {
        "Z" => return (zone.len() == 1).then_some(0),
        "-" => -1_i64,
        _ => 1,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    sign.checked_mul(seconds_of(number(hours)?, number(minutes)?)?)
}

fn seconds_of(hours: i64, minutes: i64) -> Option<i64> {
    hours.checked_mul(60)?.checked_add(minutes)?.checked_mul(60)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let numbers = [
        number(parts.next()?)?,
        number(parts.next()?)?,
        number(parts.next()?)?,
    ];
    parts.next().is_none().then_some(numbers)
}

fn number(digits: &str) -> Option<i64> {
    let is_short = (1..=4).contains(&digits.len());
    let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_short && is_decimal).then(|| digits.parse().ok())?
}

/// Returns the number of days from 1970-01-01 to a date (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `days_from_civil`).
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    // Years start on the first of March, so that the leap day is the last day of a year.
    let year = year.checked_sub(i64::from(month <= 2))?;
    let month = month.checked_add(9)?.rem_euclid(12);
    let day_of_year = month
        .checked_mul(153)?
        .checked_add(2)?
        .div_euclid(5)
        .checked_add(day)?
        .checked_sub(1)?;
    let leap_days = year
        .div_euclid(4)
        .checked_sub(year.div_euclid(100))?
        .checked_add(year.div_euclid(400))?;
    year.checked_mul(365)?
        .checked_add(leap_days)?
        .checked_add(day_of_year)?
        .checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::{is_same_time, parse};
    use crate::time::format_rfc3339;

    #[test]
    fn the_same_instant_in_two_zones_is_equal() {
        for other in [
            "2023-11-14T17:13:20.5-05:00",
            "2023-11-15T03:43:20.500+05:30",
            "2023-11-14T22:13:20.5Z",
        ] {
            assert!(is_same_time("2023-11-14T22:13:20.5Z", other), "{other}");
        }
        let nanoseconds = "2023-11-14T22:13:20.123456789Z";
        let other = "2023-11-14T23:13:20.123456789+01:00";
        assert!(is_same_time(nanoseconds, other));
    }

    #[test]
    fn other_instants_and_texts_differ() {
        for other in [
            "",
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20.5",
            "x",
            "2023-13-14T22:13:20.5Z",
        ] {
            assert!(!is_same_time("2023-11-14T22:13:20.5Z", other), "{other}");
        }
        assert!(is_same_time("", ""));
    }

    /// What would be the same instant if parts could have a sign, or be carried into the next.
    #[test]
    fn parts_of_other_forms_are_no_time() {
        for (time, other) in [
            ("2024-01-01T10:00:00Z", "2023-13-01T10:00:00Z"),
            ("2023-12-01T10:00:00Z", "2024-00-01T10:00:00Z"),
            ("2024-01-01T10:00:00Z", "2023-12-32T10:00:00Z"),
            ("2023-11-30T10:00:00Z", "2023-12-00T10:00:00Z"),
            ("2023-11-04T10:00:00Z", "2023-11-+4T10:00:00Z"),
            ("2023-11-15T00:00:00Z", "2023-11-14T24:00:00Z"),
            ("2023-11-14T11:00:00Z", "2023-11-14T10:60:00Z"),
            ("2023-11-14T10:01:00Z", "2023-11-14T10:00:60Z"),
        ] {
            assert!(parse(time).is_some(), "{time}");
            assert_eq!(parse(other), None, "{other}");
            assert!(!is_same_time(time, other), "{other}");
        }
    }

    #[test]
    fn seconds_are_those_that_were_formatted() {
        for seconds in (-62_167_219_200..253_402_300_800).step_by(86_400 * 97 + 12_345) {
            assert_eq!(parse(&format_rfc3339(seconds)), Some((seconds, 0)));
        }
    }
}
