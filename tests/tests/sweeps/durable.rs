//! What a power cut leaves, told from the order of the calls.
//!
//! What is not synced may be there or not, in any order. So nothing may get a name before its bytes are synced, and nothing
//! may be told on standard output before the entry of its name in the folder is.

use std::{collections::BTreeSet, path::PathBuf};

use crate::calls::{Call, Object};

/// Asserts that at no moment a power cut leaves a name without its content, or a document without what it names.
#[track_caller]
pub(crate) fn assert_durable(title: &str, calls: &[Call]) {
    // Files with bytes that are not synced, and names that are not.
    let mut bytes: BTreeSet<PathBuf> = BTreeSet::new();
    let mut names: BTreeSet<PathBuf> = BTreeSet::new();
    let mut told = 0;
    for call in calls.iter().filter(|call| !call.fails_anyway) {
        let (object, purpose) = match (&call.object, &call.purpose) {
            (Object::File(object), Object::File(purpose)) => (object, purpose),
            (Object::Stdout, _) => {
                assert!(names.is_empty(), "{title}: {names:?} may be lost");
                told += 1;
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
    assert!(told > 0, "{title} tells nothing");
    assert!(bytes.is_empty(), "{title}: {bytes:?} may be empty");
}
