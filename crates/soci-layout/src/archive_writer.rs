//! Writing a layout in a tar.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use soci_oci::{Descriptor, Digest};

use crate::archive::Archive;
use crate::blob::{CHUNK_SIZE, ContentCheck};
use crate::error::{Action, IoContext as _, LayoutError};
use crate::layout::blob_name;
use crate::temporary::{self, Existing, TemporaryFile};
use crate::{index_json, marker};

/// The size of a tar block, in bytes. Each file in a tar is padded to a multiple of it.
const BLOCK_SIZE: usize = 512;

/// Longest name that a tar header holds in one field, in bytes.
const MAX_NAME: usize = 100;

/// The permissions of the tar.
const ARCHIVE_MODE: u32 = 0o644;

/// Writes a tar with everything that the existing one holds, and more. The new tar replaces the
/// existing one when it is committed.
pub struct ArchiveWriter {
    path: PathBuf,
    tar: tar::Builder<TemporaryFile>,
    index: Vec<u8>,
    blobs: BTreeMap<Digest, u64>,
    /// Whether the new tar differs from the existing one.
    has_changed: bool,
    /// Whether a blob was started and not committed, so that the tar is malformed.
    is_incomplete: bool,
}

impl ArchiveWriter {
    /// Starts to write the tar `path`. If it exists, its content is copied.
    ///
    /// # Errors
    ///
    /// Returns an error if the tar exists and is not an OCI image layout, or if its directory
    /// cannot be written.
    pub fn create(path: &Path) -> Result<Self, LayoutError> {
        let directory = temporary::parent_directory(path);
        let existing = path.exists().then(|| Archive::open(path)).transpose()?;
        let mut writer = Self {
            path: path.to_owned(),
            tar: tar::Builder::new(temporary::create(directory, path)?),
            index: index_json::empty_index(),
            blobs: BTreeMap::new(),
            has_changed: true,
            is_incomplete: false,
        };
        temporary::remove_stale(directory);
        if let Some(existing) = existing {
            if existing.is_gzipped() {
                let path = path.display();
                tracing::warn!(target: "soci", "`{path}` is gzipped, and is written without compression");
            }
            writer.copy_from(&existing)?;
            writer.has_changed = false;
        }
        Ok(writer)
    }

    fn copy_from(&mut self, existing: &Archive) -> Result<(), LayoutError> {
        self.index = existing.index().to_vec();
        let mut buffer = vec![0; CHUNK_SIZE];
        for descriptor in existing.blobs()? {
            let mut blob = existing.open_blob(&descriptor)?;
            let mut writer = self.blob_writer(&descriptor)?;
            loop {
                let read = blob.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                writer.write(&buffer[..read])?;
            }
            writer.commit()?;
        }
        Ok(())
    }

    /// Returns whether the new tar holds a blob of the right size.
    pub fn has_blob(&self, descriptor: &Descriptor) -> bool {
        self.blobs.get(&descriptor.digest) == Some(&descriptor.size)
    }

