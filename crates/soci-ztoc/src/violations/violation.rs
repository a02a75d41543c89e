//! The rules of the readers, as errors.

use crate::entry::{EntryType, display_name};

/// Compressed length of a span, in bytes, at which 32-bit counters of the readers overflow.
pub(super) const SPAN_LENGTH_OVERFLOW: u64 = 1 << 31;

/// A rule of the readers that a ztoc breaks. `entry` is an index in `Ztoc::toc`, and `name` the
/// name of that entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderViolation {
    /// The contents of an entry end after the end of the tar.
    #[error("entry {entry} `{}` ends after the end of the tar", display_name(.name))]
    BeyondEnd {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// An extended attribute has no name, and the reader refuses the layer or not, at random.
    #[error("entry {entry} `{}` has an extended attribute without a name", display_name(.name))]
    EmptyXattrName {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// An extended attribute has no value, and the comparison with the header fails at random.
    #[error(
        "entry {entry} `{}` has the extended attribute `{}` without a value",
        display_name(.name),
        display_name(.key)
    )]
    EmptyXattrValue {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Key of the attribute.
        key: Vec<u8>,
    },
    /// The target of a hard link is not an earlier entry of the same layer.
    #[error(
        "entry {entry} `{}` is a hard link to `{}`, which is not an earlier entry of the layer",
        display_name(.name),
        display_name(.target)
    )]
    HardlinkTarget {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// The target of the link.
        target: Vec<u8>,
    },
    /// There is no room for the header of this entry after the previous entry.
    #[error(
        "entry {entry} `{}` starts at {offset}, but its tar header would start at {header_offset}",
        display_name(.name)
    )]
    InvalidTocEntry {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Uncompressed offset of its contents.
        offset: u64,
        /// Uncompressed offset at which the reader expects its header.
        header_offset: i128,
    },
    /// A gzip layer has no checkpoint at all, so it cannot be read.
    #[error("gzip layer has no checkpoints")]
    NoSpans,
    /// The modification time is not within the years 0 to 9999, so the ztoc does not hold it.
    #[error(
        "entry {entry} `{}` has no modification time within the years 0 to 9999",
        display_name(.name)
    )]
    NoModTime {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// An entry without contents has a size, so the reader looks for the next header too late.
    #[error(
        "entry {entry} `{}` of type {} has a size of {size} bytes, but no contents in the tar",
        display_name(.name),
        .entry_type.as_str()
    )]
    SizeWithoutContents {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Its type.
        entry_type: EntryType,
        /// The size in its header, in bytes.
        size: i64,
    },
    /// A span ends where it starts or before, in compressed or in uncompressed bytes.
    #[error("span {span} does not start before it ends")]
    SpanOrder {
        /// Number of the span.
        span: usize,
    },
    /// A span is longer than the readers can count.
    #[error("span {span} has {size} compressed bytes, expected less than {SPAN_LENGTH_OVERFLOW}")]
    SpanTooLong {
        /// Number of the span.
        span: usize,
        /// Its compressed size in bytes.
        size: u64,
    },
    /// The entry is a sparse file, whose stored fragments the readers take for its contents.
    #[error("entry {entry} `{}` is a sparse file", display_name(.name))]
    SparseFile {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// The spans are inconsistent. A ztoc that was assembled or decoded, and not changed since,
    /// does not break this rule.
    #[error("spans are malformed")]
    Spans,
    /// Owner or group do not fit 32 bits, so the tar header differs from the ztoc.
    #[error("entry {entry} `{}` has an owner or group beyond 32 bits", display_name(.name))]
    TruncatedId {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
}

impl ReaderViolation {
    /// Returns whether the readers refuse the whole layer, rather than fail on one of its files.
    pub const fn refuses_layer(&self) -> bool {
        matches!(
            self,
            Self::EmptyXattrName { .. }
                | Self::HardlinkTarget { .. }
                | Self::InvalidTocEntry { .. }
                | Self::NoSpans
                | Self::SpanOrder { .. }
                | Self::SpanTooLong { .. }
                | Self::Spans
        )
    }
}
