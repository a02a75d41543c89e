//! Listing and removing the files of a store, for `soci-prune`.
//!
//! Files are listed and removed relative to their open directories. No link is followed, except on
//! the way to the store itself, which the user has named. Only files with names that the tools give
//! are listed, so that files of others stay.

use std::ffi::CStr;
use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat, unlinkat};
use rustix::io::Errno;
use soci_oci::{Algorithm, Digest};

use crate::error::{Action, IoContext as _, LayoutError};
use crate::layout::Layout;
use crate::lock::{self, LockKind};
use crate::store::{MARKER, ZTOC_CACHE};
use crate::{beneath, temporary};

/// A store whose files can be listed and removed.
#[derive(Debug)]
pub struct PrunableStore {
    layout: Layout,
    /// The file whose lock every tool holds while it uses the store.
    marker: File,
    folders: Vec<Folder>,
}

/// An open directory of the store.
#[derive(Debug)]
struct Folder {
    content: FolderContent,
    directory: OwnedFd,
    path: PathBuf,
    /// Whether a file was removed since the directory was made durable.
    is_changed: bool,
}

/// What the files in a directory of the store are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum FolderContent {
    Blobs(Algorithm),
    CacheEntries,
    Unfinished,
}

/// The name of a file of a store.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum StoreFile {
    /// A blob.
    Blob(Digest),
    /// An entry of the cache of ztocs, in the directory [`ZTOC_CACHE`]. Its name is the digest of
    /// what the ztoc is determined by, in hexadecimal digits.
    CacheEntry(Digest),
    /// A file that was not written to its end, with its name.
    Unfinished(String),
}

/// A file of a store.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// Its name.
    pub name: StoreFile,
    /// Its size in bytes.
    pub size: u64,
    /// When a tool used it last.
    pub last_use: SystemTime,
}

/// When a file may be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RemoveWhen {
    /// At any time, if it was not used since it was listed.
    Unused,
    /// If, besides, no tool uses the store.
    Idle,
}

/// What became of a file that was to be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removal {
    /// It was removed.
    Removed,
    /// Another process had removed it.
    Absent,
    /// It stays: a tool has used it since it was listed, or may be about to.
    InUse,
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
        folders.push(Folder {
            content: FolderContent::Unfinished,
            directory,
            path: root.to_owned(),
            is_changed: false,
        });
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

    /// Returns the files of the store that may be removed: blobs, the entries of the cache of ztocs,
    /// and unfinished files.
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
        for folder in self.folders.iter_mut().filter(|folder| folder.is_changed) {
            let synced = rustix::fs::fsync(&folder.directory).map_err(io::Error::from);
            synced.context(Action::Write, &folder.path)?;
            folder.is_changed = false;
        }
        Ok(())
    }
}

