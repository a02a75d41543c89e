//! The rules of the readers of ztocs, beyond what the format requires.
//!
//! The reader is `soci-snapshotter`. It computes the offset of each tar header from the previous
//! entry, reads the header again when a file is first used, and compares it with the ztoc. A ztoc
//! that breaks a rule of this module describes its layer correctly, but the reader refuses the
//! layer or fails on one of its files.

mod entries;
mod hardlinks;
mod offsets;
mod spans;
mod violation;

pub(crate) use self::entries::Entries;
use self::entries::check_entry;
pub use self::violation::ReaderViolation;
use crate::ztoc::Ztoc;

impl Ztoc {
    /// Calls `visit` for each rule of the readers that this ztoc breaks, those of spans first. Most
    /// layers break none, but a hostile one breaks several with each of its entries.
    pub fn visit_reader_violations(&self, mut visit: impl FnMut(ReaderViolation)) {
        self::visit(self, self.toc.as_slice(), &mut visit);
    }
}

/// Calls `visit` for each rule of the readers that a ztoc with these entries breaks.
pub(crate) fn visit<E: Entries + ?Sized>(
    ztoc: &Ztoc,
    entries: &E,
    visit: &mut dyn FnMut(ReaderViolation),
) {
    spans::check(ztoc, visit);
    let facts = offsets::check(ztoc, entries, visit);
    if facts.has_faults {
        entries.for_each_entry(&mut |index, entry| check_entry(index, entry, visit));
    }
    if facts.has_hardlinks {
        hardlinks::check(entries, visit);
    }
    let mut truncated = ztoc.truncated_ids.iter().peekable();
    if truncated.peek().is_some() {
        entries.for_each_entry(&mut |index, entry| {
            if truncated.next_if(|next| **next == index).is_some() {
                visit(ReaderViolation::TruncatedId {
                    entry: index,
                    name: entry.name.clone(),
                });
            }
        });
    }
}
