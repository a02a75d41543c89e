//! Files that appear at their path with all of their content, or not at all.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::error::{Action, IoContext as _, LayoutError};

/// What the names of temporary files start with.
pub(crate) const PREFIX: &str = ".unfinished-";

/// The age at which a temporary file that no process has locked is removed.
const STALE_AGE: Duration = Duration::from_hours(24);

/// The temporary files of this process, to be removed if a signal ends it: then no destructor runs.
static REGISTERED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file under a temporary name. It is removed when it is dropped, unless it was published.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    // Fields are dropped in this order: the file is registered for as long as it may exist.
    file: NamedTempFile,
    registration: Registration,
}

/// The path of a temporary file, registered until this is dropped.
#[derive(Debug)]
struct Registration(PathBuf);

/// What to do when a file is published and its path exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Existing {
    /// Keep the existing file.
    Keep,
    /// Replace the existing file.
    Replace,
}

/// Removes the temporary files of this process, which is about to end. A thread that creates
/// another one afterwards blocks for ever.
pub fn remove_unfinished() {
    let registered = lock_registered();
    for path in registered.iter() {
        // A file that was published meanwhile no longer exists under this name. One that cannot be
        // removed is removed by a later run when it is stale.
        drop(fs::remove_file(path));
    }
    std::mem::forget(registered);
}

/// Creates a temporary file in `directory` that is to be published as `path`.
pub(crate) fn create(directory: &Path, path: &Path) -> Result<TemporaryFile, LayoutError> {
    // The lock is held while the file is created and registered, so that `remove_unfinished` misses
    // none.
    let mut registered = lock_registered();
    let file = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(directory)
        .context(Action::Create, path)?;
    let registration = Registration(file.path().to_owned());
    registered.insert(registration.0.clone());
    drop(registered);
    // The lock tells `remove_stale` in another process that the file is in use. Without it, the
    // file is only kept by its age.
    drop(file.as_file().try_lock());
    Ok(TemporaryFile { file, registration })
}

impl TemporaryFile {
    /// Makes the content durable, renames the file to `path`, and makes the name durable.
    pub(crate) fn publish(
        self,
        path: &Path,
        mode: u32,
        existing: Existing,
    ) -> Result<(), LayoutError> {
        let Self { file, registration } = self;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(mode))
            .context(Action::Write, path)?;
        file.as_file().sync_all().context(Action::Write, path)?;
        let renamed = match existing {
            Existing::Replace => file.persist(path).map(drop),
            Existing::Keep => match file.persist_noclobber(path) {
                Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other.map(drop),
            },
        };
        drop(registration);
        renamed
            .map_err(|failed| failed.error)
            .context(Action::Write, path)?;
        sync_entry(path)
    }
}

impl Write for TemporaryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock_registered().remove(&self.0);
    }
}

/// Locks the set of temporary files. A thread that panicked while it held the lock has left the set
/// consistent.
fn lock_registered() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creates a directory and its missing parents, and makes them durable. Other users get no access
/// to them.
pub(crate) fn create_directory(path: &Path) -> Result<(), LayoutError> {
    match create_one_directory(path) {
        Err(LayoutError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        created => return created,
    }
    let mut missing = vec![path];
    let mut parent = parent_directory(path);
    // Where a directory cannot be created although its parent exists, as in `/proc` or in a working
    // directory that was removed, the loop ends, and so does the attempt below.
    while !parent.exists() && parent_directory(parent) != parent {
        missing.push(parent);
        parent = parent_directory(parent);
    }
    missing.into_iter().rev().try_for_each(create_one_directory)
}

/// Creates a directory whose parent exists, and makes it durable.
fn create_one_directory(path: &Path) -> Result<(), LayoutError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_entry(path),
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(error).context(Action::Create, path),
    }
}

/// Returns the directory that `path` is in. For a bare file name, that is the working directory.
pub(crate) fn parent_directory(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if directory.as_os_str().is_empty() => Path::new("."),
        Some(directory) => directory,
        None => path,
    }
}

/// Makes the directory entry of `path` durable.
pub(crate) fn sync_entry(path: &Path) -> Result<(), LayoutError> {
    File::open(parent_directory(path))
        .and_then(|directory| directory.sync_all())
        .context(Action::Write, path)
}

/// Removes the temporary files that killed processes left in `directory` at least 24 hours ago.
/// Files that cannot be removed stay.
pub(crate) fn remove_stale(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let is_stale = |entry: &fs::DirEntry| {
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        entry.file_name().to_string_lossy().starts_with(PREFIX)
            && age().is_some_and(|age| age >= STALE_AGE)
    };
    for entry in entries.flatten().filter(is_stale) {
        if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use soci_document::{Classify as _, Exit};

    use super::*;

    #[test]
    fn creates_missing_parents_and_keeps_existing_ones() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a/b/c");
        create_directory(&path).expect("three directories");
        assert!(path.is_dir());
        create_directory(&path).expect("it exists");
    }

    /// Below these, the parent exists and the directory cannot be created.
    #[test]
    fn ends_where_no_directory_can_be_created() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("file");
        fs::write(&file, b"").expect("written");
        let long = directory.path().join("x".repeat(300));
        let loops = directory.path().join("loop");
        std::os::unix::fs::symlink("loop", &loops).expect("a link");
        let nowhere = directory.path().join("dangling");
        std::os::unix::fs::symlink("nowhere", &nowhere).expect("a link");
        for path in [
            PathBuf::from("/proc/x"),
            PathBuf::from("/proc/x/y"),
            file.join("a/b"),
            file,
            long.join("a"),
            loops.join("a/b"),
            loops,
            nowhere,
            directory.path().join("a/".repeat(3000)),
        ] {
            let error = create_directory(&path).expect_err("no directory");
            assert_eq!(error.exit(), Exit::StoreUnwritable, "{error:?}");
        }
    }
}
