//! A layout in a directory: opening it and reading its blobs.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use soci_oci::{Algorithm, Descriptor, Digest};

use crate::blob::{Blob, Content};
use crate::error::{Action, IoContext as _, LayoutError};
use crate::read_layout::ReadLayout;
use crate::store_use::StoreUse;
use crate::temporary::{self, Existing};
use crate::{beneath, marker};

/// How long to wait for a lock. The process that holds it writes or removes one file.
const LOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// An OCI image layout in a directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    /// How long to wait for a lock.
    pub(crate) lock_timeout: Duration,
    /// Set if this is the store of this process: what is read then counts as used.
    pub(crate) store_use: Option<Arc<StoreUse>>,
}

impl Layout {
    /// Opens the layout in the directory `root`.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory does not exist, or is not an OCI image layout of version
    /// 1.
    pub fn open(root: &Path) -> Result<Self, LayoutError> {
        if root.is_file() {
            let reason = "it is a file; the reference of a tar is `oci-archive:FILE`";
            return Err(LayoutError::not_a_layout(root, reason));
        }
        let content = match beneath::read_small(root, marker::FILE) {
            Err(LayoutError::File { source, .. })
                if source.kind() == io::ErrorKind::NotFound && root.is_dir() =>
            {
                let reason = "it has no file `oci-layout`";
                return Err(LayoutError::not_a_layout(root, reason));
            }
            other => other?,
        };
        marker::check(&content, root)?;
        Ok(Self::at(root))
    }

    /// Opens the layout in the directory `root`, or creates an empty one. Temporary files that a
    /// killed process left there are removed. If the layout is a store, what is read there counts
    /// as used.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory cannot be created or written, or is a layout of another
    /// version.
    pub fn open_or_create(root: &Path) -> Result<Self, LayoutError> {
        let layout = Self::at(root);
        layout.create_blob_directory(Algorithm::Sha256)?;
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
        Self::open(root)?.join_store()
    }

    fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            lock_timeout: LOCK_TIMEOUT,
            store_use: None,
        }
    }

    /// Returns the layout's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of a blob's file, whether or not it exists.
    pub fn blob_path(&self, digest: Digest) -> PathBuf {
        self.root.join(blob_name(digest))
    }

    /// Creates the directory of the blobs whose digests have this algorithm.
    pub(crate) fn create_blob_directory(&self, algorithm: Algorithm) -> Result<(), LayoutError> {
        let name = Path::new("blobs").join(algorithm.name());
        temporary::create_directory(&self.root.join(&name))?;
        // Nothing is written to a directory outside of the layout.
        beneath::locate(&self.root, &name)?;
        Ok(())
    }

    /// Returns whether a blob of the right size exists. Its content is checked when it is read.
    pub fn has_blob(&self, descriptor: &Descriptor) -> bool {
        let name = blob_name(descriptor.digest);
        let Ok(path) = beneath::locate(&self.root, Path::new(&name)) else {
            return false;
        };
        fs::symlink_metadata(&path).is_ok_and(|metadata| {
            metadata.is_file()
                && self.mark_used(&metadata, || {
                    beneath::open(&self.root, Path::new(&name)).ok()
                })
                && metadata.len() == descriptor.size
        })
    }

    /// Opens a blob for reading. It may be a symbolic link to another file of the layout.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, is not a regular file, or has another size, or
    /// if it is a link that leads out of the layout.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        let corrupt = |found: &str| LayoutError::corrupt(descriptor, found, &self.root);
        let absent = || LayoutError::NoSuchBlob {
            digest: descriptor.digest,
            path: self.root.clone(),
        };
        let open = || beneath::open(&self.root, Path::new(&blob_name(descriptor.digest)));
        let file = match open() {
            Err(LayoutError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(absent());
            }
            other => other?,
        };
        let path = self.blob_path(descriptor.digest);
        let metadata = file.metadata().context(Action::Read, &path)?;
        if !metadata.is_file() {
            return Err(corrupt("no regular file"));
        }
        if metadata.len() != descriptor.size {
            return Err(corrupt(&format!("{} bytes", metadata.len())));
        }
        if !self.mark_used(&metadata, || open().ok()) {
            return Err(absent());
        }
        Ok(Blob::new(Content::File(file), path, descriptor.size))
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

impl ReadLayout for Layout {
    fn path(&self) -> &Path {
        self.root()
    }

    fn read_index(&self) -> Result<Cow<'_, [u8]>, LayoutError> {
        Self::read_index(self).map(Cow::Owned)
    }

    fn has_blob(&self, descriptor: &Descriptor) -> bool {
        Self::has_blob(self, descriptor)
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        Self::open_blob(self, descriptor)
    }
}

/// Returns the path of a blob's file in a layout, such as `blobs/sha256/e3b0…`.
pub(crate) fn blob_name(digest: Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::{Classify as _, Exit};

    #[test]
    fn follows_no_links_out_of_the_layout() {
        let directory = tempfile::tempdir().expect("a directory");
        let layout = Layout::open_or_create(&directory.path().join("store")).expect("a layout");
        let target = directory.path().join("target");
        fs::write(&target, b"content").expect("written");
        let descriptor = Descriptor::of("", b"content");
        std::os::unix::fs::symlink(&target, layout.blob_path(descriptor.digest)).expect("a link");
        assert!(matches!(
            layout.open_blob(&descriptor),
            Err(LayoutError::Link { .. })
        ));
        assert!(!layout.has_blob(&descriptor));
    }

    #[test]
    fn reads_blobs_through_links_inside_the_layout() {
        let directory = tempfile::tempdir().expect("a directory");
        let layout = Layout::open_or_create(directory.path()).expect("a layout");
        let digest = layout.write_blob(b"content").expect("written");
        let path = layout.blob_path(digest);
        fs::rename(&path, directory.path().join("cached")).expect("moved");
        std::os::unix::fs::symlink("../../cached", &path).expect("a link");
        let descriptor = Descriptor::of("", b"content");
        assert!(layout.has_blob(&descriptor));
        assert_eq!(layout.read_blob(&descriptor, 10).expect("read"), b"content");
    }

    #[test]
    fn writes_nothing_through_a_link_out_of_the_layout() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("layout");
        fs::create_dir_all(root.join("blobs")).expect("a directory");
        fs::create_dir(directory.path().join("elsewhere")).expect("a directory");
        std::os::unix::fs::symlink("../../elsewhere", root.join("blobs/sha256")).expect("a link");
        let error = Layout::open_or_create(&root).expect_err("a link out of the layout");
        assert!(error.to_string().contains("`blobs/sha256`"), "{error}");
        assert_eq!(error.exit(), Exit::BadData);
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