impl Folder {
    /// Adds the files of the directory that the tools have made.
    fn list(&self, files: &mut Vec<StoredFile>) -> io::Result<()> {
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
    fn remove(&mut self, name: &str, listed: &StoredFile) -> io::Result<Removal> {
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

impl StoreFile {
    /// Returns the path of the file in the store, such as `blobs/sha256/e3b0…`.
    pub fn path(&self) -> PathBuf {
        let folder = match self {
            Self::Blob(digest) => Path::new("blobs").join(digest.algorithm().name()),
            Self::CacheEntry(_) => PathBuf::from(ZTOC_CACHE),
            Self::Unfinished(_) => PathBuf::new(),
        };
        folder.join(self.file_name())
    }

    fn file_name(&self) -> String {
        match self {
            Self::Blob(digest) | Self::CacheEntry(digest) => digest.hex(),
            Self::Unfinished(name) => name.clone(),
        }
    }

    fn folder(&self) -> FolderContent {
        match self {
            Self::Blob(digest) => FolderContent::Blobs(digest.algorithm()),
            Self::CacheEntry(_) => FolderContent::CacheEntries,
            Self::Unfinished(_) => FolderContent::Unfinished,
        }
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

/// Opens a directory of the store. Returns `None` if it does not exist, or if a link is on the way.
fn open_folder(
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
    Ok(directory.map(|directory| Folder {
        content,
        directory,
        path,
        is_changed: false,
    }))
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Returns the modification time. A time before 1970 counts as 1970.
fn modification_time(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or_default();
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use soci_document::{Classify as _, Exit};

    fn create() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("store");
        let layout = Layout::open_or_create_store(&root).expect("a store");
        (directory, layout)
    }

    fn list(store: &PrunableStore) -> Vec<StoreFile> {
        let files = store.files().expect("files").into_iter();
        let mut names: Vec<StoreFile> = files.map(|file| file.name).collect();
        names.sort();
        names
    }

    #[test]
    fn lists_and_removes_the_files_of_the_tools() {
        let (_directory, layout) = create();
        let blob = layout.write_blob(b"content").expect("written");
        let key = Digest::of(b"key");
        let entry = layout.write_private_file(ZTOC_CACHE, &key.hex(), b"{}");
        entry.expect("written");
        let unfinished = format!("{}a1B2c3", temporary::PREFIX);
        fs::write(layout.root().join(&unfinished), b"half").expect("written");
        let mut store = PrunableStore::open(layout.root()).expect("a store");
        let names = [
            StoreFile::Blob(blob),
            StoreFile::CacheEntry(key),
            StoreFile::Unfinished(unfinished),
        ];
        assert_eq!(list(&store), names);
        for file in store.files().expect("files") {
            let removal = store.remove(&file, RemoveWhen::Unused).expect("removed");
            assert_eq!(removal, Removal::Removed);
            assert!(!layout.root().join(file.name.path()).exists());
            let removal = store.remove(&file, RemoveWhen::Unused).expect("removed");
            assert_eq!(removal, Removal::Absent);
        }
        store.sync().expect("synced");
        assert_eq!(list(&store), []);
    }

    #[test]
    fn ignores_what_the_tools_have_not_made() {
        let (directory, layout) = create();
        let blobs = layout.root().join("blobs/sha256");
        let hex = |name: &str| Digest::of(name.as_bytes()).hex();
        let outside = directory.path().join("outside");
        fs::write(&outside, b"of the user").expect("written");
        symlink(&outside, blobs.join(hex("link"))).expect("a link");
        fs::create_dir(blobs.join(hex("directory"))).expect("a directory");
        for name in ["notes.txt", "ABC", "-rf", "a\nb", ".unfinished-a1B2c3"] {
            fs::write(blobs.join(name), b"of the user").expect("written");
        }
        fs::write(
            layout.root().join(".unfinished-../x".replace('/', "_")),
            b"",
        )
        .expect("written");
        fs::write(layout.root().join(hex("root")), b"of the user").expect("written");
        let store = PrunableStore::open(layout.root()).expect("a store");
        assert_eq!(list(&store), []);
    }

    #[test]
    fn does_not_enter_a_directory_through_a_link() {
        let (directory, layout) = create();
        let blobs = layout.root().join("blobs");
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&blobs, &elsewhere).expect("moved");
        fs::write(elsewhere.join("sha256").join(Digest::of(b"").hex()), b"").expect("written");
        symlink(&elsewhere, &blobs).expect("a link");
        let store = PrunableStore::open(layout.root()).expect("a store");
        assert_eq!(list(&store), []);
    }

    #[test]
    fn refuses_a_layout_that_is_not_marked_as_a_store() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        drop(Layout::open_or_create(root).expect("a layout"));
        let refused = || PrunableStore::open(root).expect_err("no store");
        assert!(matches!(refused(), LayoutError::NotAStore { .. }));
        assert_eq!(refused().exit(), Exit::BadData);
        fs::write(root.join("other"), b"").expect("written");
        symlink("other", root.join(MARKER)).expect("a link");
        assert!(matches!(refused(), LayoutError::NotAStore { .. }));
    }

    #[test]
    fn keeps_a_file_that_was_used_since_it_was_listed() {
        let (_directory, layout) = create();
        let blob = layout.write_blob(b"content").expect("written");
        let path = layout.blob_path(blob);
        let set_time = |time| {
            let file = File::open(&path).expect("a blob");
            file.set_modified(time).expect("a changed time");
        };
        set_time(SystemTime::UNIX_EPOCH);
        let mut store = PrunableStore::open(layout.root()).expect("a store");
        let listed = store.files().expect("files").remove(0);
        assert_eq!(listed.last_use, SystemTime::UNIX_EPOCH);
        assert!(layout.has_blob(&soci_oci::Descriptor::new("", blob, 7)));
        let removal = store.remove(&listed, RemoveWhen::Unused).expect("checked");
        assert_eq!(removal, Removal::InUse);
        assert!(path.exists());
    }

    #[test]
    fn knows_whether_a_tool_uses_the_store() {
        let (_directory, layout) = create();
        let blob = layout.write_blob(b"content").expect("written");
        let mut store = PrunableStore::open(layout.root()).expect("a store");
        let listed = store.files().expect("files").remove(0);
        assert!(!store.is_idle());
        let removal = store.remove(&listed, RemoveWhen::Idle).expect("checked");
        assert_eq!(removal, Removal::InUse);
        let path = layout.blob_path(blob);
        drop(layout);
        assert!(store.is_idle());
        let removal = store.remove(&listed, RemoveWhen::Idle).expect("removed");
        assert_eq!(removal, Removal::Removed);
        assert!(!path.exists());
    }

    #[test]
    fn keeps_an_unfinished_file_that_a_process_writes() {
        let (_directory, layout) = create();
        let writer = layout.blob_writer(&soci_oci::Descriptor::of("", b"content"));
        let mut store = PrunableStore::open(layout.root()).expect("a store");
        let listed = store.files().expect("files").remove(0);
        let removal = store.remove(&listed, RemoveWhen::Unused).expect("checked");
        assert_eq!(removal, Removal::InUse);
        drop(writer);
        assert_eq!(list(&store), []);
    }
}
