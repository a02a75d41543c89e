//! A layout in a directory: opening it and reading its blobs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use soci_oci::{Descriptor, Digest};

use crate::blob::Blob;
use crate::error::{Action, IoContext as _, LayoutError};
use crate::marker;
use crate::temporary::{self, Existing};

/// How long to wait for the lock of `index.json`. The process that holds it writes one small file.
const LOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// An OCI image layout in a directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    /// How long to wait for the lock of `index.json`.
    pub(crate) lock_timeout: Duration,
}

impl Layout {
    /// Opens the layout in the directory `root`.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory does not exist, or is not an OCI image layout of version
    /// 1.
    pub fn open(root: &Path) -> Result<Self, LayoutError> {
        let path = root.join(marker::FILE);
        let content = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && root.is_dir() => {
                return Err(LayoutError::not_a_layout(
                    root,
                    "it has no file `oci-layout`",
                ));
            }
            other => other.context(Action::Read, &path)?,
        };
        marker::check(&content, root)?;
        Ok(Self::at(root))
    }

    /// Opens the layout in the directory `root`, or creates an empty one. Temporary files that a
    /// killed process left there are removed.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory cannot be created or written, or is a layout of another
    /// version.
    pub fn open_or_create(root: &Path) -> Result<Self, LayoutError> {
        let layout = Self::at(root);
        temporary::create_directory(&layout.blob_directory())?;
        let path = root.join(marker::FILE);
        if !path.exists() {
            // The lock is taken on this file, so it must never be replaced.
            let mut file = temporary::create(root, &path)?;
            file.write_all(marker::CONTENT.as_bytes())
                .context(Action::Write, &path)?;
            file.publish(&path, 0o644, Existing::Keep)?;
        }
        layout.create_index()?;
        temporary::remove_stale(root);
        Self::open(root)
    }

    fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            lock_timeout: LOCK_TIMEOUT,
        }
    }

    /// Returns the layout's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of a blob's file, whether or not it exists.
    pub fn blob_path(&self, digest: Digest) -> PathBuf {
        self.blob_directory().join(digest.hex())
    }

    fn blob_directory(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    /// Returns whether a blob of the right size exists. Its content is checked when it is read.
    pub fn has_blob(&self, descriptor: &Descriptor) -> bool {
        fs::symlink_metadata(self.blob_path(descriptor.digest))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == descriptor.size)
    }

    /// Opens a blob for reading. Symbolic links are not followed.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, is not a regular file, or has another size.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        let corrupt = |found: String| LayoutError::corrupt(descriptor, found, &self.root);
        let path = self.blob_path(descriptor.digest);
        // Without O_NONBLOCK, opening a named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = || rustix::fs::open(&path, flags, Mode::empty());
        let file = match rustix::io::retry_on_intr(open) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => {
                return Err(LayoutError::NoSuchBlob {
                    digest: descriptor.digest,
                    path: self.root.clone(),
                });
            }
            Err(rustix::io::Errno::LOOP) => return Err(corrupt("a symbolic link".to_owned())),
            Err(error) => return Err(error.into()).context(Action::Read, &path),
        };
        let metadata = file.metadata().context(Action::Read, &path)?;
        if !metadata.is_file() {
            return Err(corrupt("no regular file".to_owned()));
        }
        if metadata.len() != descriptor.size {
            return Err(corrupt(format!("{} bytes", metadata.len())));
        }
        Blob::new(file, path, 0, descriptor.size)
    }

    /// Reads a blob of at most `limit` bytes and checks its digest.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, is longer than `limit`, or differs from its
    /// descriptor.
    pub fn read_blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, LayoutError> {
        self.open_blob(descriptor)?.read_verified(descriptor, limit)
    }

    /// Reads a blob of any size to its end and checks its digest.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, or differs from its descriptor.
    pub fn verify_blob(&self, descriptor: &Descriptor) -> Result<(), LayoutError> {
        self.open_blob(descriptor)?.verify(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::{Classify as _, Exit};

    #[test]
    fn follows_no_symbolic_links() {
        let directory = tempfile::tempdir().expect("a directory");
        let layout = Layout::open_or_create(&directory.path().join("store")).expect("a layout");
        let target = directory.path().join("target");
        fs::write(&target, b"content").expect("written");
        let descriptor = Descriptor::of("", b"content");
        std::os::unix::fs::symlink(&target, layout.blob_path(descriptor.digest)).expect("a link");
        assert!(matches!(
            layout.open_blob(&descriptor),
            Err(LayoutError::Corrupt { .. })
        ));
    }

    #[test]
    fn rejects_a_directory_without_marker_or_of_another_version() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(matches!(
            Layout::open(directory.path()),
            Err(LayoutError::NotALayout { .. })
        ));
        fs::write(
            directory.path().join("oci-layout"),
            r#"{"imageLayoutVersion":"2.0.0"}"#,
        )
        .expect("written");
        assert!(matches!(
            Layout::open(directory.path()),
            Err(LayoutError::NotALayout { .. })
        ));
    }

    #[test]
    fn tells_an_absent_directory_from_one_that_cannot_be_created() {
        let directory = tempfile::tempdir().expect("a directory");
        let absent = Layout::open(&directory.path().join("absent")).expect_err("no directory");
        assert_eq!(absent.exit(), Exit::NotFound);
        fs::write(directory.path().join("file"), b"").expect("written");
        let file = Layout::open_or_create(&directory.path().join("file")).expect_err("a file");
        assert_eq!(file.exit(), Exit::StoreUnwritable);
    }
}
