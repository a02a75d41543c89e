//! The `Content-Range` of a partial reply (RFC 9110, 14.4).

/// Which bytes a partial reply holds, of how many. `first <= last < total`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: u64,
}

impl ContentRange {
    /// Reads `bytes first-last/total`. A total that is not given is not accepted: nothing would tie the parts together.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let range = Self {
            first: number(first)?,
            last: number(last)?,
            total: number(total)?,
        };
        (range.first <= range.last && range.last < range.total).then_some(range)
    }
}

/// Reads digits and nothing else: `str::parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
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
