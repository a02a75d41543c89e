//! Encodes a ztoc to the exact bytes that the reference's builder writes.
//!
//! A flatbuffer of given content has many valid encodings. Ztocs are addressed by digest, so this
//! one must be that of the reference (Go flatbuffers 25.12.19): it writes strings and tables back
//! to front in its order of calls, adds fields in its order, and shares nothing. Neither the order
//! nor the kind of any call here may change.

use flatbuffers::{
    FlatBufferBuilder, ForwardsUOffset, TableFinishedWIPOffset, UOffsetT, Vector, WIPOffset,
};

use crate::entry::{FileMetadata, Xattr};
use crate::flat::slot;
use crate::limits::{MAX_ZTOC_SIZE, SPAN_DIGEST_COST};
use crate::split_encoding::{Placeholder, SplitEncoding};
use crate::ztoc::{CompressionInfo, Ztoc};

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
    /// The encoded ztoc would exceed 1 GiB, which is more than the reference builds and reads.
    #[error("ztoc needs more than {limit} bytes (a larger span size needs less)")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

type Table = WIPOffset<TableFinishedWIPOffset>;
type Tables<'b> = WIPOffset<Vector<'b, ForwardsUOffset<TableFinishedWIPOffset>>>;

impl Ztoc {
    /// Encodes the ztoc.
    ///
    /// # Errors
    ///
    /// Returns [`EncodeError::TooLarge`] if the result would exceed 1 GiB, and
    /// [`EncodeError::Size`] if a size or offset exceeds `i64::MAX`.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let split = self.encode_split()?;
        let checkpoints = self.compression_info.checkpoints.as_slice();
        Ok([split.prefix(), checkpoints, split.suffix()].concat())
    }

    /// Encodes the ztoc without its checkpoints, which are most of it, so that the caller need not
    /// hold them in memory twice.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Ztoc::encode`].
    pub fn encode_split(&self) -> Result<SplitEncoding, EncodeError> {
        let limit = MAX_ZTOC_SIZE;
        let too_large = EncodeError::TooLarge { limit };
        let estimate = self.estimate_size();
        // A quarter is allowed for what the estimate counts too much; the exact size follows below.
        if estimate.saturating_sub(estimate.checked_div(4).unwrap_or(0)) > limit {
            return Err(too_large);
        }
        let placeholder = Placeholder::for_checkpoints(&self.compression_info.checkpoints);
        let capacity = usize::try_from(estimate).ok().ok_or(too_large)?;
        let capacity = capacity.saturating_sub(placeholder.saved());
        let mut builder = FlatBufferBuilder::with_capacity(capacity);
        let (root, checkpoints) = self.write_root(&mut builder, placeholder)?;
        builder.finish(root, None);
        let (buffer, start) = builder.collapse();
        let split = placeholder.cut_out(buffer, start, checkpoints);
        let split = split.ok_or(too_large)?;
        let size = split.size().saturating_add(placeholder.replaced());
        if size as u64 > limit {
            return Err(too_large);
        }
        Ok(split)
    }

    /// Returns an upper bound of the encoded size, so that the buffer never has to grow.
    fn estimate_size(&self) -> u64 {
        let text = |text: &[u8]| (text.len() as u64).saturating_add(12);
        let entry = |entry: &FileMetadata| {
            let texts = [&entry.name, &entry.linkname, &entry.uname, &entry.gname];
            let time = text(entry.mod_time.as_bytes());
            let texts = texts.into_iter().map(|bytes| text(bytes)).chain([time]);
            let records = entry.xattrs.iter().map(|Xattr { key, value }| {
                let strings = text(key).saturating_add(text(value));
                strings.saturating_add(20)
            });
            // Type (16 bytes), table with padding (100), vtable (32), length of the vector of
            // attributes, and the offset of the entry make less than 256 bytes.
            texts.chain(records).fold(256, u64::saturating_add)
        };
        let entries = self.toc.iter().map(entry);
        let info = &self.compression_info;
        let spans = (info.span_digests.len() as u64).saturating_mul(SPAN_DIGEST_COST);
        let fixed = [
            1024,
            text(self.version.as_bytes()),
            text(self.build_tool_identifier.as_bytes()),
            info.checkpoints.len() as u64,
            spans,
        ];
        fixed
            .into_iter()
            .chain(entries)
            .fold(0, u64::saturating_add)
    }

    /// Writes everything, with the placeholder for the checkpoints. Returns the root table and the
    /// position of the placeholder, counted from the end.
    fn write_root(
        &self,
        builder: &mut FlatBufferBuilder<'_>,
        placeholder: Placeholder,
    ) -> Result<(Table, UOffsetT), EncodeError> {
        let version = builder.create_byte_string(self.version.as_bytes());
        let tool = builder.create_byte_string(self.build_tool_identifier.as_bytes());
        let toc = write_toc(builder, &self.toc)?;
        let checkpoints = placeholder.write(builder);
        let info = write_compression_info(builder, &self.compression_info, checkpoints);
        let table = builder.start_table();
        builder.push_slot_always(slot(0), version);
        builder.push_slot_always(slot(1), tool);
        builder.push_slot_always(slot(4), toc);
        builder.push_slot(slot(2), to_signed(self.compressed_archive_size)?, 0);
        builder.push_slot(slot(3), to_signed(self.uncompressed_archive_size)?, 0);
        builder.push_slot_always(slot(5), info);
        Ok((builder.end_table(table), checkpoints.value()))
    }
}

