//! The entries of a layer in little memory, while its ztoc is built.
//!
//! A [`FileMetadata`] takes about 300 bytes, and a hostile layer of 25 MB has millions of entries.
//! Here an entry takes what distinguishes it from the entry before: about 25 bytes for a file of
//! a usual image. Entries are packed in blocks, each of which can be unpacked alone, since the
//! encoder needs them from last to first.

mod bytes;
mod codec;

use crate::entry::FileMetadata;
use crate::packed::bytes::Reader;

/// The most entries of a block.
const BLOCK_ENTRIES: u32 = 256;

/// The bytes of texts after which a block is complete, since a block is unpacked as a whole.
const BLOCK_TEXT: usize = 64 << 10;

/// Bytes of texts of a block above which its memory is not used again.
const LARGE_TEXT: usize = 2 * BLOCK_TEXT;

/// What an extended attribute counts beside its texts, as bytes of texts.
const XATTR_COST: usize = 64;

/// Bytes that a block takes beside its content: its end and count, and what the list of blocks has
/// spare.
const BLOCK_OVERHEAD: u64 = 48;

/// The most bytes by which the memory of the blocks grows at a time.
const MAX_GROWTH: usize = 4 << 20;

/// Packed entries in the order of the tar.
///
/// All blocks are in one buffer, so that the allocator returns the memory of a large table to the
/// system at once. If each block had memory of its own, that memory would stay with the thread that
/// has scanned the layer, and each of several threads would keep that of its largest table.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackedEntries {
    /// The bytes of the complete blocks, one after the other.
    bytes: Vec<u8>,
    /// The complete blocks.
    blocks: Vec<Block>,
    /// The bytes, entries and bytes of texts of the block that is being filled.
    open: Vec<u8>,
    open_entries: u32,
    open_text: usize,
    /// The last entry of the block that is being filled.
    previous: FileMetadata,
    count: usize,
    /// Bytes of the complete blocks.
    block_bytes: u64,
    /// The largest offset of an entry so far.
    last_offset: u64,
    /// Whether an entry has a smaller offset than one before it.
    is_unsorted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    /// Where the block ends in the bytes of all. It starts where the one before ends.
    end: usize,
    entries: u32,
    is_large: bool,
}

impl PackedEntries {
    /// Packs entries that are in memory.
    pub(crate) fn pack(entries: &[FileMetadata]) -> Self {
        let mut packed = Self::default();
        for entry in entries {
            packed.push(entry.clone());
        }
        packed.complete_block();
        packed
    }

    /// Adds an entry.
    pub(crate) fn push(&mut self, entry: FileMetadata) {
        codec::pack(&entry, &self.previous, &mut self.open);
        let xattrs = entry.xattrs.len().saturating_mul(XATTR_COST);
        let text = entry.text_length().saturating_add(xattrs);
        self.open_text = self.open_text.saturating_add(text);
        self.open_entries = self.open_entries.saturating_add(1);
        self.count = self.count.saturating_add(1);
        self.is_unsorted |= entry.uncompressed_offset < self.last_offset;
        self.last_offset = self.last_offset.max(entry.uncompressed_offset);
        self.previous = entry;
        if self.open_entries >= BLOCK_ENTRIES || self.open_text >= BLOCK_TEXT {
            self.complete_block();
        }
    }

    /// Ends the block that is being filled. The next block starts without an entry before.
    pub(crate) fn complete_block(&mut self) {
        if self.open_entries == 0 {
            return;
        }
        self.block_bytes = self.memory();
        self.reserve(self.open.len());
        self.bytes.extend_from_slice(&self.open);
        self.blocks.push(Block {
            end: self.bytes.len(),
            entries: self.open_entries,
            is_large: self.open_text > LARGE_TEXT,
        });
        self.open.clear();
        self.open_entries = 0;
        self.open_text = 0;
        self.previous = FileMetadata::default();
    }

    /// Makes room for so many bytes of blocks. The buffer grows by a quarter, and not to twice its
    /// size, since it may take half of the memory that a tool has.
    fn reserve(&mut self, length: usize) {
        if self.bytes.capacity().saturating_sub(self.bytes.len()) < length {
            let growth = (self.bytes.len() / 4).min(MAX_GROWTH);
            self.bytes.reserve_exact(growth.max(length));
        }
    }

    /// Returns a complete block with its bytes.
    fn block(&self, index: usize) -> Option<(Block, &[u8])> {
        let block = *self.blocks.get(index)?;
        let before = index
            .checked_sub(1)
            .and_then(|index| self.blocks.get(index));
        let start = before.map_or(0, |block| block.end);
        Some((block, self.bytes.get(start..block.end)?))
    }

