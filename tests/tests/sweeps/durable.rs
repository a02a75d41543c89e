//! The check that a power cut loses nothing, by the order of the calls.
//!
//! Changes that are not synced may reach the disk in any order, or not at all. A file must
//! therefore be synced before it is renamed to its final name, and the folder must be synced before
//! a document on stdout refers to the file.

use std::{collections::BTreeSet, path::PathBuf};

use crate::calls::{Call, Object};

/// Asserts that a power cut at any time leaves neither a name without its content, nor a document
/// without its files.
#[track_caller]
pub(crate) fn assert_durable(title: &str, calls: &[Call]) {
    // Files whose bytes are not synced, and files whose names are not.
    let mut bytes: BTreeSet<PathBuf> = BTreeSet::new();
    let mut names: BTreeSet<PathBuf> = BTreeSet::new();
    let mut documents = 0;
    for call in calls.iter().filter(|call| !call.fails_normally) {
        let (object, purpose) = match (&call.object, &call.purpose) {
            (Object::File(object), Object::File(purpose)) => (object, purpose),
            (Object::Stdout, _) => {
                assert!(names.is_empty(), "{title}: {names:?} may be lost");
                documents += 1;
                continue;
            }
            _ => continue,
        };
        match call.name.as_str() {
            "write" => drop(bytes.insert(purpose.clone())),
            "fsync" if object == purpose || bytes.contains(purpose) => drop(bytes.remove(purpose)),
            "fsync" => names.retain(|name| name.parent() != Some(object)),
            "mkdir" => drop(names.insert(purpose.clone())),
            name if name.starts_with("rename") => {
                assert!(
                    !bytes.contains(purpose),
                    "{title}: {} may be empty",
                    purpose.display()
                );
                names.insert(purpose.clone());
            }
            _ => {}
        }
    }
    assert!(documents > 0, "{title} writes no document");
    assert!(bytes.is_empty(), "{title}: {bytes:?} may be empty");
}
