//! Why a ztoc cannot be encoded.

/// Why a ztoc cannot be encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A size or offset exceeds `i64::MAX`, which is what the format stores.
    #[error("{value} bytes do not fit a signed 64-bit number")]
    Size {
        /// The size or offset in bytes.
        value: u64,
    },
    /// The encoded ztoc would exceed a limit: 1 GiB, which is more than the reference builds and
    /// reads, or a smaller one.
    #[error("ztoc needs more than {limit} bytes (a larger span size needs less)")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

pub(super) fn to_signed(value: u64) -> Result<i64, EncodeError> {
    i64::try_from(value).ok().ok_or(EncodeError::Size { value })
}
