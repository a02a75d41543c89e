//! The store: a layout that the tools may clean up.
//!
//! The file `soci-store` tells a store from a layout with images of the user. It is made in a new
//! directory, and in a layout that lists no image. Each tool holds a shared lock of it while the
//! tool runs, so that `soci-prune` knows whether a tool may be at work.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use soci_oci::manifest::Root;
use soci_oci::media_type::OCI_INDEX;

use crate::beneath;
use crate::error::{Action, IoContext as _, LayoutError};
use crate::layout::Layout;
use crate::lock::{self, LockKind, Locked};
use crate::store_use::{MARKER, StoreUse};
use crate::temporary::{self, Existing};
use crate::trust::{self, StoreTrust};

/// The content of the file.
const MARKER_CONTENT: &str = "{\"version\":1}\n";

impl Layout {
    /// Opens the store in the directory `root`, or creates an empty one, and marks what is read
    /// there as used. Otherwise this is like [`Layout::open_or_create`].
    ///
    /// A layout that lists images, and that is no store yet, is not made one: it is read and
    /// written, but never cleaned up.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Layout::open_or_create`], and an error if the directory holds
    /// other files but no layout, if `trust` excludes it, or if `soci-prune` holds the lock of the
    /// store for a minute.
    pub fn open_or_create_store(root: &Path, trust: StoreTrust) -> Result<Self, LayoutError> {
        trust::check_store(root, trust)?;
        let layout = Self::open_or_create(root)?;
        if layout.is_in_use() || !layout.lists_no_image() {
            return Ok(layout);
        }
        match layout.write_marker() {
            // Nothing can be removed from a store that cannot be written.
            Err(error) if is_read_only(&error) => Ok(layout),
            written => written.and_then(|()| layout.join_store()),
        }
    }

    /// Registers this process as a user of the layout, if the layout is a store.
    pub(crate) fn join_store(mut self) -> Result<Self, LayoutError> {
        if !self.root().join(MARKER).exists() {
            return Ok(self);
        }
        let locked = lock::wait(self.root(), MARKER, LockKind::Shared, self.lock_timeout)?;
        let (Locked::Held(lock) | Locked::Unsupported(lock, _)) = locked;
        self.store_use = Some(Arc::new(StoreUse { _lock: lock }));
        Ok(self)
    }

    /// Returns whether this layout is the store of this process.
    pub(crate) fn is_in_use(&self) -> bool {
        self.store_use.is_some()
    }

    /// Returns whether `index.json` is that of an empty layout.
    fn lists_no_image(&self) -> bool {
        let index = self.read_index().ok();
        let parsed = index.and_then(|bytes| Root::parse(&bytes, OCI_INDEX).ok());
        matches!(parsed, Some(Root::Index(index)) if index.manifests.is_empty())
    }

    fn write_marker(&self) -> Result<(), LayoutError> {
        // The lock is taken on this file, so it must never be replaced.
        let path = self.root().join(MARKER);
        let mut file = temporary::create(self.root(), &path)?;
        file.write_all(MARKER_CONTENT.as_bytes())
            .context(Action::Write, &path)?;
        file.publish(&path, 0o644, Existing::Keep)
    }
}

/// Returns whether a file cannot be written because the store is read-only for this process.
fn is_read_only(error: &LayoutError) -> bool {
    matches!(error, LayoutError::File { source, .. } if beneath::is_read_only(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_oci::Descriptor;
    use soci_oci::media_type::OCI_MANIFEST;

    #[test]
    fn a_layout_with_images_is_not_made_a_store() {
        let directory = tempfile::tempdir().expect("a directory");
        let layout = Layout::open_or_create(directory.path()).expect("a layout");
        let image = Descriptor::of(OCI_MANIFEST, b"image");
        layout.add_manifest(&image, Some("v1")).expect("added");
        let opened = Layout::open_or_create_store(directory.path(), StoreTrust::OwnOrRoot)
            .expect("a layout");
        assert!(!opened.is_in_use());
        assert!(!directory.path().join(MARKER).exists());
    }

    #[test]
    fn a_store_stays_one_when_it_lists_an_image() {
        let directory = tempfile::tempdir().expect("a directory");
        drop(
            Layout::open_or_create_store(directory.path(), StoreTrust::OwnOrRoot).expect("a store"),
        );
        let destination = Layout::open_or_create(directory.path()).expect("a layout");
        assert!(destination.is_in_use());
        let image = Descriptor::of(OCI_MANIFEST, b"image");
        destination.add_manifest(&image, Some("v1")).expect("added");
        let opened =
            Layout::open_or_create_store(directory.path(), StoreTrust::OwnOrRoot).expect("a store");
        assert!(opened.is_in_use());
    }

    #[test]
    fn a_store_of_an_earlier_version_gets_the_marker() {
        let directory = tempfile::tempdir().expect("a directory");
        let layout = Layout::open_or_create(directory.path()).expect("a layout");
        layout.write_blob(b"content").expect("written");
        assert!(!layout.is_in_use());
        let store =
            Layout::open_or_create_store(directory.path(), StoreTrust::OwnOrRoot).expect("a store");
        assert!(store.is_in_use());
    }
}
