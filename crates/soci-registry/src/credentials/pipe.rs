//! Credential files that are pipes, such as that of a shell's `--authfile <(…)`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What was read of pipes. A pipe can be read only once, but each source of credentials reads its
/// file anew, so that a file that has changed is noticed.
static PIPES: Mutex<BTreeMap<PathBuf, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// Reads at most `limit` bytes of a file, or returns what was read of it before if it is a pipe or
/// a device.
///
/// # Errors
///
/// Returns an error if the file does not exist or cannot be read.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if path.metadata()?.is_file() {
        return read_start(path, limit);
    }
    let mut pipes = PIPES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = pipes.get(path) {
        return Ok(text.clone());
    }
    let text = read_start(path, limit)?;
    pipes.insert(path.to_owned(), text.clone());
    Ok(text)
}

fn read_start(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut text)?;
    Ok(text)
}
