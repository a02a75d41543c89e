//! Why bytes are not a ztoc.

use crate::entry::display_name;
use crate::error::LimitKind;
use crate::flat::FlatError;
use crate::ztoc::SpanError;

/// Why bytes are not a ztoc.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The format does not know the compression.
    #[error("compression algorithm {code} is unknown, expected 1 (gzip) or 2 (uncompressed)")]
    Algorithm {
        /// The number found.
        code: i8,
    },
    /// A span digest is not `sha256:` and 64 lower-case hexadecimal digits.
    #[error("digest of span {span} is malformed")]
    Digest {
        /// Number of the span.
        span: usize,
    },
    /// The format does not know the type of an entry.
    #[error("entry {index} has unknown type `{}`", display_name(.entry_type))]
    EntryType {
        /// Index of the entry.
        index: usize,
        /// The type found.
        entry_type: Vec<u8>,
    },
    /// The ztoc has more of something than a layer may have.
    #[error("ztoc has more than {limit} {what}")]
    Limit {
        /// The quantity that is limited.
        what: LimitKind,
        /// The limit.
        limit: u64,
    },
    /// Decoding takes more memory than the caller allows.
    #[error("ztoc takes more than {limit} bytes of memory")]
    Memory {
        /// The limit in bytes.
        limit: u64,
    },
    /// A part that every ztoc has is missing.
    #[error("{part} is missing")]
    Missing {
        /// Name of the part.
        part: &'static str,
    },
    /// A size or offset is negative.
    #[error("{field} must not be negative, found {value}")]
    Negative {
        /// Name of the field.
        field: &'static str,
        /// The number found.
        value: i64,
    },
    /// A part lies outside the bytes given.
    #[error("offset or length at byte {at} points out of bounds")]
    OutOfBounds {
        /// The position that was read, in bytes from the start.
        at: usize,
    },
    /// Parts are named so often that their total size is far larger than the input.
    #[error("parts overlap too much: the same entry or text is named again and again")]
    Overlapping,
    /// The spans are inconsistent.
    #[error(transparent)]
    Spans(#[from] SpanError),
    /// A text that must be UTF-8 is not.
    #[error("{field} is not UTF-8")]
    Utf8 {
        /// Name of the field.
        field: &'static str,
        /// Position and length of the invalid bytes.
        source: std::str::Utf8Error,
    },
}

impl From<FlatError> for DecodeError {
    fn from(error: FlatError) -> Self {
        match error {
            FlatError::OutOfBounds { at } => Self::OutOfBounds { at },
            FlatError::Overlapping => Self::Overlapping,
        }
    }
}
