//! Locks of a layout's files (`flock(2)`). The kernel releases a lock when the process ends.
//!
//! Over NFS, Linux takes locks of byte ranges instead, for which the server must support them. A
//! file must then be open for writing to be locked exclusively (`flock(2)`, "NFS details").

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::beneath;
use crate::error::{Action, IoContext as _, LayoutError};

/// How long to wait between two attempts to take the lock.
const INTERVAL: Duration = Duration::from_millis(20);

/// How long to wait for the lock before a warning tells the user why nothing happens.
const WARNING: Duration = Duration::from_secs(1);

/// Which other locks a lock excludes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LockKind {
    /// Only exclusive locks.
    Shared,
    /// All other locks.
    Exclusive,
}

/// The outcome of an attempt to lock a file.
pub(crate) enum Locked {
    /// The lock is held until the file is closed.
    Held(File),
    /// The file system has no locks. The file is open.
    Unsupported(File, io::Error),
}

/// Opens the file `name` of the layout `root` and waits up to `timeout` for its lock.
///
/// # Errors
///
/// Returns an error if the file cannot be opened, or if another process holds the lock for the
/// whole time.
pub(crate) fn wait(
    root: &Path,
    name: &str,
    kind: LockKind,
    timeout: Duration,
) -> Result<Locked, LayoutError> {
    let path = root.join(name);
    let file = beneath::open_to_lock(root, Path::new(name))?;
    let started = Instant::now();
    let mut has_warned = false;
    loop {
        match attempt(&file, kind) {
            Ok(()) => return Ok(Locked::Held(file)),
            Err(TryLockError::WouldBlock) if started.elapsed() < timeout => {
                if !has_warned && started.elapsed() >= WARNING {
                    has_warned = true;
                    warn_of_wait(&path, timeout);
                }
                thread::sleep(INTERVAL);
            }
            Err(TryLockError::Error(error)) if is_unsupported(&error) => {
                return Ok(Locked::Unsupported(file, error));
            }
            Err(error) => return Err(error.into()).context(Action::Lock, &path),
        }
    }
}

/// Tries once to take the lock of an open file.
pub(crate) fn attempt(file: &File, kind: LockKind) -> Result<(), TryLockError> {
    match kind {
        LockKind::Shared => file.try_lock_shared(),
        LockKind::Exclusive => file.try_lock(),
    }
}

/// Returns whether the file system does not implement locks.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
}

fn warn_of_wait(path: &Path, timeout: Duration) {
    let (path, seconds) = (path.display(), timeout.as_secs_f64());
    tracing::warn!(target: "soci", "waiting for the lock of `{path}`, for at most {seconds} s");
}
