//! The store between invocations: it stays, so that ztocs of layers that several images share are
//! built once, and is emptied when it has grown large.

use std::fs;
use std::io;
use std::path::Path;

/// Returns the largest store that is kept: half of the file system. In Lambda, the file system of
/// `/tmp` has the size of the ephemeral storage.
pub(crate) fn limit_of(directory: &Path) -> u64 {
    let status = rustix::fs::statvfs(directory);
    status.map_or(0, |status| {
        status.f_blocks.saturating_mul(status.f_frsize) / 2
    })
}

/// Removes the store if its files have more than `limit` bytes together.
///
/// # Errors
///
/// Returns an error if the store cannot be read or removed.
pub(crate) fn empty_if_larger(store: &Path, limit: u64) -> io::Result<()> {
    match size_of(store) {
        Ok(size) if size <= limit => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => fs::remove_dir_all(store),
    }
}

/// Returns the bytes of all files in a directory. Links are not followed.
fn size_of(directory: &Path) -> io::Result<u64> {
    let mut size = 0_u64;
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                size = size.saturating_add(metadata.len());
            }
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_store_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = directory.path().join("soci");
        empty_if_larger(&store, 0).expect("nothing to remove");
        fs::create_dir_all(store.join("blobs")).expect("a directory");
        fs::write(store.join("blobs/a"), [0; 1000]).expect("a file");
        empty_if_larger(&store, 1000).expect("a small store");
        assert!(store.exists());
        empty_if_larger(&store, 999).expect("a removed store");
        assert!(!store.exists());
        assert!(limit_of(directory.path()) > 0);
    }
}
