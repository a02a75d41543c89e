//! One entry as its differences from the entry before.

use std::mem;

use super::bytes::{Reader, put_number, put_signed, put_text};
use crate::entry::{EntryType, FileMetadata, Xattr};

/// Bytes in a tar block.
const BLOCK_SIZE: u64 = 512;

/// The fields that differ from those of the entry before, one bit for each.
mod field {
    pub(super) const TYPE: u64 = 1;
    pub(super) const SIZE: u64 = 1 << 1;
    pub(super) const MOD_TIME: u64 = 1 << 2;
    pub(super) const MODE: u64 = 1 << 3;
    pub(super) const XATTRS: u64 = 1 << 4;
    pub(super) const OFFSET: u64 = 1 << 5;
    pub(super) const LINKNAME: u64 = 1 << 6;
    pub(super) const UID: u64 = 1 << 7;
    pub(super) const GID: u64 = 1 << 8;
    pub(super) const UNAME: u64 = 1 << 9;
    pub(super) const GNAME: u64 = 1 << 10;
    pub(super) const DEVMAJOR: u64 = 1 << 11;
    pub(super) const DEVMINOR: u64 = 1 << 12;
}

/// The types of entries, in the order of their numbers.
const TYPES: [EntryType; 7] = [
    EntryType::Regular,
    EntryType::Hardlink,
    EntryType::Symlink,
    EntryType::Char,
    EntryType::Block,
    EntryType::Directory,
    EntryType::Fifo,
];

/// Returns the offset of an entry without extended headers that follows `previous`.
const fn expected_offset(previous: &FileMetadata) -> u64 {
    let contents = if previous.entry_type.has_contents() {
        previous.uncompressed_size.cast_unsigned()
    } else {
        0
    };
    let padding = contents.wrapping_neg() & BLOCK_SIZE.wrapping_sub(1);
    let end = previous.uncompressed_offset.wrapping_add(contents);
    end.wrapping_add(padding).wrapping_add(BLOCK_SIZE)
}

/// Returns the bits of the fields in which two entries differ.
fn changed_fields(entry: &FileMetadata, previous: &FileMetadata) -> u64 {
    let offset = expected_offset(previous);
    let size = previous.uncompressed_size;
    [
        (entry.entry_type != previous.entry_type, field::TYPE),
        (entry.uncompressed_size != size, field::SIZE),
        (entry.mod_time != previous.mod_time, field::MOD_TIME),
        (entry.mode != previous.mode, field::MODE),
        (entry.xattrs != previous.xattrs, field::XATTRS),
        (entry.uncompressed_offset != offset, field::OFFSET),
        (entry.linkname != previous.linkname, field::LINKNAME),
        (entry.uid != previous.uid, field::UID),
        (entry.gid != previous.gid, field::GID),
        (entry.uname != previous.uname, field::UNAME),
        (entry.gname != previous.gname, field::GNAME),
        (entry.devmajor != previous.devmajor, field::DEVMAJOR),
        (entry.devminor != previous.devminor, field::DEVMINOR),
    ]
    .into_iter()
    .fold(0, |bits, (differs, bit)| {
        bits | if differs { bit } else { 0 }
    })
}

