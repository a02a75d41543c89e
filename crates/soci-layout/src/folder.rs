//! A directory of a store, whose files are listed and removed relative to it.

use std::ffi::CStr;
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fsync, openat, statat, unlinkat};
use rustix::io::Errno;
use soci_oci::{Algorithm, Digest};

use crate::error::{Action, IoContext as _, LayoutError};
use crate::lock::{self, LockKind};
use crate::stored_file::{FolderContent, Removal, StoreFile, StoredFile};
use crate::temporary;

/// An open directory of the store.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) content: FolderContent,
    directory: OwnedFd,
    pub(crate) path: PathBuf,
    /// Whether a file was removed since the directory was made durable.
    is_changed: bool,
}

impl Folder {
    /// Returns the open directory `path`, whose files are `content`.
    pub(crate) const fn new(content: FolderContent, directory: OwnedFd, path: PathBuf) -> Self {
        Self {
            content,
            directory,
            path,
            is_changed: false,
        }
    }

    /// Adds the files of the directory that the tools have made.
    pub(crate) fn list(&self, files: &mut Vec<StoredFile>) -> io::Result<()> {
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let Some(name) = self.content.parse_name(entry.file_name()) else {
                continue;
            };
            let stat = match statat(
                &self.directory,
                entry.file_name(),
                AtFlags::SYMLINK_NOFOLLOW,
            ) {
                Ok(stat) => stat,
                // Another process has removed it meanwhile.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            if is_regular(&stat) {
                files.push(StoredFile {
                    name,
                    size: u64::try_from(stat.st_size).unwrap_or_default(),
                    last_use: modification_time(&stat),
                });
            }
        }
        Ok(())
    }

    /// Removes a file, unless it was used since it was listed.
    pub(crate) fn remove(&mut self, name: &str, listed: &StoredFile) -> io::Result<Removal> {
        let file = match self.open(name) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(Removal::Absent),
            // Something else has taken the place of the file.
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(Removal::InUse),
            Err(error) => return Err(error.into()),
        };
        let stat = rustix::fs::fstat(&file)?;
        if !is_regular(&stat) || modification_time(&stat) != listed.last_use {
            return Ok(Removal::InUse);
        }
        if self.content == FolderContent::Unfinished {
            // Without locks, the caller relies on the age of the file.
            let attempt = lock::attempt(&file, LockKind::Exclusive);
            if matches!(attempt, Err(TryLockError::WouldBlock)) {
                return Ok(Removal::InUse);
            }
        }
        match unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) => {
                self.is_changed = true;
                Ok(Removal::Removed)
            }
            Err(Errno::NOENT) => Ok(Removal::Absent),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file. This also makes an NFS client ask the server for the file's modification time,
    /// which it would otherwise keep for up to a minute (`nfs(5)`, "Close-to-open cache
    /// consistency").
    fn open(&self, name: &str) -> Result<File, Errno> {
        // An unfinished file is locked, for which it must be open for writing over NFS.
        let access = match self.content {
            FolderContent::Unfinished => OFlags::RDWR,
            FolderContent::Blobs(_) | FolderContent::CacheEntries => OFlags::RDONLY,
        };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        openat(&self.directory, name, flags, Mode::empty()).map(File::from)
    }

    /// Makes the removals durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.is_changed {
            fsync(&self.directory)?;
            self.is_changed = false;
        }
        Ok(())
    }
}

impl FolderContent {
    /// Returns the name of a file, if the tools give files in this directory such names.
    fn parse_name(self, name: &CStr) -> Option<StoreFile> {
        let name = name.to_str().ok()?;
        let digest = |algorithm: Algorithm| {
            format!("{}:{name}", algorithm.name())
                .parse::<Digest>()
                .ok()
        };
        match self {
            Self::Blobs(algorithm) => digest(algorithm).map(StoreFile::Blob),
            Self::CacheEntries => digest(Algorithm::Sha256).map(StoreFile::CacheEntry),
            Self::Unfinished => {
                let random = name.strip_prefix(temporary::PREFIX)?;
                let is_ours = random.bytes().all(|byte| byte.is_ascii_alphanumeric());
                is_ours.then(|| StoreFile::Unfinished(name.to_owned()))
            }
        }
    }
}

/// Opens a directory of the store. Returns `None` if it does not exist, or if a link is on the way.
pub(crate) fn open_folder(
    store: &OwnedFd,
    root: &Path,
    names: &[&str],
    content: FolderContent,
) -> Result<Option<Folder>, LayoutError> {
    let mut path = root.to_owned();
    let mut directory = None;
    for name in names {
        path.push(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(
            directory.as_ref().unwrap_or(store),
            *name,
            flags,
            Mode::empty(),
        ) {
            Ok(opened) => directory = Some(opened),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                tracing::warn!(target: "soci", "`{}` is not a directory, so nothing in it is removed", path.display());
                return Ok(None);
            }
            Err(error) => return Err(io::Error::from(error)).context(Action::Read, &path),
        }
    }
    Ok(directory.map(|directory| Folder::new(content, directory, path)))
}

/// Returns whether a file is a regular file.
pub(crate) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Returns the modification time. A time before 1970 counts as 1970.
fn modification_time(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or_default();
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}