fn write_toc(
    builder: &mut FlatBufferBuilder<'_>,
    entries: &[FileMetadata],
) -> Result<Table, EncodeError> {
    let tables = entries
        .iter()
        .rev()
        .map(|entry| write_entry(builder, entry));
    let mut tables = tables.collect::<Result<Vec<_>, _>>()?;
    tables.reverse();
    let entries: Tables<'_> = builder.create_vector(&tables);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), entries);
    Ok(builder.end_table(table))
}

fn write_entry(
    builder: &mut FlatBufferBuilder<'_>,
    entry: &FileMetadata,
) -> Result<Table, EncodeError> {
    let name = builder.create_byte_string(&entry.name);
    let entry_type = builder.create_byte_string(entry.entry_type.as_str().as_bytes());
    let linkname = builder.create_byte_string(&entry.linkname);
    let uname = builder.create_byte_string(&entry.uname);
    let gname = builder.create_byte_string(&entry.gname);
    let mod_time = builder.create_byte_string(entry.mod_time.as_bytes());
    let xattrs = entry.xattrs.iter().map(|xattr| write_xattr(builder, xattr));
    let xattrs: Vec<_> = xattrs.collect();
    let xattrs: Tables<'_> = builder.create_vector(&xattrs);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), name);
    builder.push_slot_always(slot(1), entry_type);
    builder.push_slot(slot(2), to_signed(entry.uncompressed_offset)?, 0);
    builder.push_slot(slot(3), entry.uncompressed_size, 0);
    builder.push_slot_always(slot(4), linkname);
    builder.push_slot(slot(5), entry.mode, 0);
    builder.push_slot(slot(6), entry.uid, 0);
    builder.push_slot(slot(7), entry.gid, 0);
    builder.push_slot_always(slot(8), uname);
    builder.push_slot_always(slot(9), gname);
    builder.push_slot_always(slot(10), mod_time);
    builder.push_slot(slot(11), entry.devmajor, 0);
    builder.push_slot(slot(12), entry.devminor, 0);
    builder.push_slot_always(slot(13), xattrs);
    Ok(builder.end_table(table))
}

fn write_xattr(builder: &mut FlatBufferBuilder<'_>, xattr: &Xattr) -> Table {
    let key = builder.create_byte_string(&xattr.key);
    let value = builder.create_byte_string(&xattr.value);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), key);
    builder.push_slot_always(slot(1), value);
    builder.end_table(table)
}

fn write_compression_info<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    info: &CompressionInfo,
    checkpoints: WIPOffset<Vector<'b, u8>>,
) -> Table {
    let digests = info.span_digests.iter();
    let digests: Vec<_> = digests
        .map(|digest| builder.create_byte_string(format_digest(digest).as_bytes()))
        .collect();
    let digests: WIPOffset<Vector<'_, ForwardsUOffset<&[u8]>>> = builder.create_vector(&digests);
    let table = builder.start_table();
    builder.push_slot(slot(1), info.max_span_id, 0);
    builder.push_slot_always(slot(2), digests);
    builder.push_slot_always(slot(3), checkpoints);
    // The compression comes last. It is left out for gzip, the default of the schema.
    builder.push_slot(slot(0), info.algorithm.to_code(), 1_i8);
    builder.end_table(table)
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

fn to_signed(value: u64) -> Result<i64, EncodeError> {
    i64::try_from(value).ok().ok_or(EncodeError::Size { value })
}