/// Appends the differences of `entry` from `previous` to `packed`.
pub(super) fn pack(entry: &FileMetadata, previous: &FileMetadata, packed: &mut Vec<u8>) {
    let changed = changed_fields(entry, previous);
    put_number(changed, packed);
    put_text(&entry.name, &previous.name, packed);
    let has = |bit: u64| changed & bit != 0;
    if has(field::TYPE) {
        let number = TYPES.iter().position(|kind| *kind == entry.entry_type);
        put_number(number.unwrap_or(0) as u64, packed);
    }
    if has(field::SIZE) {
        put_signed(entry.uncompressed_size, packed);
    }
    if has(field::MOD_TIME) {
        let (new, old) = (entry.mod_time.as_bytes(), previous.mod_time.as_bytes());
        put_text(new, old, packed);
    }
    if has(field::MODE) {
        put_signed(entry.mode, packed);
    }
    if has(field::XATTRS) {
        pack_xattrs(&entry.xattrs, &previous.xattrs, packed);
    }
    if has(field::OFFSET) {
        let expected = expected_offset(previous);
        let difference = entry.uncompressed_offset.wrapping_sub(expected);
        put_signed(difference.cast_signed(), packed);
    }
    for (bit, new, old) in [
        (field::LINKNAME, &entry.linkname, &previous.linkname),
        (field::UNAME, &entry.uname, &previous.uname),
        (field::GNAME, &entry.gname, &previous.gname),
    ] {
        if has(bit) {
            put_text(new, old, packed);
        }
    }
    for (bit, value) in [
        (field::UID, entry.uid.into()),
        (field::GID, entry.gid.into()),
        (field::DEVMAJOR, entry.devmajor),
        (field::DEVMINOR, entry.devminor),
    ] {
        if has(bit) {
            put_signed(value, packed);
        }
    }
}

fn pack_xattrs(xattrs: &[Xattr], previous: &[Xattr], packed: &mut Vec<u8>) {
    put_number(xattrs.len() as u64, packed);
    for (index, xattr) in xattrs.iter().enumerate() {
        let (key, value) = match previous.get(index) {
            Some(old) => (old.key.as_slice(), old.value.as_slice()),
            None => (&[][..], &[][..]),
        };
        put_text(&xattr.key, key, packed);
        put_text(&xattr.value, value, packed);
    }
}

/// Changes `entry` from the entry before to the next one.
pub(super) fn unpack(reader: &mut Reader<'_>, entry: &mut FileMetadata) {
    let expected_offset = expected_offset(entry);
    let changed = reader.number();
    let has = |bit: u64| changed & bit != 0;
    reader.text(&mut entry.name);
    if has(field::TYPE) {
        let kind = TYPES.get(reader.length());
        entry.entry_type = kind.copied().unwrap_or(EntryType::Regular);
    }
    if has(field::SIZE) {
        entry.uncompressed_size = reader.signed();
    }
    if has(field::MOD_TIME) {
        let mut text = mem::take(&mut entry.mod_time).into_bytes();
        reader.text(&mut text);
        entry.mod_time = String::from_utf8(text).unwrap_or_default();
    }
    if has(field::MODE) {
        entry.mode = reader.signed();
    }
    if has(field::XATTRS) {
        unpack_xattrs(reader, &mut entry.xattrs);
    }
    entry.uncompressed_offset = expected_offset;
    if has(field::OFFSET) {
        let difference = reader.signed().cast_unsigned();
        entry.uncompressed_offset = expected_offset.wrapping_add(difference);
    }
    for (bit, text) in [
        (field::LINKNAME, &mut entry.linkname),
        (field::UNAME, &mut entry.uname),
        (field::GNAME, &mut entry.gname),
    ] {
        if has(bit) {
            reader.text(text);
        }
    }
    for (bit, id) in [(field::UID, &mut entry.uid), (field::GID, &mut entry.gid)] {
        if has(bit) {
            *id = u32::try_from(reader.signed()).unwrap_or_default();
        }
    }
    for (bit, number) in [
        (field::DEVMAJOR, &mut entry.devmajor),
        (field::DEVMINOR, &mut entry.devminor),
    ] {
        if has(bit) {
            *number = reader.signed();
        }
    }
}

fn unpack_xattrs(reader: &mut Reader<'_>, xattrs: &mut Vec<Xattr>) {
    let count = reader.length();
    xattrs.truncate(count);
    for index in 0..count {
        if xattrs.len() == index {
            xattrs.push(Xattr::default());
        }
        if let Some(xattr) = xattrs.get_mut(index) {
            reader.text(&mut xattr.key);
            reader.text(&mut xattr.value);
        }
    }
}
