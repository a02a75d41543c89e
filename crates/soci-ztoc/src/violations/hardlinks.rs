//! The rule for hard links: the target is an earlier entry of the layer.

use std::hash::{BuildHasher as _, RandomState};

use super::entries::Entries;
use super::violation::ReaderViolation;
use crate::entry::{EntryType, FileMetadata};

/// Calls `visit` for each hard link whose target is not an earlier entry.
///
/// Paths are compared by 128 bits of two hashes with random keys, since millions of paths may be
/// targets. Two of a million paths have the same hashes with a probability of 2⁻⁸⁸.
pub(super) fn check<E: Entries + ?Sized>(entries: &E, visit: &mut dyn FnMut(ReaderViolation)) {
    let hashes = PathHashes::default();
    let mut targets = Vec::new();
    entries.for_each_entry(&mut |_, entry| {
        if is_link(entry) {
            targets.push(hashes.of(&entry.linkname));
        }
    });
    targets.sort_unstable();
    targets.dedup();
    let mut is_found = vec![false; targets.len()];
    entries.for_each_entry(&mut |index, entry| {
        if is_link(entry) {
            let target = targets.binary_search(&hashes.of(&entry.linkname));
            let is_earlier = target.is_ok_and(|at| is_found.get(at) == Some(&true));
            if !is_earlier {
                visit(ReaderViolation::HardlinkTarget {
                    entry: index,
                    name: entry.name.clone(),
                    target: entry.linkname.clone(),
                });
            }
        }
        if let Ok(at) = targets.binary_search(&hashes.of(&entry.name))
            && let Some(is_found) = is_found.get_mut(at)
        {
            *is_found = true;
        }
    });
}

fn is_link(entry: &FileMetadata) -> bool {
    entry.entry_type == EntryType::Hardlink
}

/// The keys of two hashes.
#[derive(Debug, Default)]
struct PathHashes([RandomState; 2]);

impl PathHashes {
    fn of(&self, name: &[u8]) -> [u64; 2] {
        let path = clean_path(name);
        self.0.each_ref().map(|state| state.hash_one(&path))
    }
}

/// Resolves `.`, `..` and repeated slashes from the root, as the readers do.
fn clean_path(name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}
