//! Why a layer cannot be scanned.

use crate::entry::display_name;

/// Why a scan failed. Offsets are bytes from the start of the layer (compressed) or from the start
/// of the tar inside it (uncompressed).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The gzip stream is corrupt, cut short, or not gzip at all.
    #[error("gzip stream is corrupt at compressed offset {offset}: {reason}")]
    GzipData {
        /// Compressed bytes consumed before the fault was found.
        offset: u64,
        /// What is wrong, in the words of zlib.
        reason: String,
    },
    /// The gzip stream is complete, but is followed by bytes that are not another gzip member.
    #[error(
        "gzip stream ends at compressed offset {offset}, but other bytes follow: the first is {first:#04x}"
    )]
    TrailingData {
        /// Compressed offset of the first byte after the stream.
        offset: u64,
        /// The first byte after the stream.
        first: u8,
    },
    /// zlib reads a gzip header that the readers of a ztoc refuse.
    #[error("header of gzip member {member} at compressed offset {offset} {fault}")]
    GzipHeader {
        /// Number of the member in the layer, from 0.
        member: u64,
        /// Compressed offset of the header.
        offset: u64,
        /// What the readers refuse.
        fault: GzipHeaderFault,
    },
    /// A tar header or an extension of it is invalid.
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
    /// An extended header, long name or sparse map is longer than readers accept.
    #[error("{part} before uncompressed offset {offset} is longer than {limit} bytes")]
    ExtensionTooLong {
        /// Uncompressed bytes consumed when the limit was exceeded.
        offset: u64,
        /// What is too long.
        part: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// The format of a ztoc has no entries of this type.
    #[error(
        "tar entry `{}` before uncompressed offset {offset} has type `{}`, which a ztoc cannot hold",
        display_name(.name),
        .typeflag.escape_ascii()
    )]
    UnsupportedEntryType {
        /// The type flag of the header.
        typeflag: u8,
        /// The name of the entry as in the tar.
        name: Vec<u8>,
        /// Uncompressed bytes consumed when the type was found, which is the offset of the
        /// contents.
        offset: u64,
    },
    /// The layer exceeds one of the [`Limits`](crate::Limits) or the size of a ztoc.
    #[error("layer has more than {limit} {what}")]
    Limit {
        /// The quantity that is limited.
        what: LimitKind,
        /// The limit.
        limit: u64,
    },
    /// The span size is out of range for the compression.
    #[error(
        "span size {span_size} is out of range: expected {minimum} to {} bytes",
        i64::MAX
    )]
    SpanSize {
        /// The span size that the caller asked for, in bytes.
        span_size: u64,
        /// The smallest span size of this compression, in bytes.
        minimum: u64,
    },
    /// The decompressor could not allocate its state.
    #[error("not enough memory for the decompressor")]
    OutOfMemory,
}

/// What the readers of a ztoc (Go's `compress/gzip`) refuse in a header that zlib accepts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GzipHeaderFault {
    /// The comment has more than 511 bytes.
    #[error("holds a comment longer than 511 bytes")]
    LongComment,
    /// The file name has more than 511 bytes.
    #[error("holds a file name longer than 511 bytes")]
    LongName,
    /// The header is that of a zlib stream.
    #[error("is that of a zlib stream, expected gzip")]
    Zlib,
}

/// What is wrong with a tar header.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TarFault {
    /// The checksum is neither the unsigned nor the signed sum of the bytes.
    #[error("checksum is {expected}, but the bytes add up to {found}")]
    Checksum {
        /// The checksum in the header.
        expected: i64,
        /// The unsigned sum of the bytes.
        found: i64,
    },
    /// A block of zeros is followed by something else.
    #[error("a block of zeros must be followed by another one or by the end")]
    LoneZeroBlock,
    /// The size of an entry with contents is negative.
    #[error("expected a size of at least 0 bytes, found {size}")]
    NegativeSize {
        /// The size in the header.
        size: i64,
    },
    /// A numeric field is neither octal nor base-256.
    #[error("field `{field}` is not a number")]
    Number {
        /// Name of the field.
        field: &'static str,
    },
    /// The value of a PAX record is not a number or time in range.
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
    /// A header that is not GNU tar's has the type of a GNU sparse file.
    #[error("entry has the type `S` of a GNU sparse file, but its header is not that of GNU tar")]
    SparseFormat,
}

/// The quantities of a layer that are limited.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitKind {
    /// Tar entries.
    #[error("tar entries")]
    Entries,
    /// Bytes of checkpoints and span digests, which must fit into a ztoc of 1 GiB.
    #[error("bytes of span data (a larger span size needs less)")]
    SpanBytes,
    /// Bytes of names, owners and extended header records.
    #[error("bytes of names and extended headers")]
    StringBytes,
    /// Bytes of memory for the table of files.
    #[error("bytes of files and extended attributes in memory")]
    TableBytes,
    /// Uncompressed bytes.
    #[error("uncompressed bytes")]
    UncompressedBytes,
    /// Bytes of the ztoc.
    #[error("bytes in its ztoc")]
    ZtocBytes,
}
