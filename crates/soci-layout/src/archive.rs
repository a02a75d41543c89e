//! A layout in a tar.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use soci_oci::manifest::MANIFEST_LIMIT;
use soci_oci::{Descriptor, Digest};

use crate::blob::Blob;
use crate::error::{Action, During as _, LayoutError};
use crate::index;
use crate::layout::{OCI_LAYOUT, check_marker, not_a_layout};
use crate::temporary::{self, Replace, Unfinished};

/// An OCI image layout in a tar, which is read where it lies: nothing is unpacked.
#[derive(Clone, Debug)]
pub struct Archive {
    path: PathBuf,
    index: Vec<u8>,
    blobs: BTreeMap<Digest, (u64, u64)>,
}

impl Archive {
    /// Opens the tar `path` and lists what it holds.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, is not a tar, or does not hold an OCI image layout.
    pub fn open(path: &Path) -> Result<Self, LayoutError> {
        let mut tar = tar::Archive::new(File::open(path).during(Action::Read, path)?);
        let mut blobs = BTreeMap::new();
        let (mut marker, mut index) = (None, None);
        let no_tar = |error| not_a_layout(path, &format!("it is not a plain tar: {error}"));
        for entry in tar.entries_with_seek().map_err(no_tar)? {
            let mut entry = entry.map_err(no_tar)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path_bytes().into_owned();
            let name = name.strip_prefix(b"./").unwrap_or(&name);
            match name {
                b"index.json" => index = Some(small(&mut entry, path)?),
                b"oci-layout" => marker = Some(small(&mut entry, path)?),
                name => {
                    let hex = name
                        .strip_prefix(b"blobs/sha256/")
                        .and_then(|hex| std::str::from_utf8(hex).ok());
                    if let Some(digest) = hex.and_then(|hex| format!("sha256:{hex}").parse().ok()) {
                        blobs.insert(digest, (entry.raw_file_position(), entry.size()));
                    }
                }
            }
        }
        let marker = marker.ok_or_else(|| not_a_layout(path, "it holds no file `oci-layout`"))?;
        check_marker(&marker, path)?;
        let index = index.ok_or_else(|| not_a_layout(path, "it holds no file `index.json`"))?;
        Ok(Self {
            path: path.to_owned(),
            index,
            blobs,
        })
    }

    /// Returns the bytes of `index.json`.
    pub fn index(&self) -> &[u8] {
        &self.index
    }

    /// Says whether a blob of the right length is there.
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        self.blobs
            .get(&descriptor.digest)
            .is_some_and(|(_, size)| *size == descriptor.size)
    }

    /// Opens a blob to read it.
    ///
    /// # Errors
    ///
    /// Fails where the blob is not there, or has another length.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        let Some((start, size)) = self.blobs.get(&descriptor.digest).copied() else {
            return Err(LayoutError::NoSuchBlob {
                digest: descriptor.digest,
                path: self.path.clone(),
            });
        };
        if size != descriptor.size {
            let Descriptor {
                digest: expected,
                size: wanted,
                ..
            } = *descriptor;
            let found = format!("{size} bytes");
            return Err(LayoutError::Corrupt {
                expected,
                size: wanted,
                found,
                path: self.path.clone(),
            });
        }
        let file = File::open(&self.path).during(Action::Read, &self.path)?;
        Blob::new(file, self.path.clone(), start, size)
    }

    /// Reads a blob of at most `limit` bytes and checks its digest.
    ///
    /// # Errors
    ///
    /// Fails where the blob is not there, too long, or not what its descriptor says.
    pub fn read_blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, LayoutError> {
        self.blob(descriptor)?.verified(descriptor, limit)
    }
}

/// Reads one of the small files of a layout.
fn small(entry: &mut tar::Entry<'_, File>, path: &Path) -> Result<Vec<u8>, LayoutError> {
    let mut bytes = Vec::new();
    entry
        .take(MANIFEST_LIMIT)
        .read_to_end(&mut bytes)
        .during(Action::Read, path)?;
    Ok(bytes)
}

/// A tar that is being written: what it held before, and more. It appears whole, or stays as it was.
pub struct ArchiveWriter {
    path: PathBuf,
    tar: tar::Builder<Unfinished>,
    index: Vec<u8>,
    blobs: BTreeMap<Digest, u64>,
    /// Whether it is another than the tar that lies there.
    changed: bool,
}

impl ArchiveWriter {
    /// Starts to write the tar `path`, with all that it holds now.
    ///
    /// # Errors
    ///
    /// Fails where the tar is there and is not a layout, or its folder cannot be written.
    pub fn create(path: &Path) -> Result<Self, LayoutError> {
        let mut writer = Self {
            path: path.to_owned(),
            tar: tar::Builder::new(temporary::start(temporary::folder(path), path)?),
            index: index::empty(),
            blobs: BTreeMap::new(),
            changed: true,
        };
        temporary::sweep(temporary::folder(path));
        if path.exists() {
            let old = Archive::open(path)?;
            writer.index.clone_from(&old.index);
            for (digest, (_, size)) in &old.blobs {
                let descriptor = Descriptor::new("", *digest, *size);
                let mut blob = old.blob(&descriptor)?;
                writer.append(&descriptor, |buffer| blob.read(buffer))?;
            }
            writer.changed = false;
        }
        Ok(writer)
    }