    /// Starts to append the blob `expected` in chunks. If it is not committed, the tar cannot be
    /// committed either.
    ///
    /// # Errors
    ///
    /// Returns an error if the tar cannot be written.
    pub fn blob_writer(
        &mut self,
        expected: &Descriptor,
    ) -> Result<ArchiveBlobWriter<'_>, LayoutError> {
        let name = blob_name(expected.digest);
        self.is_incomplete = true;
        if name.len() > MAX_NAME {
            self.write_bytes(&path_record(&name))?;
        }
        let header = file_header(&name, expected.size, 0o444);
        self.write_bytes(header.as_bytes())?;
        Ok(ArchiveBlobWriter {
            check: ContentCheck::new(expected),
            expected: expected.clone(),
            archive: self,
        })
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), LayoutError> {
        let file = self.tar.get_mut();
        file.write_all(bytes).context(Action::Write, &self.path)
    }

    /// Adds a manifest to `index.json`. If `name` is given, it becomes the manifest's name, and the
    /// entry that had this name is removed. Returns whether `index.json` changed.
    ///
    /// # Errors
    ///
    /// Returns an error if `index.json` is malformed.
    pub fn add_manifest(
        &mut self,
        descriptor: &Descriptor,
        name: Option<&str>,
    ) -> Result<bool, LayoutError> {
        match index_json::add_manifest(&self.index, descriptor, name, &self.path)? {
            None => Ok(false),
            Some(changed) => {
                self.index = changed;
                self.has_changed = true;
                Ok(true)
            }
        }
    }

    /// Returns the bytes of the new `index.json`.
    pub fn index(&self) -> &[u8] {
        &self.index
    }

    /// Replaces the existing tar by the new one, unless nothing was added. If this is not called,
    /// the existing tar stays.
    ///
    /// # Errors
    ///
    /// Returns an error if a blob was not committed, or if the tar cannot be written and made
    /// durable.
    pub fn commit(mut self) -> Result<(), LayoutError> {
        if self.is_incomplete {
            let error = io::Error::other("a blob is incomplete");
            return Err(error).context(Action::Write, &self.path);
        }
        if !self.has_changed {
            return Ok(());
        }
        let files = [
            (index_json::FILE, self.index.as_slice(), 0o644),
            (marker::FILE, marker::CONTENT.as_bytes(), 0o444),
        ];
        for (name, content, mode) in files {
            let header = file_header(name, content.len() as u64, mode);
            self.tar
                .append(&header, content)
                .context(Action::Write, &self.path)?;
        }
        let file = self.tar.into_inner().context(Action::Write, &self.path)?;
        file.publish(&self.path, ARCHIVE_MODE, Existing::Replace)
    }
}

/// Appends a blob to a tar in chunks.
pub struct ArchiveBlobWriter<'a> {
    archive: &'a mut ArchiveWriter,
    check: ContentCheck,
    expected: Descriptor,
}

impl ArchiveBlobWriter<'_> {
    /// Appends a chunk.
    ///
    /// # Errors
    ///
    /// Returns an error if the chunk cannot be written, or exceeds the size in the descriptor.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), LayoutError> {
        self.check.update(chunk, &self.archive.path)?;
        self.archive.write_bytes(chunk)
    }

    /// Checks the size and the digest, and completes the blob.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes differ from the descriptor, or cannot be written.
    pub fn commit(self) -> Result<(), LayoutError> {
        self.check.finish(&self.archive.path)?;
        let Descriptor { digest, size, .. } = self.expected;
        let padding = size.next_multiple_of(BLOCK_SIZE as u64) - size;
        let padding = usize::try_from(padding).unwrap_or(0);
        self.archive.write_bytes(&[0; BLOCK_SIZE][..padding])?;
        self.archive.blobs.insert(digest, size);
        self.archive.has_changed = true;
        self.archive.is_incomplete = false;
        Ok(())
    }
}

/// Returns the header of a regular file, without the owner and time that would make each tar
/// different. `name` has at most 100 bytes.
fn file_header(name: &str, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    let name = &name.as_bytes()[..name.len().min(MAX_NAME)];
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    header
}

