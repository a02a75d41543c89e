//! Files that appear whole or not at all.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::error::{Action, During as _, LayoutError};

/// What the names of unfinished files start with.
const PREFIX: &str = ".unfinished-";

/// How old an unfinished file must be before it counts as left behind.
const STALE: Duration = Duration::from_hours(24);

/// The unfinished files of this process. A signal ends it without running any destructor.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that has no name of its own yet. It goes away unless it is published.
#[derive(Debug)]
pub(crate) struct Unfinished {
    // Dropped in this order: a file is listed for as long as it may be there.
    file: NamedTempFile,
    listed: Listed,
}

/// The entry of a file in the list.
#[derive(Debug)]
struct Listed(PathBuf);

/// What a file that is published may take the place of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replace {
    /// Whatever has the name.
    Any,
    /// Nothing: the first one stays.
    Nothing,
}

/// Removes the unfinished files of this process, which is about to end: whoever starts another one waits for ever.
pub fn remove_unfinished() {
    let unfinished = list();
    for path in unfinished.iter() {
        // What was published meanwhile is gone from here; what cannot be removed, a later run sweeps.
        drop(fs::remove_file(path));
    }
    std::mem::forget(unfinished);
}

/// Starts a file in `folder` that is to become `path`.
pub(crate) fn start(folder: &Path, path: &Path) -> Result<Unfinished, LayoutError> {
    // Made and listed in one step, so that none is missed by whoever removes them all.
    let mut unfinished = list();
    let file = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(folder)
        .during(Action::Create, path)?;
    let listed = Listed(file.path().to_owned());
    unfinished.insert(listed.0.clone());
    drop(unfinished);
    // Whoever sweeps sees by the lock that the file is in work; a lock that fails only delays the sweep.
    drop(file.as_file().try_lock());
    Ok(Unfinished { file, listed })
}

impl Unfinished {
    /// Makes the file durable under the name `path`, with the permissions `mode`.
    pub(crate) fn publish(
        self,
        path: &Path,
        mode: u32,
        replace: Replace,
    ) -> Result<(), LayoutError> {
        let Self { file, listed } = self;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(mode))
            .during(Action::Write, path)?;
        file.as_file().sync_all().during(Action::Write, path)?;
        let published = match replace {
            Replace::Any => file.persist(path),
            Replace::Nothing => file.persist_noclobber(path),
        };
        let published = published.map(drop).or_else(|failed| match replace {
            Replace::Nothing if failed.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(failed.error),
        });
        drop(listed);
        published.during(Action::Write, path)?;
        sync_entry(path)
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        list().remove(&self.0);
    }
}

/// Takes the list. A thread that panicked with it has left it whole.
fn list() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a folder and those above it, where they are missing, and makes them durable. Only the user may look into them.
pub(crate) fn make_folder(path: &Path) -> Result<(), LayoutError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_entry(path),
        Err(_) if path.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder(path) != path => {
            make_folder(folder(path))?;
            make_folder(path)
        }
        Err(error) => Err(error).during(Action::Create, path),
    }
}

/// Returns the folder of `path`: of a bare file name the one that the process is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_entry(path: &Path) -> Result<(), LayoutError> {
    File::open(folder(path))
        .and_then(|folder| folder.sync_all())
        .during(Action::Write, path)
}

/// Removes the unfinished files that a killed process left in `folder`. What cannot be removed stays.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let old = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if !entry.file_name().to_string_lossy().starts_with(PREFIX)
            || old().is_none_or(|age| age < STALE)
        {
            continue;
        }
        if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            drop(fs::remove_file(entry.path()));
        }
    }
}
