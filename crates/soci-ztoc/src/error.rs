//! Why a layer cannot be scanned.

use crate::entry::printable;

/// What stopped a scan. Offsets are bytes from the start of the layer (compressed) or of the tar
/// inside it (uncompressed).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The gzip stream is damaged, cut short, followed by other bytes, or not gzip at all.
    #[error("gzip data is damaged at compressed offset {offset}: {reason}")]
    GzipData {
        /// Compressed bytes that were consumed before the damage was seen.
        offset: u64,
        /// What the inflater says.
        reason: String,
    },
    /// A gzip header that zlib reads but the readers of a ztoc refuse.
    #[error("header of gzip member {member} at compressed offset {offset} {fault}")]
    GzipHeader {
        /// Position of the member in the file, from 0.
        member: u64,
        /// Compressed offset of the header.
        offset: u64,
        /// What the readers refuse.
        fault: GzipHeaderFault,
    },
    /// A header or its extension breaks the rules of tar.
    #[error("tar header before uncompressed offset {offset} is invalid: {fault}")]
    TarHeader {
        /// Uncompressed bytes consumed when the fault was found.
        offset: u64,
        /// What is wrong.
        fault: TarFault,
    },
    /// The tar ends inside a header or inside the contents of an entry.
    #[error("tar ends at uncompressed offset {offset} within {part}")]
    TarTruncated {
        /// Uncompressed bytes before the end.
        offset: u64,
        /// What is incomplete.
        part: &'static str,
    },
    /// An extended header, long name or sparse map is larger than any reader accepts.
    #[error("{part} before uncompressed offset {offset} is longer than {limit} bytes")]
    ExtensionTooLong {
        /// Uncompressed bytes consumed when the limit was passed.
        offset: u64,
        /// What is too long.
        part: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// The format of a ztoc has no place for entries of this type.
    #[error(
        "tar entry `{}` before uncompressed offset {offset} has type `{}`, which a ztoc cannot hold",
        printable(.name),
        .typeflag.escape_ascii()
    )]
    UnsupportedEntryType {
        /// The type flag of the header.
        typeflag: u8,
        /// The entry's name as it stands in the tar.
        name: Vec<u8>,
        /// Uncompressed bytes consumed when the type was found, which is where contents start.
        offset: u64,
    },
    /// The layer is larger than this library is willing, or the format able, to index.
    #[error("layer has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: LimitKind,
        /// How much of it is allowed.
        limit: u64,
    },
    /// The span size makes no sense for this compression.
    #[error(
        "span size {span_size} is out of range: expected {minimum} to {} bytes",
        i64::MAX
    )]
    SpanSize {
        /// What was asked for, in bytes.
        span_size: u64,
        /// The smallest span size that this compression allows, in bytes.
        minimum: u64,
    },
    /// The inflater could not allocate its state.
    #[error("no memory for the inflater")]
    OutOfMemory,
}

impl ScanError {
    /// Says whether the tar is sound but of a kind that a ztoc cannot describe, so that the layer
    /// may be left without one while others are indexed.
    pub const fn is_unindexable_tar(&self) -> bool {
        matches!(self, Self::UnsupportedEntryType { .. })
    }
}

/// What the readers of a ztoc (Go's `compress/gzip`) refuse in a header that zlib accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GzipHeaderFault {
    /// The stored comment has more than 511 bytes.
    #[error("holds a comment longer than 511 bytes")]
    LongComment,
    /// The stored file name has more than 511 bytes.
    #[error("holds a file name longer than 511 bytes")]
    LongName,
    /// A zlib stream stands where a gzip member must.
    #[error("is that of a zlib stream, expected gzip")]
    Zlib,
}

/// What is wrong with a tar header.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TarFault {
    /// The checksum fits neither the signed nor the unsigned sum.
    #[error("checksum says {expected}, bytes sum to {found}")]
    Checksum {
        /// What the header says.
        expected: i64,
        /// The unsigned sum of its bytes.
        found: i64,
    },
    /// One block of zeros is followed by something else.
    #[error("a single block of zeros must be followed by another or by nothing")]
    LoneZeroBlock,
    /// Contents cannot have a negative length.
    #[error("expected a size of at least 0 bytes, found {size}")]
    NegativeSize {
        /// What the header says.
        size: i64,
    },
    /// A numeric field is neither octal nor base-256.
    #[error("field `{field}` is not a number")]
    Number {
        /// Name of the field.
        field: &'static str,
    },
    /// The value of a PAX record is not the number or time it should be.
    #[error("extended header record `{field}` is not a number in range")]
    PaxNumber {
        /// Key of the record.
        field: &'static str,
    },
    /// An extended header is not a list of `length key=value` records.
    #[error("extended header holds a malformed record")]
    PaxRecord,
    /// The map of a sparse file is malformed or does not fit the file.
    #[error("sparse file map is malformed")]
    SparseMap,
    /// A GNU sparse entry in a header that is not GNU's.
    #[error("sparse entry (type `S`) in a header that is not of GNU tar")]
    SparseFormat,
}

/// What a layer can have too much of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitKind {
    /// Tar entries.
    #[error("tar entries")]
    Entries,
    /// Bytes of span data, which must fit a ztoc of 1 GiB.
    #[error("bytes of span data (a larger span size gives less)")]
    SpanBytes,
    /// Bytes of names, owners and extended header records.
    #[error("bytes of names and extended headers")]
    StringBytes,
    /// Uncompressed bytes.
    #[error("uncompressed bytes")]
    UncompressedBytes,
}
