//! The `Content-Range` header of a partial response (RFC 9110, section 14.4).

/// The bytes of a partial response, and the length of the whole content. `first <= last < total`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: u64,
}

impl ContentRange {
    /// Parses `bytes first-last/total`. An unknown total (`*`) is not accepted, because it is what
    /// shows that the parts belong to the same content.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let range = Self {
            first: parse_digits(first)?,
            last: parse_digits(last)?,
            total: parse_digits(total)?,
        };
        (range.first <= range.last && range.last < range.total).then_some(range)
    }
}

/// Parses digits only. `str::parse` would accept a sign.
fn parse_digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_ranges() {
        let range = ContentRange {
            first: 1,
            last: 8,
            total: 9,
        };
        assert_eq!(ContentRange::parse("bytes 1-8/9"), Some(range));
        for text in [
            "",
            "bytes */9",
            "bytes 1-8/*",
            "bytes 1-9/9",
            "bytes 3-2/9",
            "bytes +1-8/9",
            "items 1-8/9",
            "bytes 1-8/9, bytes 1-8/9",
            "bytes 1-99999999999999999999/9",
        ] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }
}
