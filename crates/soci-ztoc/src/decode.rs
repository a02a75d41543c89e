//! Decodes a ztoc from untrusted bytes.
//!
//! A ztoc that is decoded here is consistent: its counts agree, its checkpoints have their length,
//! and its digests are well-formed. Whether readers accept it is checked by
//! [`Ztoc::visit_reader_violations`].

use crate::compression::Compression;
use crate::entry::{EntryType, FileMetadata, Xattr, display_name};
use crate::flat::{FlatError, FlatReader, FlatTable};
use crate::ztoc::{CompressionInfo, SpanError, Ztoc};

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
    /// Parts overlap so much that their total size is far larger than the input.
    #[error("parts overlap too much")]
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

impl Ztoc {
    /// Decodes a ztoc. Memory and time are within a small multiple of the length of `bytes`.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not a well-formed ztoc.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let reader = FlatReader::new(bytes);
        let root = reader.root_table()?;
        let toc = require(root.read_table(4)?, "table of contents")?;
        let info = require(root.read_table(5)?, "compression info")?;
        let ztoc = Self {
            version: read_text(&root, 0, "version")?,
            build_tool_identifier: read_text(&root, 1, "build tool identifier")?,
            compressed_archive_size: read_unsigned(&root, 2, "compressed archive size")?,
            uncompressed_archive_size: read_unsigned(&root, 3, "uncompressed archive size")?,
            toc: read_entries(&toc)?,
            compression_info: read_compression_info(&info)?,
            truncated_ids: Vec::new(),
        };
        ztoc.spans()?;
        Ok(ztoc)
    }
}

fn read_entries(toc: &FlatTable<'_, '_>) -> Result<Vec<FileMetadata>, DecodeError> {
    let entries = toc.read_vector(0)?;
    // No memory is reserved for all entries at once: an entry is much larger than its four bytes
    // in the vector, and only the input bounds the length of the vector.
    let entries = entries.read_tables().enumerate();
    entries
        .map(|(index, table)| read_entry(index, &table?))
        .collect()
}

fn read_entry(index: usize, table: &FlatTable<'_, '_>) -> Result<FileMetadata, DecodeError> {
    let bytes = |field| Ok::<_, DecodeError>(table.read_bytes(field)?.unwrap_or_default().to_vec());
    // Name and type are required, so that every entry takes up some bytes of the input.
    let name = require(table.read_bytes(0)?, "name of an entry")?;
    let type_name = require(table.read_bytes(1)?, "type of an entry")?;
    let entry_type = EntryType::parse(type_name);
    let xattrs = table.read_vector(13)?.read_tables();
    Ok(FileMetadata {
        name: name.to_vec(),
        entry_type: entry_type.ok_or_else(|| DecodeError::EntryType {
            index,
            entry_type: type_name.to_vec(),
        })?,
        uncompressed_offset: read_unsigned(table, 2, "uncompressed offset of an entry")?,
        uncompressed_size: table.read_i64(3)?,
        linkname: bytes(4)?,
        mode: table.read_i64(5)?,
        uid: table.read_u32(6)?,
        gid: table.read_u32(7)?,
        uname: bytes(8)?,
        gname: bytes(9)?,
        mod_time: read_text(table, 10, "modification time of an entry")?,
        devmajor: table.read_i64(11)?,
        devminor: table.read_i64(12)?,
        xattrs: xattrs
            .map(|table| read_xattr(&table?))
            .collect::<Result<_, _>>()?,
    })
}

fn read_xattr(table: &FlatTable<'_, '_>) -> Result<Xattr, DecodeError> {
    let key = require(table.read_bytes(0)?, "key of an extended attribute")?;
    let value = require(table.read_bytes(1)?, "value of an extended attribute")?;
    Ok(Xattr {
        key: key.to_vec(),
        value: value.to_vec(),
    })
}

fn read_compression_info(table: &FlatTable<'_, '_>) -> Result<CompressionInfo, DecodeError> {
    let code = table.read_i8(0, Compression::Gzip.to_code())?;
    let algorithm = Compression::from_code(code).ok_or(DecodeError::Algorithm { code })?;
    let digests = table.read_vector(2)?;
    let mut span_digests = Vec::with_capacity(digests.len());
    for (span, text) in digests.read_strings().enumerate() {
        let digest = parse_digest(text?);
        span_digests.push(digest.ok_or(DecodeError::Digest { span })?);
    }
    let checkpoints = require(table.read_bytes(3)?, "checkpoint list")?;
    Ok(CompressionInfo {
        algorithm,
        max_span_id: table.read_i32(1)?,
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

fn require<T>(part: Option<T>, name: &'static str) -> Result<T, DecodeError> {
    part.ok_or(DecodeError::Missing { part: name })
}

fn read_text(
    table: &FlatTable<'_, '_>,
    field: usize,
    name: &'static str,
) -> Result<String, DecodeError> {
    let bytes = table.read_bytes(field)?.unwrap_or_default();
    let text = str::from_utf8(bytes);
    let text = text.map_err(|source| DecodeError::Utf8 {
        field: name,
        source,
    })?;
    Ok(text.to_owned())
}

fn read_unsigned(
    table: &FlatTable<'_, '_>,
    field: usize,
    name: &'static str,
) -> Result<u64, DecodeError> {
    let value = table.read_i64(field)?;
    let unsigned = u64::try_from(value).ok();
    unsigned.ok_or(DecodeError::Negative { field: name, value })
}
