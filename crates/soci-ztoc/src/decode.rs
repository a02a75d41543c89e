//! Decodes a ztoc from untrusted bytes.
//!
//! A ztoc that is decoded here is consistent: its counts agree, its checkpoints have their length,
//! and its digests are well-formed. Whether readers accept it is checked by
//! [`Ztoc::visit_reader_violations`].

use std::ops::Range;

use crate::decode_error::DecodeError;
use crate::entry::{EntryType, FileMetadata, Xattr};
use crate::field::{read_text, read_unsigned, require};
use crate::flat::{FlatReader, FlatTable};
use crate::footprint::check_footprint;
use crate::header::ZtocHeader;
use crate::packed::PackedEntries;
use crate::packed_ztoc::PackedZtoc;
use crate::ztoc::{CompressionInfo, SpanError, Ztoc};

impl Ztoc {
    /// Decodes a ztoc. The memory is at most five times the length of `bytes`, and is checked
    /// before any is allocated. The time is within a small multiple of the length.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not a well-formed ztoc, or if they name the same parts so
    /// often that decoding would take more memory.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        check_footprint(bytes, u64::MAX)?;
        let mut toc = Vec::new();
        let (mut ztoc, checkpoints) = decode_parts(bytes, &mut toc)?;
        ztoc.toc = toc;
        checkpoints.clone_into(&mut ztoc.compression_info.checkpoints);
        ztoc.spans()?;
        Ok(ztoc)
    }

    /// Decodes a ztoc from a buffer that becomes the list of its checkpoints, so that these are not
    /// in memory twice. The buffer and what is decoded take at most `max_memory` bytes, which is
    /// checked before any memory is allocated.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Ztoc::decode`], and [`DecodeError::Memory`] if more than
    /// `max_memory` bytes are needed.
    pub fn decode_within(bytes: Vec<u8>, max_memory: u64) -> Result<Self, DecodeError> {
        check_footprint(&bytes, max_memory)?;
        let mut toc = Vec::new();
        let (mut ztoc, checkpoints) = decode_parts(&bytes, &mut toc)?;
        let checkpoints = range_of(checkpoints, &bytes);
        ztoc.toc = toc;
        ztoc.keep_checkpoints(bytes, checkpoints)?;
        Ok(ztoc)
    }

    /// Makes the list of checkpoints of the part of a buffer in which it is.
    fn keep_checkpoints(
        &mut self,
        mut bytes: Vec<u8>,
        part: Range<usize>,
    ) -> Result<(), SpanError> {
        bytes.truncate(part.end);
        drop(bytes.drain(..part.start));
        bytes.shrink_to_fit();
        self.compression_info.checkpoints = bytes;
        self.spans().map(drop)
    }
}

impl PackedZtoc {
    /// Decodes a ztoc from a buffer that becomes the list of its checkpoints, and packs its
    /// entries one by one. Both together usually take a quarter more memory than the buffer, and
    /// twice its length if no entry has a text in common with the one before it.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Ztoc::decode`].
    pub fn decode(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        check_footprint(&bytes, u64::MAX)?;
        let mut entries = PackedEntries::default();
        let (mut ztoc, checkpoints) = decode_parts(&bytes, &mut entries)?;
        entries.complete_block();
        let checkpoints = range_of(checkpoints, &bytes);
        ztoc.keep_checkpoints(bytes, checkpoints)?;
        Ok(Self { ztoc, entries })
    }
}

/// Returns where a part of a buffer lies in it.
fn range_of(part: &[u8], bytes: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr();
    let start = start.saturating_sub(bytes.as_ptr().addr());
    start..start.saturating_add(part.len())
}

/// Where decoded entries are put.
trait EntrySink {
    /// Prepares for so many entries.
    fn expect(&mut self, count: usize);

    fn add(&mut self, entry: FileMetadata);
}

impl EntrySink for Vec<FileMetadata> {
    fn expect(&mut self, count: usize) {
        self.reserve_exact(count);
    }

    fn add(&mut self, entry: FileMetadata) {
        self.push(entry);
    }
}

impl EntrySink for PackedEntries {
    fn expect(&mut self, _count: usize) {}

    fn add(&mut self, entry: FileMetadata) {
        self.push(entry);
    }
}

/// Decodes everything but the checkpoints, which are returned beside the ztoc. The entries are put
/// into `entries`.
fn decode_parts<'b>(
    bytes: &'b [u8],
    entries: &mut impl EntrySink,
) -> Result<(Ztoc, &'b [u8]), DecodeError> {
    let reader = FlatReader::new(bytes);
    let root = reader.root_table()?;
    let toc = require(root.read_table(4)?, "table of contents")?;
    let info = require(root.read_table(5)?, "compression info")?;
    let header = ZtocHeader::from_tables(&root, &info)?;
    let tables = toc.read_vector(0)?;
    entries.expect(tables.len());
    for (index, table) in tables.read_tables().enumerate() {
        entries.add(read_entry(index, &table?)?);
    }
    let ztoc = Ztoc {
        version: header.version.to_owned(),
        build_tool_identifier: header.build_tool_identifier.to_owned(),
        compressed_archive_size: header.compressed_archive_size,
        uncompressed_archive_size: header.uncompressed_archive_size,
        toc: Vec::new(),
        compression_info: CompressionInfo {
            algorithm: header.algorithm,
            max_span_id: header.max_span_id,
            span_digests: read_span_digests(&info)?,
            checkpoints: Vec::new(),
        },
        truncated_ids: Vec::new(),
    };
    Ok((ztoc, header.checkpoints))
}

fn read_entry(index: usize, table: &FlatTable<'_, '_>) -> Result<FileMetadata, DecodeError> {
    let bytes = |field| Ok::<_, DecodeError>(table.read_bytes(field)?.unwrap_or_default().to_vec());
    // Name and type are required, so that every entry takes up some bytes of the input.
    let name = require(table.read_bytes(0)?, "name of an entry")?;
    let type_name = require(table.read_bytes(1)?, "type of an entry")?;
    let entry_type = EntryType::parse(type_name);
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
        mod_time: read_text(table, 10, "modification time of an entry")?.to_owned(),
        devmajor: table.read_i64(11)?,
        devminor: table.read_i64(12)?,
        xattrs: read_xattrs(table)?,
    })
}

fn read_xattrs(entry: &FlatTable<'_, '_>) -> Result<Vec<Xattr>, DecodeError> {
    let tables = entry.read_vector(13)?;
    let mut xattrs = Vec::with_capacity(tables.len());
    for table in tables.read_tables() {
        xattrs.push(read_xattr(&table?)?);
    }
    Ok(xattrs)
}

fn read_xattr(table: &FlatTable<'_, '_>) -> Result<Xattr, DecodeError> {
    let key = require(table.read_bytes(0)?, "key of an extended attribute")?;
    let value = require(table.read_bytes(1)?, "value of an extended attribute")?;
    Ok(Xattr {
        key: key.to_vec(),
        value: value.to_vec(),
    })
}

fn read_span_digests(info: &FlatTable<'_, '_>) -> Result<Vec<[u8; 32]>, DecodeError> {
    let digests = info.read_vector(2)?;
    let mut span_digests = Vec::with_capacity(digests.len());
    for (span, text) in digests.read_strings().enumerate() {
        let digest = parse_digest(text?);
        span_digests.push(digest.ok_or(DecodeError::Digest { span })?);
    }
    Ok(span_digests)
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
