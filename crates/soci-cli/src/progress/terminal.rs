//! The terminal that the tools of a pipeline share, and its lock.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};

use console::Term;
use rustix::fs::{Mode, OFlags};

use super::lines::Size;

/// Erases what is behind and below the cursor: the drawing of whichever tool draws (ECMA-48, "EL"
/// and "ED").
///
/// The cursor is one column to the right meanwhile: `tmux` keeps what is erased from the first
/// column of the first row on in its history, as it does for `clear`.
pub(super) const ERASE_BELOW: &str = "\x1b[K\x1b[C\x1b[J\x1b[D";

/// Erases the drawing of this process, and what the terminal itself has printed at the cursor, such
/// as `^C`.
pub(super) const ERASE_DRAWING: &str = "\r\x1b[K\x1b[C\x1b[J\r";

/// The terminal of stderr.
pub(super) struct Terminal {
    /// The device, opened a second time: stderr itself is one open file for all tools of a
    /// pipeline, which a lock would not tell apart. `None` if it cannot be opened; each tool then
    /// draws as if it were alone.
    device: Option<File>,
    /// Whether this process holds the lock.
    is_locked: Mutex<bool>,
}

impl Terminal {
    /// Returns the terminal of stderr, if it is one that understands control sequences.
    pub(super) fn of_stderr() -> Option<Self> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        (io::stderr().is_terminal() && !is_dumb).then(|| Self {
            device: open_device(),
            is_locked: Mutex::new(false),
        })
    }

    /// Takes the lock of the terminal, unless another process holds it. The lock ends with the
    /// process.
    pub(super) fn try_lock(&self) -> bool {
        let mut is_locked = self
            .is_locked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !*is_locked {
            *is_locked = match &self.device {
                Some(device) => device.try_lock().is_ok(),
                None => true,
            };
        }
        *is_locked
    }

    /// Frees the lock.
    pub(super) fn unlock(&self) {
        let mut is_locked = self
            .is_locked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *is_locked)
            && let Some(device) = &self.device
        {
            // A lock that cannot be freed ends with the process.
            drop(device.unlock());
        }
    }
}

/// Returns the size of the terminal of stderr, or `None` if it is not known.
pub(super) fn size() -> Option<Size> {
    let (rows, columns) = Term::stderr().size_checked()?;
    Some(Size {
        rows: rows.into(),
        columns: columns.into(),
    })
}

/// Opens the device of stderr, without making it the controlling terminal.
fn open_device() -> Option<File> {
    let path = fs::read_link("/proc/self/fd/2").ok()?;
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let device = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    Some(File::from(device))
}

/// Returns the text that replaces the drawing by `lines`, and leaves the cursor at the start of an
/// empty line above it.
pub(super) fn frame(lines: &[String]) -> String {
    if lines.is_empty() {
        return ERASE_DRAWING.to_owned();
    }
    let (below, count) = (lines.join("\r\n"), lines.len());
    format!("{ERASE_DRAWING}\r\n{below}\x1b[{count}A\r")
}
