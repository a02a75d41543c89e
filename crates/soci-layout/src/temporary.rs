//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::error::{Action, During as _, LayoutError};

/// What the names of unfinished files start with.
const PREFIX: &str = ".unfinished-";

/// How old an unfinished file must be before it counts as left behind.
const STALE: Duration = Duration::from_hours(24);

/// Starts a file in `folder` that has no name of its own yet. It goes away unless it is published.
pub(crate) fn start(folder: &Path) -> Result<NamedTempFile, LayoutError> {
    let file = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(folder)
        .during(Action::Create, folder)?;
    // Whoever sweeps sees by the lock that the file is in work; a lock that fails only delays the sweep.
    drop(file.as_file().try_lock());
    Ok(file)
}

/// Makes `file` durable and gives it the name `path`, in place of whatever had it, with the permissions `mode`.
pub(crate) fn publish(file: NamedTempFile, path: &Path, mode: u32) -> Result<(), LayoutError> {
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .during(Action::Write, path)?;
    file.as_file().sync_all().during(Action::Write, path)?;
    file.persist(path)
        .map_err(|error| error.error)
        .during(Action::Write, path)?;
    sync_folder(path)
}

/// Makes `file` durable and gives it the name `path`, unless something has it by then.
pub(crate) fn publish_first(
    file: NamedTempFile,
    path: &Path,
    mode: u32,
) -> Result<(), LayoutError> {
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .during(Action::Write, path)?;
    file.as_file().sync_all().during(Action::Write, path)?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error).during(Action::Write, path),
        Ok(_) => sync_folder(path),
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
fn sync_folder(path: &Path) -> Result<(), LayoutError> {
    let folder = folder(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .during(Action::Write, folder)
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
