//! The archive that was opened last, since listing and hashing its members may take long.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::ReadImage;
use crate::error::TransportError;

/// Holds at most one archive.
#[derive(Default)]
pub(crate) struct ArchiveCache(Mutex<Option<Opened>>);

/// An open archive.
struct Opened {
    file: FileIdentity,
    image: Arc<dyn ReadImage>,
}

/// What tells one content of a file from another. An archive that a tool has written has another
/// inode than the one that it replaced.
#[derive(Debug, Eq, PartialEq)]
struct FileIdentity {
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    /// The time of the last change of the inode, in seconds and nanoseconds.
    changed: [i64; 2],
}

impl FileIdentity {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: [metadata.ctime(), metadata.ctime_nsec()],
        })
    }
}

impl ArchiveCache {
    /// Returns the archive at `path`, which `open` opens unless it is the last one and has not
    /// changed since.
    ///
    /// # Errors
    ///
    /// Returns the error of `open`.
    pub(crate) fn open(
        &self,
        path: &Path,
        open: impl FnOnce(&Path) -> Result<Arc<dyn ReadImage>, TransportError>,
    ) -> Result<Arc<dyn ReadImage>, TransportError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that cannot be looked at is left to `open`, which names the error.
        let Ok(file) = FileIdentity::of(path) else {
            return open(path);
        };
        if let Some(opened) = last.as_ref().filter(|opened| opened.file == file) {
            return Ok(Arc::clone(&opened.image));
        }
        let image = open(path)?;
        *last = Some(Opened {
            file,
            image: Arc::clone(&image),
        });
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use soci_layout::{Archive, ArchiveWriter};
    use soci_oci::Descriptor;

    use super::*;
    use crate::layout_image::LayoutImage;

    fn write(path: &Path, name: &str) {
        let mut writer = ArchiveWriter::create(path).expect("a writer");
        let added = writer.add_manifest(&Descriptor::of("m", b""), Some(name));
        assert!(added.expect("added"));
        writer.commit().expect("published");
    }

    #[test]
    fn opens_an_archive_once_until_it_changes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("image.tar");
        let (cache, count) = (ArchiveCache::default(), Cell::new(0));
        let open = || {
            let opened = cache.open(&path, |path| {
                count.set(count.get() + 1);
                Ok(Arc::new(LayoutImage(Archive::open(path)?)))
            });
            opened.map(drop)
        };
        assert!(open().is_err(), "no file");
        write(&path, "v1");
        for _ in 0..3 {
            open().expect("an archive");
        }
        assert_eq!(count.get(), 2);
        write(&path, "v2");
        open().expect("an archive");
        assert_eq!(count.get(), 3);
    }
}
