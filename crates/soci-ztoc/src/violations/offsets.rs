//! The rules for the offsets of entries.

use super::entries::{Entries, has_fault};
use super::violation::ReaderViolation;
use crate::entry::{EntryType, FileMetadata};
use crate::ztoc::Ztoc;

/// Bytes in a tar block.
const BLOCK_SIZE: i128 = 512;

/// What was noted of the entries on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// Whether an entry is a hard link.
    pub(super) has_hardlinks: bool,
    /// Whether an entry breaks a rule by itself.
    pub(super) has_faults: bool,
}

/// Computes the offset of each header from the entry before, as the readers do, and calls `visit`
/// for each rule that is broken.
pub(super) fn check<E: Entries + ?Sized>(
    ztoc: &Ztoc,
    entries: &E,
    visit: &mut dyn FnMut(ReaderViolation),
) -> Facts {
    let mut facts = Facts::default();
    let mut headers = Headers {
        header_offset: 0,
        archive_size: ztoc.uncompressed_archive_size.into(),
        left: entries.count(),
    };
    entries.for_each_by_offset(&mut |index, entry| {
        facts.has_hardlinks |= entry.entry_type == EntryType::Hardlink;
        facts.has_faults = facts.has_faults || has_fault(entry);
        headers.check(index, entry, visit);
    });
    facts
}

/// The headers of the entries, in the order of their offsets.
struct Headers {
    /// The offset at which readers expect the header of the next entry.
    header_offset: i128,
    /// The offset at which the tar ends.
    archive_size: i128,
    /// The number of entries that come.
    left: usize,
}

impl Headers {
    fn check(
        &mut self,
        index: usize,
        entry: &FileMetadata,
        visit: &mut dyn FnMut(ReaderViolation),
    ) {
        self.left = self.left.saturating_sub(1);
        let offset = i128::from(entry.uncompressed_offset);
        let name = || entry.name.clone();
        if offset.saturating_sub(self.header_offset) < BLOCK_SIZE {
            visit(ReaderViolation::InvalidTocEntry {
                entry: index,
                name: name(),
                offset: entry.uncompressed_offset,
                header_offset: self.header_offset,
            });
        }
        let size = entry.uncompressed_size;
        let end = offset.saturating_add(size.into());
        self.header_offset = round_up_to_block(end);
        let has_contents = entry.entry_type.has_contents();
        if has_contents && (size < 0 || end > self.archive_size) {
            visit(ReaderViolation::BeyondEnd {
                entry: index,
                name: name(),
            });
        }
        let is_header_moved = self.header_offset != round_up_to_block(offset);
        if !has_contents && is_header_moved && self.left > 0 {
            visit(ReaderViolation::SizeWithoutContents {
                entry: index,
                name: name(),
                entry_type: entry.entry_type,
                size,
            });
        }
    }
}

/// Rounds an offset up to a whole number of tar blocks.
fn round_up_to_block(offset: i128) -> i128 {
    let blocks = offset
        .saturating_add(BLOCK_SIZE.saturating_sub(1))
        .div_euclid(BLOCK_SIZE);
    blocks.saturating_mul(BLOCK_SIZE)
}
