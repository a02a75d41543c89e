//! The last use of the files of a store: their modification times.
//!
//! Blobs and the entries of the cache of ztocs never change, so that the modification time of their
//! files is free to tell when a tool used them last. `soci-prune` removes what was not used for
//! long. A tool that finds an old file therefore sets the file's time before it relies on the file,
//! under a shared lock of `oci-layout`. The file is removed under an exclusive lock, and only if
//! its time has not changed. So a tool either finds no file, or the file stays.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::layout::Layout;
use crate::lock::{self, LockKind};
use crate::marker;

/// A time of the last use that is less than this ago is precise enough, and is not set anew. This
/// keeps a run on new files from taking locks. It is far below the age at which a file is removed.
const PRECISION: Duration = Duration::from_mins(10);

/// How long to wait for the lock. The process that holds it removes one file, or writes one small
/// file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The times that mark a file as used now. The time of the last access stays.
const NOW: Timestamps = Timestamps {
    last_access: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_OMIT,
    },
    last_modification: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    },
};

impl Layout {
    /// Marks a file as used now, if this layout is the store of this process. `metadata` is that of
    /// the file, which `open` opens. Returns whether the file still exists.
    pub(crate) fn mark_used(
        &self,
        metadata: &Metadata,
        open: impl FnOnce() -> Option<File>,
    ) -> bool {
        if !self.is_in_use() || was_used_recently(metadata) {
            return true;
        }
        // Without the lock, only the age of the file protects it.
        let lock = lock::wait(self.root(), marker::FILE, LockKind::Shared, LOCK_TIMEOUT);
        let Some(file) = open() else {
            return false;
        };
        // A file of another user, or on a read-only file system, keeps its time.
        let _ = rustix::fs::futimens(&file, &NOW);
        let exists = file.metadata().is_ok_and(|metadata| metadata.nlink() > 0);
        drop(lock);
        exists
    }
}

/// Returns whether the time of the last use is precise enough. A time in the future is.
fn was_used_recently(metadata: &Metadata) -> bool {
    let modified = metadata.modified();
    modified.is_ok_and(|time| time.elapsed().map_or(true, |age| age < PRECISION))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::SystemTime;

    use super::*;
    use soci_oci::Descriptor;

    const LONG_AGO: SystemTime = SystemTime::UNIX_EPOCH;

    fn last_use(path: &Path) -> SystemTime {
        let metadata = path.metadata().expect("a file");
        metadata.modified().expect("a time")
    }

    /// Writes a blob that was used long ago.
    fn write_old_blob(layout: &Layout) -> Descriptor {
        let descriptor = Descriptor::of("", b"content");
        let digest = layout.write_blob(b"content").expect("written");
        let file = File::open(layout.blob_path(digest)).expect("a blob");
        file.set_modified(LONG_AGO).expect("a changed time");
        descriptor
    }

    #[test]
    fn reading_marks_an_old_file_of_a_store_as_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Layout::open_or_create_store(directory.path(), crate::StoreTrust::OwnOrRoot)
            .expect("a store");
        let blob = write_old_blob(&store);
        let path = store.blob_path(blob.digest);
        assert!(store.has_blob(&blob));
        let used = last_use(&path);
        assert!(used.elapsed().expect("a time in the past") < PRECISION);
        assert!(store.has_blob(&blob));
        assert_eq!(last_use(&path), used, "the time is precise enough");
        write_old_blob(&store);
        store.read_blob(&blob, 100).expect("read");
        assert_ne!(last_use(&path), LONG_AGO);
        write_old_blob(&store);
        store.write_blob(b"content").expect("written");
        assert_ne!(last_use(&path), LONG_AGO);
    }

    #[test]
    fn reading_a_layout_of_the_user_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let layout = Layout::open_or_create(directory.path()).expect("a layout");
        let blob = write_old_blob(&layout);
        assert!(layout.has_blob(&blob));
        layout.read_blob(&blob, 100).expect("read");
        assert_eq!(last_use(&layout.blob_path(blob.digest)), LONG_AGO);
        // A store that is read as the source of an image is not used as a store.
        drop(
            Layout::open_or_create_store(directory.path(), crate::StoreTrust::OwnOrRoot)
                .expect("a store"),
        );
        let source = Layout::open(directory.path()).expect("a layout");
        source.read_blob(&blob, 100).expect("read");
        assert_eq!(last_use(&source.blob_path(blob.digest)), LONG_AGO);
    }

    #[test]
    fn a_private_file_is_read_up_to_a_limit_and_marked_as_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Layout::open_or_create_store(directory.path(), crate::StoreTrust::OwnOrRoot)
            .expect("a store");
        let read = |limit| store.read_private_file("private", "name", limit);
        assert_eq!(read(10), None);
        let write = store.write_private_file("private", "name", b"content");
        write.expect("written");
        let path = store.root().join("private/name");
        let file = File::open(&path).expect("a file");
        file.set_modified(LONG_AGO).expect("a changed time");
        assert_eq!(read(7).as_deref(), Some(&b"content"[..]));
        assert_ne!(last_use(&path), LONG_AGO);
        assert_eq!(read(6), None);
    }
}
