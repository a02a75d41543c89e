//! The entries of a ztoc, and the rules for one of them.

use super::violation::ReaderViolation;
use crate::entry::{FileMetadata, XATTR_PREFIX};
use crate::packed::PackedEntries;
use crate::tar::pax::Records;
use crate::tar::sparse::SparseFormat;

/// The entries of a ztoc, wherever they are.
pub(crate) trait Entries {
    /// Returns the number of entries.
    fn count(&self) -> usize;

    /// Passes each entry with its index to `visit`, in the order of the ztoc.
    fn for_each_entry(&self, visit: &mut dyn FnMut(usize, &FileMetadata));

    /// Passes each entry with its index to `visit`, in the order of their offsets.
    fn for_each_by_offset(&self, visit: &mut dyn FnMut(usize, &FileMetadata));
}

impl Entries for [FileMetadata] {
    fn count(&self) -> usize {
        self.len()
    }

    fn for_each_entry(&self, visit: &mut dyn FnMut(usize, &FileMetadata)) {
        for (index, entry) in self.iter().enumerate() {
            visit(index, entry);
        }
    }

    fn for_each_by_offset(&self, visit: &mut dyn FnMut(usize, &FileMetadata)) {
        if self.is_sorted_by_key(|entry| entry.uncompressed_offset) {
            return self.for_each_entry(visit);
        }
        let mut by_offset: Vec<(usize, &FileMetadata)> = self.iter().enumerate().collect();
        by_offset.sort_by_key(|(_, entry)| entry.uncompressed_offset);
        for (index, entry) in by_offset {
            visit(index, entry);
        }
    }
}

impl Entries for PackedEntries {
    fn count(&self) -> usize {
        self.len()
    }

    fn for_each_entry(&self, visit: &mut dyn FnMut(usize, &FileMetadata)) {
        self.for_each(visit);
    }

    /// The entries of a scan are in the order of the tar, in which their offsets grow. Others are
    /// unpacked to be sorted.
    fn for_each_by_offset(&self, visit: &mut dyn FnMut(usize, &FileMetadata)) {
        if self.is_sorted() {
            self.for_each(visit);
        } else {
            self.unpack().for_each_by_offset(visit);
        }
    }
}

/// Calls `visit` for each rule that an entry breaks by itself.
pub(super) fn check_entry(
    index: usize,
    entry: &FileMetadata,
    visit: &mut dyn FnMut(ReaderViolation),
) {
    let name = || entry.name.clone();
    if entry.mod_time.is_empty() {
        visit(ReaderViolation::NoModTime {
            entry: index,
            name: name(),
        });
    }
    if is_sparse(entry) {
        visit(ReaderViolation::SparseFile {
            entry: index,
            name: name(),
        });
    }
    for xattr in &entry.xattrs {
        let Some(attribute) = xattr.key.strip_prefix(XATTR_PREFIX) else {
            continue;
        };
        if attribute.is_empty() {
            visit(ReaderViolation::EmptyXattrName {
                entry: index,
                name: name(),
            });
        }
        if xattr.value.is_empty() {
            visit(ReaderViolation::EmptyXattrValue {
                entry: index,
                name: name(),
                key: xattr.key.clone(),
            });
        }
    }
}

/// Returns whether an entry breaks a rule of [`check_entry`].
pub(super) fn has_fault(entry: &FileMetadata) -> bool {
    let mut has_fault = false;
    check_entry(0, entry, &mut |_| has_fault = true);
    has_fault
}

fn is_sparse(entry: &FileMetadata) -> bool {
    let mut records = Records::new();
    for xattr in &entry.xattrs {
        if xattr.key.starts_with(b"GNU.sparse.") {
            records.insert(xattr.key.clone(), xattr.value.clone());
        }
    }
    SparseFormat::detect(&records).is_some()
}
