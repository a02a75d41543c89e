//! From bytes that nobody vouches for to a ztoc.
//!
//! Whatever is accepted here is safe to work with: the counts agree, checkpoints have their
//! length, digests are digests. Whether readers would accept it is a question for
//! [`Ztoc::reader_violations`].

use crate::compression::Compression;
use crate::entry::{EntryType, FileMetadata, Xattr, printable};
use crate::flat::{FlatError, FlatReader, FlatTable};
use crate::ztoc::{CompressionInfo, SpanError, Ztoc};

/// Why bytes are not a ztoc.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The compression is none of those the format knows.
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
    /// An entry is of a type that the format does not know.
    #[error("entry {index} has unknown type `{}`", printable(.entry_type))]
    EntryType {
        /// Position of the entry.
        index: usize,
        /// The type found.
        entry_type: Vec<u8>,
    },
    /// A part is missing that every ztoc has.
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
    /// Something lies outside the bytes given.
    #[error("offset or length at byte {at} points out of bounds")]
    OutOfBounds {
        /// Where, in bytes from the start.
        at: usize,
    },
    /// Parts overlap so much that their sum is far larger than the input.
    #[error("parts overlap too much")]
    Overlapping,
    /// The spans make no sense.
    #[error(transparent)]
    Spans(#[from] SpanError),
    /// A text that is never anything but UTF-8 is not.
    #[error("{field} is not UTF-8")]
    Utf8 {
        /// Name of the field.
        field: &'static str,
        /// Where it is not.
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

impl Ztoc {
    /// Reads the bytes of a ztoc. Memory and time stay within a small multiple of their length.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for anything that is not a well-formed ztoc.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let reader = FlatReader::new(bytes);
        let root = reader.root()?;
        let toc = required(root.table(4)?, "table of contents")?;
        let info = required(root.table(5)?, "compression info")?;
        let ztoc = Self {
            version: text(&root, 0, "version")?,
            build_tool_identifier: text(&root, 1, "build tool identifier")?,
            compressed_archive_size: unsigned(root.i64(2)?, "compressed archive size")?,
            uncompressed_archive_size: unsigned(root.i64(3)?, "uncompressed archive size")?,
            toc: entries(&toc)?,
            compression_info: compression_info(&info)?,
            truncated_ids: Vec::new(),
        };
        ztoc.spans()?;
        Ok(ztoc)
    }
}

fn entries(toc: &FlatTable<'_, '_>) -> Result<Vec<FileMetadata>, DecodeError> {
    let entries = toc.vector(0)?;
    // Not reserved at once: the count is only bounded by the input, and an entry is much larger
    // than its four bytes in the vector.
    let entries = entries.tables().enumerate();
    entries
        .map(|(index, table)| entry(index, &table?))
        .collect()
}

fn entry(index: usize, table: &FlatTable<'_, '_>) -> Result<FileMetadata, DecodeError> {
    let bytes = |field| Ok::<_, DecodeError>(table.bytes(field)?.unwrap_or_default().to_vec());
    // Required, so that every entry costs its input some bytes of its own.
    let name = required(table.bytes(0)?, "name of an entry")?;
    let entry_type = required(table.bytes(1)?, "type of an entry")?;
    let known = EntryType::parse(entry_type);
    let xattrs = table.vector(13)?.tables();
    Ok(FileMetadata {
        name: name.to_vec(),
        entry_type: known.ok_or_else(|| DecodeError::EntryType {
            index,
            entry_type: entry_type.to_vec(),
        })?,
        uncompressed_offset: unsigned(table.i64(2)?, "uncompressed offset of an entry")?,
        uncompressed_size: table.i64(3)?,
        linkname: bytes(4)?,
        mode: table.i64(5)?,
        uid: table.u32(6)?,
        gid: table.u32(7)?,
        uname: bytes(8)?,
        gname: bytes(9)?,
        mod_time: text(table, 10, "modification time of an entry")?,
        devmajor: table.i64(11)?,
        devminor: table.i64(12)?,
        xattrs: xattrs
            .map(|table| xattr(&table?))
            .collect::<Result<_, _>>()?,
    })
}

fn xattr(table: &FlatTable<'_, '_>) -> Result<Xattr, DecodeError> {
    let key = required(table.bytes(0)?, "key of an extended attribute")?;
    let value = required(table.bytes(1)?, "value of an extended attribute")?;
    Ok(Xattr {
        key: key.to_vec(),
        value: value.to_vec(),
    })
}

fn compression_info(table: &FlatTable<'_, '_>) -> Result<CompressionInfo, DecodeError> {
    let code = table.i8(0, Compression::Gzip.to_code())?;
    let algorithm = Compression::from_code(code).ok_or(DecodeError::Algorithm { code })?;
    let digests = table.vector(2)?;
    let mut span_digests = Vec::with_capacity(digests.len());
    for (span, text) in digests.strings().enumerate() {
        let digest = parse_digest(text?);
        span_digests.push(digest.ok_or(DecodeError::Digest { span })?);
    }
    let checkpoints = required(table.bytes(3)?, "checkpoint list")?;
    Ok(CompressionInfo {
        algorithm,
        max_span_id: table.i32(1)?,
        span_digests,
        checkpoints: checkpoints.to_vec(),
    })
}

fn parse_digest(text: &[u8]) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(b"sha256:")?;
    if digits.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit.wrapping_sub(b'0'),
                b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
                _ => return None,
            };
            *byte = (*byte << 4) | value;
        }
    }
    Some(digest)
}

fn required<T>(part: Option<T>, name: &'static str) -> Result<T, DecodeError> {
    part.ok_or(DecodeError::Missing { part: name })
}

fn text(
    table: &FlatTable<'_, '_>,
    field: usize,
    name: &'static str,
) -> Result<String, DecodeError> {
    let bytes = table.bytes(field)?.unwrap_or_default();
    let text = str::from_utf8(bytes);
    let text = text.map_err(|source| DecodeError::Utf8 {
        field: name,
        source,
    })?;
    Ok(text.to_owned())
}

fn unsigned(value: i64, field: &'static str) -> Result<u64, DecodeError> {
    let unsigned = u64::try_from(value).ok();
    unsigned.ok_or(DecodeError::Negative { field, value })
}
