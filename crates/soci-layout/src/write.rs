//! Writing blobs to a layout in a directory.

use std::io::{BufWriter, IntoInnerError, Write as _};
use std::path::{Path, PathBuf};

use soci_oci::{Algorithm, Descriptor, Digest, Hasher};

use crate::blob::{CHUNK_SIZE, ContentCheck};
use crate::error::{Action, IoContext as _, LayoutError};
use crate::layout::Layout;
use crate::temporary::{self, Existing, TemporaryFile};

/// The permissions of a blob, which never changes.
const BLOB_MODE: u32 = 0o444;

/// The permissions of all other files.
const FILE_MODE: u32 = 0o644;

impl Layout {
    /// Writes `bytes` as a blob, unless an undamaged one exists. Returns its digest.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob cannot be written and made durable.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Digest, LayoutError> {
        let digest = Digest::of(bytes);
        let descriptor = Descriptor::new("", digest, bytes.len() as u64);
        let path = self.blob_path(digest);
        if self.has_blob(&descriptor) && self.verify_blob(&descriptor).is_ok() {
            // The process that wrote the blob may not have made it durable yet.
            temporary::sync_entry(&path)?;
        } else {
            let mut file = temporary::create(self.root(), &path)?;
            file.write_all(bytes).context(Action::Write, &path)?;
            file.publish(&path, BLOB_MODE, Existing::Replace)?;
        }
        Ok(digest)
    }

    /// Writes what `write` passes to the writer as a blob, unless an undamaged one exists. Returns
    /// a descriptor with its digest and size, and without media type.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob cannot be written and made durable, or the error of `write`.
    pub fn write_blob_with(
        &self,
        write: impl FnOnce(&mut NewBlobWriter) -> Result<(), LayoutError>,
    ) -> Result<Descriptor, LayoutError> {
        let blobs = self.root().join("blobs").join(Algorithm::Sha256.name());
        let file = temporary::create(self.root(), &blobs)?;
        let mut writer = NewBlobWriter {
            file: BufWriter::with_capacity(CHUNK_SIZE, file),
            path: blobs,
            hasher: Hasher::new(Algorithm::Sha256),
            size: 0,
        };
        write(&mut writer)?;
        let NewBlobWriter {
            file,
            path,
            hasher,
            size,
        } = writer;
        let flushed = file.into_inner().map_err(IntoInnerError::into_error);
        let file = flushed.context(Action::Write, &path)?;
        let descriptor = Descriptor::new("", hasher.finish(), size);
        let path = self.blob_path(descriptor.digest);
        if self.has_blob(&descriptor) && self.verify_blob(&descriptor).is_ok() {
            temporary::sync_entry(&path)?;
        } else {
            file.publish(&path, BLOB_MODE, Existing::Replace)?;
        }
        Ok(descriptor)
    }

    /// Writes `bytes` as the blob with the digest `digest`, unless an undamaged one exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes have another digest, or if the blob cannot be written and made
    /// durable.
    pub fn write_blob_as(&self, digest: Digest, bytes: &[u8]) -> Result<(), LayoutError> {
        let descriptor = Descriptor::new("", digest, bytes.len() as u64);
        if self.has_blob(&descriptor) && self.verify_blob(&descriptor).is_ok() {
            return temporary::sync_entry(&self.blob_path(digest));
        }
        let mut writer = self.blob_writer(&descriptor)?;
        writer.write(bytes)?;
        writer.commit()
    }

    /// Starts to write the blob `expected` in chunks.
    ///
    /// # Errors
    ///
    /// Returns an error if no file can be created in the layout.
    pub fn blob_writer(&self, expected: &Descriptor) -> Result<BlobWriter, LayoutError> {
        let path = self.blob_path(expected.digest);
        match expected.digest.algorithm() {
            // Every layout that is written has this directory.
            Algorithm::Sha256 => {}
            algorithm @ Algorithm::Sha512 => self.create_blob_directory(algorithm)?,
        }
        Ok(BlobWriter {
            file: temporary::create(self.root(), &path)?,
            path,
            check: ContentCheck::new(expected),
        })
    }

    /// Replaces a file of the layout atomically.
    pub(crate) fn replace_file(&self, path: &Path, content: &[u8]) -> Result<(), LayoutError> {
        let mut file = temporary::create(self.root(), path)?;
        file.write_all(content).context(Action::Write, path)?;
        file.publish(path, FILE_MODE, Existing::Replace)
    }
}