/// Returns the entry that gives the next file a longer name than its header holds (POSIX pax,
/// "pax Extended Header").
fn path_record(name: &str) -> Vec<u8> {
    // The length of a record includes its own three digits.
    let length = "000 path=\n".len() + name.len();
    let record = format!("{length:03} path={name}\n");
    let mut header = file_header("pax", record.len() as u64, 0o444);
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend(record.as_bytes());
    entry.resize(entry.len().next_multiple_of(BLOCK_SIZE), 0);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index_json::{Selected, select_image};
    use soci_oci::reference::Selector;

    fn append(writer: &mut ArchiveWriter, content: &[u8]) -> Result<(), LayoutError> {
        let mut blob = writer.blob_writer(&Descriptor::of("", content))?;
        for chunk in content.chunks(3) {
            blob.write(chunk)?;
        }
        blob.commit()
    }

    fn count_files(directory: &Path) -> usize {
        std::fs::read_dir(directory).expect("the directory").count()
    }

    #[test]
    fn adds_an_image_and_keeps_the_existing_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("image.tar");
        let images = [(&b"first"[..], "a"), (b"second blob", "b")];
        for (content, name) in images {
            let mut writer = ArchiveWriter::create(&path).expect("a writer");
            append(&mut writer, content).expect("appended");
            let added = writer.add_manifest(&Descriptor::of("m", content), Some(name));
            assert!(added.expect("added"));
            writer.commit().expect("published");
        }
        let archive = Archive::open(&path).expect("an archive");
        for (content, name) in images {
            let selector = Selector::Name(name.to_owned());
            let Ok(Selected::Manifest(entry)) =
                select_image(archive.index(), &selector, &path, |_| false)
            else {
                panic!("expected one manifest")
            };
            assert_eq!(archive.read_blob(&entry, 100).expect("read"), content);
        }
        assert_eq!(count_files(directory.path()), 1);
    }

    #[test]
    fn keeps_the_name_of_a_sha_512_blob_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("image.tar");
        let digest = soci_oci::Algorithm::Sha512.digest(b"content");
        let descriptor = Descriptor::new("m", digest, 7);
        for other in [&b"one"[..], b"two"] {
            let mut writer = ArchiveWriter::create(&path).expect("a writer");
            if !writer.has_blob(&descriptor) {
                let mut blob = writer.blob_writer(&descriptor).expect("a blob");
                blob.write(b"content").expect("written");
                blob.commit().expect("appended");
            }
            append(&mut writer, other).expect("appended");
            writer.commit().expect("published");
        }
        let archive = Archive::open(&path).expect("an archive");
        let content = archive.read_blob(&descriptor, 100);
        assert_eq!(content.expect("read"), b"content");
        assert_eq!(archive.blobs().expect("blobs").len(), 3);
        let mut tar = tar::Archive::new(std::fs::File::open(&path).expect("a tar"));
        let entries = tar.entries().expect("entries").map(|entry| {
            let entry = entry.expect("an entry");
            String::from_utf8(entry.path_bytes().into_owned()).expect("text")
        });
        let name = format!("blobs/sha512/{}", digest.hex());
        assert!(entries.into_iter().any(|entry| entry == name));
    }

    #[test]
    fn does_not_rewrite_a_tar_to_which_nothing_was_added() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("image.tar");
        let mut writer = ArchiveWriter::create(&path).expect("a writer");
        append(&mut writer, b"second").expect("appended");
        append(&mut writer, b"first").expect("appended");
        writer.commit().expect("published");
        let before = std::fs::read(&path).expect("a tar");
        let writer = ArchiveWriter::create(&path).expect("a writer");
        writer.commit().expect("nothing to do");
        assert_eq!(std::fs::read(&path).expect("a tar"), before);
    }

    #[test]
    fn writes_nothing_unless_committed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("image.tar");
        let mut writer = ArchiveWriter::create(&path).expect("a writer");
        append(&mut writer, b"first").expect("appended");
        drop(writer);
        assert_eq!(count_files(directory.path()), 0);
    }

    #[test]
    fn cannot_be_committed_with_an_incomplete_blob() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("image.tar");
        let mut writer = ArchiveWriter::create(&path).expect("a writer");
        let mut blob = writer
            .blob_writer(&Descriptor::of("", b"first"))
            .expect("a blob");
        blob.write(b"fir").expect("written");
        assert!(matches!(blob.commit(), Err(LayoutError::Corrupt { .. })));
        assert!(matches!(writer.commit(), Err(LayoutError::File { .. })));
        assert_eq!(count_files(directory.path()), 0);
    }

    #[test]
    fn rejects_an_existing_file_that_is_no_archive() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("image.tar");
        std::fs::write(&path, b"not a tar").expect("written");
        assert!(matches!(
            ArchiveWriter::create(&path),
            Err(LayoutError::NotATar { .. })
        ));
    }
}
