//! Encodes a ztoc to the exact bytes that the reference's builder writes.
//!
//! A flatbuffer of given content has many valid encodings. Ztocs are addressed by digest, so this
//! one must be that of the reference (Go flatbuffers 25.12.19): it writes strings and tables back
//! to front in its order of calls, adds fields in its order, and shares nothing but vtables.
//! Neither the order nor the kind of any call here may change.
//!
//! The bytes are needed from the first to the last, and the table of files may be too large for
//! memory. So everything is written twice, in blocks of entries: once back to front, to find the
//! position of each block and each entry, and once block after block.

pub(crate) mod entries;
mod error;

use self::entries::{EntryBlocks, write_entries};
pub use self::error::EncodeError;
use self::error::to_signed;
use crate::flat_writer::{FlatWriter, MAX_ALIGNMENT, OFFSET_SIZE, Vtables};
use crate::limits::MAX_ZTOC_SIZE;
use crate::packed::PackedEntries;
use crate::ztoc::{CompressionInfo, Ztoc};

/// Bytes of offsets of entries that are written at a time.
const CHUNK_SIZE: usize = 64 << 10;

/// The encoding of a ztoc, which is written in parts.
#[derive(Debug)]
pub struct EncodedZtoc<'a> {
    entries: &'a PackedEntries,
    checkpoints: &'a [u8],
    /// What comes before the checkpoints.
    prefix: Vec<u8>,
    /// What comes between the checkpoints and the vector of the entries' offsets.
    middle: Vec<u8>,
    blocks: EntryBlocks,
    /// What comes after the entries.
    suffix: Vec<u8>,
    size: u64,
}

impl Ztoc {
    /// Encodes the ztoc.
    ///
    /// # Errors
    ///
    /// Returns [`EncodeError::TooLarge`] if the result would exceed 1 GiB, and
    /// [`EncodeError::Size`] if a size or offset exceeds `i64::MAX`.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let entries = PackedEntries::pack(&self.toc);
        let encoded = EncodedZtoc::new(self, &entries, MAX_ZTOC_SIZE)?;
        let mut bytes = Vec::with_capacity(usize::try_from(encoded.size()).unwrap_or(0));
        let written = encoded.write_to(|part| {
            bytes.extend_from_slice(part);
            Ok::<(), std::convert::Infallible>(())
        });
        match written {
            Ok(()) => Ok(bytes),
        }
    }
}

impl<'a> EncodedZtoc<'a> {
    /// Encodes a ztoc with these entries instead of its own, except for the entries themselves and
    /// the checkpoints.
    pub(crate) fn new(
        ztoc: &'a Ztoc,
        entries: &'a PackedEntries,
        limit: u64,
    ) -> Result<Self, EncodeError> {
        let limit = limit.min(MAX_ZTOC_SIZE);
        let checkpoints = ztoc.compression_info.checkpoints.as_slice();
        let check = |size: u64| {
            let is_small = size.saturating_add(checkpoints.len() as u64) <= limit;
            let error = EncodeError::TooLarge { limit };
            is_small.then_some(()).ok_or(error)
        };
        check(0)?;
        let mut vtables = Vtables::default();
        let mut writer = FlatWriter::new(0, Vec::new(), &mut vtables);
        let version = writer.string(ztoc.version.as_bytes());
        let tool = writer.string(ztoc.build_tool_identifier.as_bytes());
        let suffix = writer.bytes().to_vec();
        let blocks = EntryBlocks::find(entries, writer.position(), &mut vtables, check)?;
        let vector = blocks.end().saturating_add(OFFSET_SIZE);
        let mut writer = FlatWriter::new(vector, Vec::new(), &mut vtables);
        let mut table = writer.table();
        table.offset(0, vector);
        let toc = table.finish();
        // The checkpoints are a vector of bytes.
        writer.align(checkpoints.len() as u64, OFFSET_SIZE);
        let middle = writer.bytes().to_vec();
        let end = writer.position().saturating_add(checkpoints.len() as u64);
        check(end.saturating_sub(checkpoints.len() as u64))?;
        let root = Root {
            ztoc,
            version,
            tool,
            toc,
            alignment: if blocks.has_long_numbers() || has_long_numbers(ztoc) {
                MAX_ALIGNMENT
            } else {
                OFFSET_SIZE
            },
        };
        let mut writer = FlatWriter::new(end, Vec::new(), &mut vtables);
        root.write(&mut writer)?;
        let size = writer.position();
        check(size.saturating_sub(checkpoints.len() as u64))?;
        let prefix = writer.bytes().to_vec();
        Ok(Self {
            entries,
            checkpoints,
            prefix,
            middle,
            blocks,
            suffix,
            size,
        })
    }