    /// Returns the number of entries.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Returns whether the entries are in the order of their offsets, as those of a scan are.
    pub(crate) const fn is_sorted(&self) -> bool {
        !self.is_unsorted
    }

    /// Returns the bytes of memory that the entries take.
    pub(crate) const fn memory(&self) -> u64 {
        let open = (self.open.len() as u64).saturating_add(BLOCK_OVERHEAD);
        self.block_bytes.saturating_add(open)
    }

    /// Returns the number of complete blocks.
    pub(crate) const fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Returns whether a block takes so much memory when it is unpacked that the memory should not
    /// be used again.
    pub(crate) fn is_large(&self, block: usize) -> bool {
        self.blocks.get(block).is_some_and(|block| block.is_large)
    }

    /// Unpacks the entries of a complete block to the start of `entries`, whose memory is used
    /// again. Returns their number.
    pub(crate) fn unpack_block(&self, block: usize, entries: &mut Vec<FileMetadata>) -> usize {
        let Some((block, bytes)) = self.block(block) else {
            return 0;
        };
        let count = block.entries as usize;
        if entries.len() < count {
            entries.resize_with(count, FileMetadata::default);
        }
        let mut reader = Reader::new(bytes);
        let mut state = FileMetadata::default();
        for entry in entries.iter_mut().take(count) {
            codec::unpack(&mut reader, &mut state);
            entry.assign(&state);
        }
        count
    }

    /// Passes each entry of the complete blocks with its index to `visit`.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, &FileMetadata)) {
        let mut index: usize = 0;
        for block in 0..self.blocks.len() {
            let Some((block, bytes)) = self.block(block) else {
                break;
            };
            let mut reader = Reader::new(bytes);
            let mut state = FileMetadata::default();
            for _ in 0..block.entries {
                codec::unpack(&mut reader, &mut state);
                visit(index, &state);
                index = index.saturating_add(1);
            }
        }
    }

    /// Returns the entries of the complete blocks as they are elsewhere.
    pub(crate) fn unpack(&self) -> Vec<FileMetadata> {
        let mut entries = Vec::with_capacity(self.count);
        self.for_each(|_, entry| entries.push(entry.clone()));
        entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{EntryType, Xattr};

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![b'a', b'/', 0, 255]), 0..12)
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![Just(0), Just(512), Just(1 << 40), any::<i64>()]
    }

    fn entry() -> impl Strategy<Value = FileMetadata> {
        let texts = (text(), text(), text(), text(), "[0-9]{0,3}");
        let numbers = (number(), number(), number(), number(), number());
        let xattrs = prop::collection::vec((text(), text()), 0..3);
        let kind = prop::sample::select(vec![EntryType::Regular, EntryType::Directory]);
        let ids = (any::<u32>(), any::<u32>());
        (texts, numbers, xattrs, kind, ids).prop_map(|(texts, numbers, xattrs, kind, ids)| {
            let xattrs = xattrs.into_iter().map(|(key, value)| Xattr { key, value });
            FileMetadata {
                name: texts.0,
                entry_type: kind,
                uncompressed_offset: numbers.0.cast_unsigned(),
                uncompressed_size: numbers.1,
                linkname: texts.1,
                mode: numbers.2,
                uid: ids.0,
                gid: ids.1,
                uname: texts.2,
                gname: texts.3,
                mod_time: texts.4,
                devmajor: numbers.3,
                devminor: numbers.4,
                xattrs: xattrs.collect(),
            }
        })
    }

    proptest! {
        #[test]
        fn unpacks_what_was_packed(entries in prop::collection::vec(entry(), 0..600)) {
            let packed = PackedEntries::pack(&entries);
            prop_assert_eq!(packed.len(), entries.len());
            prop_assert_eq!(&packed.unpack(), &entries);
            let mut scratch = Vec::new();
            let mut unpacked = Vec::new();
            for block in 0..packed.block_count() {
                let count = packed.unpack_block(block, &mut scratch);
                unpacked.extend(scratch.iter().take(count).cloned());
            }
            prop_assert_eq!(unpacked, entries);
        }
    }

    #[test]
    fn packs_the_files_of_a_directory_to_their_differences() {
        let entry = |number: u64| FileMetadata {
            name: format!("usr/share/doc/package/file-{number:06}").into_bytes(),
            uncompressed_offset: 512 + number * 1536,
            uncompressed_size: 1000,
            mode: 0o644,
            mod_time: "2024-01-01T00:00:00Z".to_owned(),
            ..FileMetadata::default()
        };
        let entries: Vec<FileMetadata> = (0..10_000).map(entry).collect();
        let memory = PackedEntries::pack(&entries).memory();
        assert!(memory < 10_000 * 10, "{memory}");
    }
}