/// Writes a blob whose digest is not known yet.
pub struct NewBlobWriter {
    file: BufWriter<TemporaryFile>,
    /// The directory of the blob, for errors.
    path: PathBuf,
    hasher: Hasher,
    size: u64,
}

impl NewBlobWriter {
    /// Appends a chunk.
    ///
    /// # Errors
    ///
    /// Returns an error if the chunk cannot be written.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), LayoutError> {
        self.hasher.update(chunk);
        self.size += chunk.len() as u64;
        self.file
            .write_all(chunk)
            .context(Action::Write, &self.path)
    }
}

/// Writes a blob of a layout in chunks. The blob appears when it is committed; until then, it is a
/// temporary file.
pub struct BlobWriter {
    file: TemporaryFile,
    path: PathBuf,
    check: ContentCheck,
}

impl BlobWriter {
    /// Appends a chunk.
    ///
    /// # Errors
    ///
    /// Returns an error if the chunk cannot be written, or exceeds the size in the descriptor.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), LayoutError> {
        self.check.update(chunk, &self.path)?;
        self.file
            .write_all(chunk)
            .context(Action::Write, &self.path)
    }

    /// Checks the size and the digest, and publishes the blob. If this is not called, the blob is
    /// discarded.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes differ from the descriptor, or cannot be made durable.
    pub fn commit(self) -> Result<(), LayoutError> {
        self.check.finish(&self.path)?;
        self.file.publish(&self.path, BLOB_MODE, Existing::Replace)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn create_layout() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().expect("a directory");
        let layout = Layout::open_or_create(&directory.path().join("store")).expect("a layout");
        (directory, layout)
    }

    fn count_temporary_files(layout: &Layout) -> usize {
        let entries = fs::read_dir(layout.root())
            .expect("the directory")
            .flatten();
        let is_temporary = |entry: &fs::DirEntry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with(".unfinished")
        };
        entries.filter(is_temporary).count()
    }

    #[test]
    fn reads_back_what_was_written() {
        let (_directory, layout) = create_layout();
        let descriptor = Descriptor::of("", b"content");
        assert!(!layout.has_blob(&descriptor));
        assert!(matches!(
            layout.open_blob(&descriptor),
            Err(LayoutError::NoSuchBlob { .. })
        ));
        let digest = layout.write_blob(b"content").expect("written");
        assert_eq!(digest, descriptor.digest);
        assert!(layout.has_blob(&descriptor));
        let read = layout.read_blob(&descriptor, 100).expect("read");
        assert_eq!(read, b"content");
        assert!(matches!(
            layout.read_blob(&descriptor, 3),
            Err(LayoutError::TooLarge { .. })
        ));
        assert_eq!(count_temporary_files(&layout), 0);
    }

    #[test]
    fn discards_a_blob_that_differs_from_its_descriptor() {
        let (_directory, layout) = create_layout();
        let expected = Descriptor::of("", b"content");
        for wrong in [&b"contenT"[..], b"conten", b"content and more", b""] {
            let mut writer = layout.blob_writer(&expected).expect("a writer");
            let result = writer.write(wrong).and_then(|()| writer.commit());
            assert!(
                matches!(result, Err(LayoutError::Corrupt { .. })),
                "{wrong:?}"
            );
        }
        assert!(!layout.has_blob(&expected));
        assert_eq!(count_temporary_files(&layout), 0);
    }

    #[test]
    fn replaces_a_damaged_blob() {
        let (_directory, layout) = create_layout();
        let descriptor = Descriptor::of("", b"content");
        fs::write(layout.blob_path(descriptor.digest), b"damaged").expect("written");
        assert!(matches!(
            layout.read_blob(&descriptor, 100),
            Err(LayoutError::Corrupt { .. })
        ));
        layout.write_blob(b"content").expect("written");
        let read = layout.read_blob(&descriptor, 100).expect("read");
        assert_eq!(read, b"content");
    }
}
