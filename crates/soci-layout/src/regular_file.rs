//! Opening files that must be regular ones: a named pipe or a device may have no end, and waits for
//! another process.

use std::fs::{self, File, FileType};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// What was found under a path.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A regular file, open for reading.
    Regular(File),
    /// Something else, such as `a named pipe`.
    Other(&'static str),
}

/// Opens the file `path` for reading if it is a regular one. Anything else is not waited for.
///
/// # Errors
///
/// Returns an error if the file does not exist or cannot be read.
pub(crate) fn open(path: &Path) -> io::Result<Opened> {
    // The type is looked at first, because opening a device may have an effect. It is looked at
    // again afterwards, because another process may have replaced the file. Without O_NONBLOCK,
    // opening a named pipe would wait for a writer.
    if let Some(other) = name_other_type(fs::metadata(path)?.file_type()) {
        return Ok(Opened::Other(other));
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    Ok(match name_other_type(file.metadata()?.file_type()) {
        None => Opened::Regular(file),
        Some(other) => Opened::Other(other),
    })
}

/// Returns what a file is, or `None` if it is a regular one.
pub(crate) fn name_other_type(file_type: FileType) -> Option<&'static str> {
    if file_type.is_file() {
        return None;
    }
    Some(if file_type.is_dir() {
        "a directory"
    } else if file_type.is_fifo() {
        "a named pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    })
}
