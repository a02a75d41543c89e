//! Recognizes converted images in a layout by their content.

use std::collections::BTreeSet;

use soci_oci::Descriptor;
use soci_oci::manifest::Root;
use soci_oci::media_type::{SOCI_INDEX_V2, is_index};

/// How many image indexes are read at most to learn whether an image is converted.
const MAX_SEARCHED_INDEXES: usize = 100;

/// Returns whether an entry of an `index.json` is an image index that lists SOCI indexes of version
/// 2, itself or in a nested index. An index that `read` cannot return lists nothing.
pub(crate) fn is_converted(
    entry: &Descriptor,
    read: impl Fn(&Descriptor) -> Option<Vec<u8>>,
) -> bool {
    let mut seen = BTreeSet::new();
    let mut remaining = vec![entry.clone()];
    while let Some(entry) = remaining.pop() {
        if entry.artifact_type.as_deref() == Some(SOCI_INDEX_V2) {
            return true;
        }
        let is_new = is_index(&entry.media_type) && seen.insert(entry.digest);
        if !is_new || seen.len() > MAX_SEARCHED_INDEXES {
            continue;
        }
        let parsed = read(&entry).and_then(|bytes| Root::parse(&bytes, &entry.media_type).ok());
        if let Some(Root::Index(index)) = parsed {
            remaining.extend(index.manifests);
        }
    }
    false
}