    /// Returns the size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Passes the bytes of the ztoc to `write`, part after part.
    ///
    /// # Errors
    ///
    /// Returns the first error of `write`.
    pub fn write_to<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        write(&self.prefix)?;
        write(self.checkpoints)?;
        write(&self.middle)?;
        self.write_offsets(&mut write)?;
        write_entries(self.entries, &self.blocks, &mut write)?;
        write(&self.suffix)
    }

    /// Writes the vector of the entries' offsets.
    fn write_offsets<E>(&self, write: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let tables = self.blocks.tables();
        let count = u32::try_from(tables.len()).unwrap_or_default();
        let mut chunk = count.to_le_bytes().to_vec();
        let mut position = self.blocks.end();
        for table in tables {
            let offset = position.saturating_sub(u64::from(*table));
            let offset = u32::try_from(offset).unwrap_or_default();
            chunk.extend_from_slice(&offset.to_le_bytes());
            position = position.saturating_sub(OFFSET_SIZE);
            if chunk.len() >= CHUNK_SIZE {
                write(&chunk)?;
                chunk.clear();
            }
        }
        write(&chunk)
    }
}

/// What the root table refers to.
struct Root<'a> {
    ztoc: &'a Ztoc,
    version: u64,
    tool: u64,
    toc: u64,
    /// The strictest alignment of a value in the whole ztoc, in bytes.
    alignment: u64,
}

impl Root<'_> {
    /// Writes what comes before the checkpoints.
    fn write(&self, writer: &mut FlatWriter<'_>) -> Result<(), EncodeError> {
        let info = &self.ztoc.compression_info;
        writer.push_u32(u32::try_from(info.checkpoints.len()).unwrap_or_default());
        let checkpoints = writer.position();
        let info = write_compression_info(writer, info, checkpoints);
        let mut table = writer.table();
        table.offset(0, self.version);
        table.offset(1, self.tool);
        table.offset(4, self.toc);
        table.signed(2, to_signed(self.ztoc.compressed_archive_size)?);
        table.signed(3, to_signed(self.ztoc.uncompressed_archive_size)?);
        table.offset(5, info);
        let root = table.finish();
        writer.align(OFFSET_SIZE, self.alignment);
        writer.push_offset(root);
        Ok(())
    }
}

fn write_compression_info(
    writer: &mut FlatWriter<'_>,
    info: &CompressionInfo,
    checkpoints: u64,
) -> u64 {
    let digests = info.span_digests.iter();
    let digests: Vec<u64> = digests
        .map(|digest| writer.string(format_digest(digest).as_bytes()))
        .collect();
    let digests = writer.offsets(&digests);
    let mut table = writer.table();
    table.short(1, info.max_span_id.cast_unsigned());
    table.offset(2, digests);
    table.offset(3, checkpoints);
    // The compression comes last. It is left out for gzip, the default of the schema.
    let code = info.algorithm.to_code();
    if code != 1 {
        table.byte(0, code);
    }
    table.finish()
}

/// Returns whether the root table has numbers of 64 bits, which align the whole flatbuffer.
const fn has_long_numbers(ztoc: &Ztoc) -> bool {
    ztoc.compressed_archive_size != 0 || ztoc.uncompressed_archive_size != 0
}

fn format_digest(digest: &[u8; 32]) -> String {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in digest {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
        }
    }
    text
}
