//! Goes through the entries of a ztoc in the order of their offsets, which is how readers sort
//! them.

use std::borrow::Cow;

use crate::entry::FileMetadata;
use crate::packed::PackedEntries;

/// A place between the entries of a ztoc.
#[derive(Debug)]
pub(super) enum EntryCursor<'z> {
    Plain(PlainCursor<'z>),
    Packed(PackedCursor<'z>),
}

/// A place between entries that are in memory as they are.
#[derive(Debug)]
pub(super) struct PlainCursor<'z> {
    entries: Cow<'z, [FileMetadata]>,
    /// Indexes of the entries by offset. `None` if they are in order.
    order: Option<Vec<usize>>,
    /// Number of entries before the place.
    next: usize,
}

/// A place between packed entries that are in order. One block of them is unpacked.
#[derive(Debug)]
pub(super) struct PackedCursor<'z> {
    entries: &'z PackedEntries,
    /// Number of blocks that were unpacked.
    blocks: usize,
    unpacked: Vec<FileMetadata>,
    /// Number of entries of the last unpacked block.
    count: usize,
    /// Index in `unpacked` of the entry after the place.
    position: usize,
    /// Number of entries before the place.
    next: u64,
}

impl<'z> EntryCursor<'z> {
    /// Returns the place before the first entry.
    pub(super) fn new(entries: Cow<'z, [FileMetadata]>) -> Self {
        let offset = |entry: &FileMetadata| entry.uncompressed_offset;
        let order = (!entries.is_sorted_by_key(offset)).then(|| {
            let mut order: Vec<usize> = (0..entries.len()).collect();
            order.sort_by_key(|&index| entries.get(index).map(offset));
            order
        });
        Self::Plain(PlainCursor {
            entries,
            order,
            next: 0,
        })
    }

    /// Returns the place before the first of some packed entries. They are unpacked if they are not
    /// in order.
    pub(super) fn of_packed(entries: &'z PackedEntries) -> Self {
        if !entries.is_sorted() {
            return Self::new(entries.unpack().into());
        }
        let mut cursor = PackedCursor {
            entries,
            blocks: 0,
            unpacked: Vec::new(),
            count: 0,
            position: 0,
            next: 0,
        };
        cursor.unpack();
        Self::Packed(cursor)
    }

    /// Returns whether the ztoc has its entries in the order of their offsets.
    pub(super) const fn is_sorted(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.order.is_none(),
            Self::Packed(_) => true,
        }
    }

    /// Returns the entry after the place, with its index in the ztoc.
    pub(super) fn peek(&self) -> Option<(u64, &FileMetadata)> {
        match self {
            Self::Plain(plain) => {
                let index = match &plain.order {
                    None => plain.next,
                    Some(order) => *order.get(plain.next)?,
                };
                Some((index as u64, plain.entries.get(index)?))
            }
            Self::Packed(packed) => {
                let unpacked = packed.unpacked.get(..packed.count)?;
                Some((packed.next, unpacked.get(packed.position)?))
            }
        }
    }

    /// Goes past the next entry.
    pub(super) fn advance(&mut self) {
        match self {
            Self::Plain(plain) => plain.next = plain.next.saturating_add(1),
            Self::Packed(packed) => {
                packed.next = packed.next.saturating_add(1);
                packed.position = packed.position.saturating_add(1);
                if packed.position >= packed.count {
                    packed.unpack();
                }
            }
        }
    }
}

impl PackedCursor<'_> {
    /// Unpacks the next block.
    fn unpack(&mut self) {
        if self.entries.is_large(self.blocks.saturating_sub(1)) {
            self.unpacked = Vec::new();
        }
        self.count = self.entries.unpack_block(self.blocks, &mut self.unpacked);
        self.blocks = self.blocks.saturating_add(1);
        self.position = 0;
    }
}
