//! The entries of a ztoc, which are written in blocks.

use super::error::{EncodeError, to_signed};
use crate::entry::FileMetadata;
use crate::flat_writer::{FlatWriter, OFFSET_SIZE, Vtables};
use crate::packed::PackedEntries;

/// Where the entries are.
#[derive(Debug)]
pub(super) struct EntryBlocks {
    /// The position of the end of each block, which is where its last entry ends.
    bases: Vec<u64>,
    /// The position of the table of each entry.
    tables: Vec<u32>,
    /// The vtables after all entries were written.
    vtables: Vtables,
    /// The position after all entries and their offsets were written.
    end: u64,
    has_long_numbers: bool,
}

impl EntryBlocks {
    /// Finds the positions of entries that are written at the position `base`. `check` is asked
    /// whether the bytes so far are too many.
    pub(super) fn find(
        entries: &PackedEntries,
        base: u64,
        vtables: &mut Vtables,
        check: impl Fn(u64) -> Result<(), EncodeError>,
    ) -> Result<Self, EncodeError> {
        let mut bases = vec![0; entries.block_count()];
        let mut tables = Vec::with_capacity(entries.len());
        let mut has_long_numbers = false;
        let mut position = base;
        let mut scratch = Scratch::default();
        for (block, base) in bases.iter_mut().enumerate().rev() {
            *base = position;
            let mut writer = FlatWriter::new(position, scratch.take_buffer(), vtables);
            let count = entries.unpack_block(block, &mut scratch.entries);
            for entry in scratch.entries.iter().take(count).rev() {
                let table = write_entry(&mut writer, entry, &mut scratch.xattrs)?;
                tables.push(u32::try_from(table).unwrap_or_default());
                has_long_numbers |= has_long_number(entry);
            }
            position = writer.position();
            scratch.buffer = writer.into_buffer();
            if entries.is_large(block) {
                scratch = Scratch::default();
            }
            check(position)?;
        }
        tables.reverse();
        let offsets = (tables.len() as u64).saturating_mul(OFFSET_SIZE);
        // All that was written before ends at a whole offset.
        let end = position.saturating_add(offsets);
        check(end)?;
        Ok(Self {
            bases,
            tables,
            vtables: vtables.clone(),
            end,
            has_long_numbers,
        })
    }

    /// Returns the positions of the entries' tables.
    pub(super) fn tables(&self) -> &[u32] {
        &self.tables
    }

    /// Returns the position after all entries and their offsets were written.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Returns whether an entry has a number of 64 bits, which aligns the whole flatbuffer.
    pub(super) const fn has_long_numbers(&self) -> bool {
        self.has_long_numbers
    }
}

/// Memory that is used again for each block.
#[derive(Debug, Default)]
struct Scratch {
    buffer: Vec<u8>,
    entries: Vec<FileMetadata>,
    xattrs: Vec<u64>,
}

impl Scratch {
    fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}

/// Passes the bytes of all entries to `write`, block after block.
pub(super) fn write_entries<E>(
    entries: &PackedEntries,
    blocks: &EntryBlocks,
    write: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut vtables = blocks.vtables.clone();
    let mut scratch = Scratch::default();
    for (block, base) in blocks.bases.iter().enumerate() {
        let mut writer = FlatWriter::new(*base, scratch.take_buffer(), &mut vtables);
        let count = entries.unpack_block(block, &mut scratch.entries);
        for entry in scratch.entries.iter().take(count).rev() {
            // The same entry was written before, so its numbers fit.
            let _table = write_entry(&mut writer, entry, &mut scratch.xattrs);
        }
        write(writer.bytes())?;
        scratch.buffer = writer.into_buffer();
        if entries.is_large(block) {
            scratch = Scratch::default();
        }
    }
    Ok(())
}

/// Writes an entry and returns the position of its table. `tables` is memory to be used again.
fn write_entry(
    writer: &mut FlatWriter<'_>,
    entry: &FileMetadata,
    tables: &mut Vec<u64>,
) -> Result<u64, EncodeError> {
    let name = writer.string(&entry.name);
    let entry_type = writer.string(entry.entry_type.as_str().as_bytes());
    let linkname = writer.string(&entry.linkname);
    let uname = writer.string(&entry.uname);
    let gname = writer.string(&entry.gname);
    let mod_time = writer.string(entry.mod_time.as_bytes());
    tables.clear();
    for xattr in &entry.xattrs {
        let key = writer.string(&xattr.key);
        let value = writer.string(&xattr.value);
        let mut table = writer.table();
        table.offset(0, key);
        table.offset(1, value);
        tables.push(table.finish());
    }
    let xattrs = writer.offsets(tables);
    let mut table = writer.table();
    table.offset(0, name);
    table.offset(1, entry_type);
    table.signed(2, to_signed(entry.uncompressed_offset)?);
    table.signed(3, entry.uncompressed_size);
    table.offset(4, linkname);
    table.signed(5, entry.mode);
    table.short(6, entry.uid);
    table.short(7, entry.gid);
    table.offset(8, uname);
    table.offset(9, gname);
    table.offset(10, mod_time);
    table.signed(11, entry.devmajor);
    table.signed(12, entry.devminor);
    table.offset(13, xattrs);
    Ok(table.finish())
}

const fn has_long_number(entry: &FileMetadata) -> bool {
    entry.uncompressed_offset != 0
        || entry.uncompressed_size != 0
        || entry.mode != 0
        || entry.devmajor != 0
        || entry.devminor != 0
}

/// Returns the fewest bytes that a string takes in a ztoc: its length, its bytes and a NUL, up to
/// the next multiple of 4.
const fn string_size(text: &[u8]) -> u64 {
    let length = (text.len() as u64).saturating_add(1);
    let padding = length.wrapping_neg() & OFFSET_SIZE.wrapping_sub(1);
    length.saturating_add(padding).saturating_add(OFFSET_SIZE)
}

/// Returns the fewest bytes that an entry takes in a ztoc. The padding of its numbers and its
/// vtable, which other entries share, may come to them.
pub(crate) fn minimum_size(entry: &FileMetadata) -> u64 {
    // The table with 7 offsets and that of its vtable, the length of the vector of attributes, and
    // the offset of the table.
    const FIXED: u64 = 40;
    let short = |value: u32| if value == 0 { 0 } else { 4 };
    let long = |value: i64| if value == 0 { 0 } else { 8 };
    let texts = [&entry.name, &entry.linkname, &entry.uname, &entry.gname];
    let texts = texts.into_iter().map(|text| string_size(text));
    let others = [
        string_size(entry.entry_type.as_str().as_bytes()),
        string_size(entry.mod_time.as_bytes()),
        short(entry.uid),
        short(entry.gid),
        long(entry.uncompressed_offset.cast_signed()),
        long(entry.uncompressed_size),
        long(entry.mode),
        long(entry.devmajor),
        long(entry.devminor),
    ];
    // A record has a table with 2 offsets and that of its vtable, and an offset.
    let records = entry.xattrs.iter().map(|xattr| {
        let strings = string_size(&xattr.key).saturating_add(string_size(&xattr.value));
        strings.saturating_add(16)
    });
    let parts = texts.chain(others).chain(records);
    parts.fold(FIXED, u64::saturating_add)
}
