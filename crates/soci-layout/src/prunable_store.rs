//! Listing and removing the files of a store, for `soci-prune`.
//!
//! Files are listed and removed relative to their open directories. No link is followed, except on
//! the way to the store itself, which the user has named. Only files with names that the tools give
//! are listed, so that files of others stay.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use soci_oci::{Algorithm, Digest};

use crate::beneath;
use crate::error::{Action, IoContext as _, LayoutError};
use crate::folder::{Folder, is_regular, open_folder};
use crate::layout::Layout;
use crate::lock::{self, LockKind};
use crate::store_use::{MARKER, ZTOC_CACHE};
use crate::stored_file::{FolderContent, Removal, StoredFile};

/// A store whose files can be listed and removed.
#[derive(Debug)]
pub struct PrunableStore {
    layout: Layout,
    /// The file whose lock every tool holds while it uses the store.
    marker: File,
    folders: Vec<Folder>,
}

/// When a file may be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RemoveWhen {
    /// At any time, if it was not used since it was listed.
    Unused,
    /// If, besides, no tool uses the store.
    Idle,
}

impl PrunableStore {
    /// Opens the store in the directory `root`.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory cannot be read, or is not a store: an OCI image layout
    /// with the file that marks a store.
    pub fn open(root: &Path) -> Result<Self, LayoutError> {
        let layout = Layout::open(root)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, root, flags, Mode::empty());
        let directory = directory
            .map_err(io::Error::from)
            .context(Action::Read, root)?;
        match statat(&directory, MARKER, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_regular(&stat) => {}
            Ok(_) | Err(Errno::NOENT) => return Err(LayoutError::not_a_store(root)),
            Err(error) => return Err(io::Error::from(error)).context(Action::Read, root),
        }
        let marker = beneath::open_to_lock(root, Path::new(MARKER))?;
        let mut folders = Vec::new();
        for (content, names) in [
            (FolderContent::CacheEntries, &[ZTOC_CACHE][..]),
            (
                FolderContent::Blobs(Algorithm::Sha256),
                &["blobs", Algorithm::Sha256.name()],
            ),
            (
                FolderContent::Blobs(Algorithm::Sha512),
                &["blobs", Algorithm::Sha512.name()],
            ),
        ] {
            folders.extend(open_folder(&directory, root, names, content)?);
        }
        let unfinished = Folder::new(FolderContent::Unfinished, directory, root.to_owned());
        folders.push(unfinished);
        Ok(Self {
            layout,
            marker,
            folders,
        })
    }

    /// Returns the store as a layout. What is read from it does not count as used.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the files of the store that may be removed: blobs, the entries of the cache of
    /// ztocs, and unfinished files.
    ///
    /// # Errors
    ///
    /// Returns an error if a directory cannot be read.
    pub fn files(&self) -> Result<Vec<StoredFile>, LayoutError> {
        let mut files = Vec::new();
        for folder in &self.folders {
            folder
                .list(&mut files)
                .context(Action::Read, &folder.path)?;
        }
        Ok(files)
    }

    /// Returns the content of an entry of the cache of ztocs, or `None` if it cannot be read or is
    /// longer than `limit` bytes.
    pub fn read_cache_entry(&self, key: Digest, limit: u64) -> Option<Vec<u8>> {
        self.layout.read_private_file(ZTOC_CACHE, &key.hex(), limit)
    }

    /// Returns whether no tool uses the store at this moment. If the file system has no locks, this
    /// is unknown, and `false`.
    pub fn is_idle(&self) -> bool {
        IdleLock::attempt(&self.marker).is_some()
    }

    /// Removes a file, unless it was used since it was listed. The removal is durable after
    /// [`PrunableStore::sync`].
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be removed, or if another process holds the lock of
    /// `oci-layout` for a minute.
    pub fn remove(&mut self, file: &StoredFile, when: RemoveWhen) -> Result<Removal, LayoutError> {
        let name = file.name.file_name();
        let content = file.name.folder();
        let folders = &mut self.folders;
        let Some(folder) = folders.iter_mut().find(|folder| folder.content == content) else {
            return Ok(Removal::Absent);
        };
        let idle = match when {
            RemoveWhen::Unused => None,
            RemoveWhen::Idle => match IdleLock::attempt(&self.marker) {
                Some(lock) => Some(lock),
                None => return Ok(Removal::InUse),
            },
        };
        // A tool marks a file as used under a shared lock, so it does not do so between the check
        // and the removal.
        let lock = self.layout.lock_index()?;
        let removal = folder.remove(&name, file);
        drop((lock, idle));
        removal.context(Action::Remove, &folder.path.join(name))
    }

    /// Makes the removals durable.
    ///
    /// # Errors
    ///
    /// Returns an error if a directory cannot be synced.
    pub fn sync(&mut self) -> Result<(), LayoutError> {
        for folder in &mut self.folders {
            folder.sync().context(Action::Write, &folder.path)?;
        }
        Ok(())
    }
}

/// The exclusive lock of a store that no tool uses. A tool that starts waits for it.
struct IdleLock<'a>(&'a File);

impl<'a> IdleLock<'a> {
    fn attempt(marker: &'a File) -> Option<Self> {
        let locked = lock::attempt(marker, LockKind::Exclusive);
        locked.is_ok().then_some(Self(marker))
    }
}

impl Drop for IdleLock<'_> {
    fn drop(&mut self) {
        // If this fails, the lock is released when the process ends.
        drop(self.0.unlock());
    }
}

#[cfg(test)]
mod tests;
