//! The file `index.json` of a layout in a directory, and the lock under which it changes.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Once;

use soci_oci::Descriptor;

use crate::error::LayoutError;
use crate::layout::Layout;
use crate::lock::{self, LockKind, Locked};
use crate::{beneath, index_json, marker};

/// Limits the warning about a file system without locks to one for each process.
static NO_LOCKS_WARNING: Once = Once::new();

impl Layout {
    /// Returns the bytes of `index.json`.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or is longer than
    /// [`MANIFEST_LIMIT`](soci_oci::manifest::MANIFEST_LIMIT).
    pub fn read_index(&self) -> Result<Vec<u8>, LayoutError> {
        beneath::read_small(self.root(), index_json::FILE)
    }

    /// Adds a manifest to `index.json`. If `name` is given, it becomes the manifest's name, and the
    /// entry that had this name is removed. Returns whether the file changed.
    ///
    /// # Errors
    ///
    /// Returns an error if `index.json` is malformed or cannot be written, or if another process
    /// holds the lock for a minute.
    pub fn add_manifest(
        &self,
        descriptor: &Descriptor,
        name: Option<&str>,
    ) -> Result<bool, LayoutError> {
        let _lock = self.lock_index()?;
        let index = self.read_index()?;
        match index_json::add_manifest(&index, descriptor, name, self.root())? {
            None => Ok(false),
            Some(changed) => {
                self.replace_file(&self.root().join(index_json::FILE), &changed)?;
                Ok(true)
            }
        }
    }

    /// Creates an `index.json` without entries, unless the file exists.
    pub(crate) fn create_index(&self) -> Result<(), LayoutError> {
        let path = self.root().join(index_json::FILE);
        if path.exists() {
            return Ok(());
        }
        let _lock = self.lock_index()?;
        // Another process may have created it while this one waited for the lock.
        if path.exists() {
            return Ok(());
        }
        self.replace_file(&path, &index_json::empty_index())
    }

    /// Waits for the lock of `index.json`. The kernel releases it when the returned file is closed
    /// or the process ends.
    pub(crate) fn lock_index(&self) -> Result<File, LayoutError> {
        // `index.json` is replaced on each change, and a lock on a replaced file excludes no other
        // process. `oci-layout` is never replaced.
        let name = marker::FILE;
        let exclusive = LockKind::Exclusive;
        match lock::wait(self.root(), name, exclusive, self.lock_timeout)? {
            Locked::Held(file) => Ok(file),
            Locked::Unsupported(file, error) => {
                let path = self.root().join(name);
                NO_LOCKS_WARNING.call_once(|| warn_of_missing_locks(&path, &error));
                Ok(file)
            }
        }
    }
}

fn warn_of_missing_locks(path: &Path, error: &io::Error) {
    let path = path.display();
    tracing::warn!(target: "soci", "`{path}` cannot be locked, so an entry that another process adds at the same time may be lost: {error}");
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use soci_document::{Classify as _, Exit};
    use soci_oci::manifest::Root;
    use soci_oci::media_type::{OCI_INDEX, OCI_MANIFEST};

    fn manifest(content: &[u8]) -> Descriptor {
        Descriptor::of(OCI_MANIFEST, content)
    }

    /// A lock that stays held is an error after the timeout (row F7 of `docs/reliability.md`).
    #[test]
    fn f7_waits_for_the_lock_until_the_timeout() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut layout = Layout::open_or_create(directory.path()).expect("a layout");
        layout.lock_timeout = Duration::from_millis(50);
        let lock = layout.lock_index().expect("the lock");
        let error = layout
            .add_manifest(&manifest(b"1"), None)
            .expect_err("the lock is held");
        assert_eq!(error.exit(), Exit::TryAgain);
        assert!(error.to_string().contains("oci-layout"), "{error}");
        // The lock is released like that of a process that ended.
        drop(lock);
        assert!(layout.add_manifest(&manifest(b"1"), None).expect("added"));
    }

    #[test]
    fn loses_no_entry_if_several_threads_add_manifests() {
        let directory = tempfile::tempdir().expect("a directory");
        thread::scope(|scope| {
            for writer in 0..8u8 {
                let root = directory.path().to_owned();
                scope.spawn(move || {
                    let layout = Layout::open_or_create(&root).expect("a layout");
                    for entry in 0..10u8 {
                        let added = layout.add_manifest(&manifest(&[writer, entry]), None);
                        assert!(added.expect("added"));
                    }
                });
            }
        });
        let layout = Layout::open(directory.path()).expect("a layout");
        let bytes = layout.read_index().expect("an index");
        let Ok(Root::Index(index)) = Root::parse(&bytes, OCI_INDEX) else {
            panic!("expected an index")
        };
        assert_eq!(index.manifests.len(), 80);
    }
}