    /// Says whether a blob of the right length is in the new tar.
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        self.blobs.get(&descriptor.digest) == Some(&descriptor.size)
    }

    /// Adds the blob `descriptor`, whose bytes `read` gives piece by piece until it returns 0.
    ///
    /// # Errors
    ///
    /// Fails where the bytes are not those of the descriptor, cannot be read, or cannot be written.
    pub fn append<E: From<LayoutError>>(
        &mut self,
        descriptor: &Descriptor,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let mut header = header(
            &format!("blobs/sha256/{}", descriptor.digest.hex()),
            descriptor.size,
            0o444,
        );
        header.set_cksum();
        let out = self.tar.get_mut();
        out.write_all(header.as_bytes())
            .during(Action::Write, &self.path)?;
        let (mut hash, mut written) = (Sha256::new(), 0u64);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = read(&mut buffer)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            written += count as u64;
            hash.update(bytes);
            out.write_all(bytes).during(Action::Write, &self.path)?;
        }
        let digest = Digest::from_bytes(hash.finalize().into());
        if written != descriptor.size || digest != descriptor.digest {
            let found = format!("{written} bytes of digest `{digest}`");
            let Descriptor {
                digest: expected,
                size,
                ..
            } = *descriptor;
            return Err(LayoutError::Corrupt {
                expected,
                size,
                found,
                path: self.path.clone(),
            }
            .into());
        }
        let padding = usize::try_from(written.next_multiple_of(512) - written).unwrap_or(0);
        out.write_all(&[0; 512][..padding])
            .during(Action::Write, &self.path)?;
        self.blobs.insert(descriptor.digest, descriptor.size);
        self.changed = true;
        Ok(())
    }

    /// Enters an image into `index.json`; under a name, it takes the place of what had it. Returns whether that changed
    /// anything.
    ///
    /// # Errors
    ///
    /// Fails where `index.json` is malformed.
    pub fn enter(
        &mut self,
        descriptor: &Descriptor,
        name: Option<&str>,
    ) -> Result<bool, LayoutError> {
        let Some(changed) = index::enter(&self.index, descriptor, name, &self.path)? else {
            return Ok(false);
        };
        self.index = changed;
        self.changed = true;
        Ok(true)
    }

    /// Returns the bytes of `index.json` as they will be.
    pub fn index(&self) -> &[u8] {
        &self.index
    }

    /// Publishes the tar, unless it holds nothing new. Without this call, nothing changes.
    ///
    /// # Errors
    ///
    /// Fails where the tar cannot be written and made durable.
    pub fn commit(mut self) -> Result<(), LayoutError> {
        if !self.changed {
            return Ok(());
        }
        let files = [
            ("index.json", self.index.as_slice(), 0o644),
            ("oci-layout", OCI_LAYOUT.as_bytes(), 0o444),
        ];
        for (name, content, mode) in files {
            let mut header = header(name, content.len() as u64, mode);
            header.set_cksum();
            self.tar
                .append(&header, content)
                .during(Action::Write, &self.path)?;
        }
        let file = self.tar.into_inner().during(Action::Write, &self.path)?;
        file.publish(&self.path, 0o644, Replace::Any)
    }
}

/// Returns the header of a file, the same on every machine at every time.
fn header(name: &str, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_oci::reference::Selector;

    fn append(writer: &mut ArchiveWriter, content: &[u8]) -> Result<(), LayoutError> {
        let mut rest = content;
        writer.append(&Descriptor::of("", content), |buffer| {
            let count = rest.len().min(buffer.len()).min(3);
            let (now, later) = rest.split_at(count);
            buffer[..count].copy_from_slice(now);
            rest = later;
            Ok(count)
        })
    }

    #[test]
    fn grows_and_keeps_what_it_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("image.tar");
        for (content, name) in [(&b"first"[..], "a"), (b"second blob", "b")] {
            let mut writer = ArchiveWriter::create(&path).expect("a writer");
            append(&mut writer, content).expect("appended");
            assert!(
                writer
                    .enter(&Descriptor::of("m", content), Some(name))
                    .expect("entered")
            );
            writer.commit().expect("published");
        }
        let archive = Archive::open(&path).expect("an archive");
        for (content, name) in [(&b"first"[..], "a"), (b"second blob", "b")] {
            let chosen = index::select(archive.index(), &Selector::Name(name.to_owned()), &path);
            let Ok(index::Select::Entry(entry)) = chosen else {
                panic!("an entry")
            };
            assert_eq!(archive.read_blob(&entry, 100).expect("read"), content);
        }
        assert_eq!(
            std::fs::read_dir(folder.path())
                .expect("the folder")
                .count(),
            1
        );
    }

    #[test]
    fn is_not_written_anew_for_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("image.tar");
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
    fn stays_as_it_was_unless_committed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("image.tar");
        let mut writer = ArchiveWriter::create(&path).expect("a writer");
        append(&mut writer, b"first").expect("appended");
        drop(writer);
        assert_eq!(
            std::fs::read_dir(folder.path())
                .expect("the folder")
                .count(),
            0
        );
        std::fs::write(&path, b"not a tar").expect("written");
        assert!(matches!(
            ArchiveWriter::create(&path),
            Err(LayoutError::NotALayout { .. })
        ));
    }
}
