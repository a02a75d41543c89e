//! Reading a layout in a tar.

use std::borrow::Cow;
use std::path::Path;

use soci_oci::{Descriptor, Digest};

use crate::blob::Blob;
use crate::error::LayoutError;
use crate::layout::blob_name;
use crate::read_layout::ReadLayout;
use crate::tar_file::TarFile;
use crate::{docker_archive, index_json, marker};

/// An OCI image layout in a tar, which may be gzipped. Blobs are read at their offset in the tar;
/// nothing is unpacked.
#[derive(Clone, Debug)]
pub struct Archive {
    tar: TarFile,
    index: Vec<u8>,
}

impl Archive {
    /// Opens the tar `path` and reads the list of its files.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is not a tar, or is not an OCI image layout of
    /// version 1.
    pub fn open(path: &Path) -> Result<Self, LayoutError> {
        let tar = TarFile::open(path)?;
        let read = |file: &str| {
            let bytes = tar.read_small(file)?;
            bytes.ok_or_else(|| LayoutError::not_a_layout(path, explain_missing(&tar, file)))
        };
        let index = read(index_json::FILE)?;
        marker::check(&read(marker::FILE)?, path)?;
        Ok(Self { tar, index })
    }

    /// Returns the path of the tar.
    pub fn path(&self) -> &Path {
        self.tar.path()
    }

    /// Returns whether the tar is gzipped.
    pub const fn is_gzipped(&self) -> bool {
        self.tar.is_gzipped()
    }

    /// Returns the bytes of `index.json`.
    pub fn index(&self) -> &[u8] {
        &self.index
    }

    /// Returns the digests and sizes of all blobs, as descriptors without media type.
    ///
    /// # Errors
    ///
    /// Returns an error if a blob is a link that cannot be followed.
    pub(crate) fn blobs(&self) -> Result<Vec<Descriptor>, LayoutError> {
        let digests = self.tar.names().filter_map(parse_blob_name);
        let descriptor = |digest| {
            let range = self.tar.find(blob_name(digest).as_bytes()).transpose()?;
            Some(range.map(|range| Descriptor::new("", digest, range.size)))
        };
        digests.filter_map(descriptor).collect()
    }

    /// Returns whether a blob of the right size exists. Its content is checked when it is read.
    pub fn has_blob(&self, descriptor: &Descriptor) -> bool {
        let found = self.tar.find(blob_name(descriptor.digest).as_bytes());
        matches!(found, Ok(Some(range)) if range.size == descriptor.size)
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, has another size, or is a link that cannot be
    /// followed.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        let found = self.tar.find(blob_name(descriptor.digest).as_bytes())?;
        let range = found.ok_or_else(|| LayoutError::NoSuchBlob {
            digest: descriptor.digest,
            path: self.path().to_owned(),
        })?;
        if range.size != descriptor.size {
            let found = format!("{} bytes", range.size);
            return Err(LayoutError::corrupt(descriptor, &found, self.path()));
        }
        self.tar.open_member(range)
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
}

impl ReadLayout for Archive {
    fn path(&self) -> &Path {
        Self::path(self)
    }

    fn read_index(&self) -> Result<Cow<'_, [u8]>, LayoutError> {
        Ok(Cow::Borrowed(self.index()))
    }

    fn has_blob(&self, descriptor: &Descriptor) -> bool {
        Self::has_blob(self, descriptor)
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        Self::open_blob(self, descriptor)
    }
}

/// Returns why a tar has not the file `file` of a layout.
fn explain_missing(tar: &TarFile, file: &str) -> String {
    let missing = format!("it has no file `{file}`");
    let has = |name: &str| tar.names().any(|found| found == name.as_bytes());
    if has(docker_archive::MANIFEST_FILE) {
        return format!("{missing}; `docker save` wrote it, so write `docker-archive:FILE`");
    }
    let suffix = format!("/{file}");
    let below = tar.names().find(|name| name.ends_with(suffix.as_bytes()));
    match below {
        Some(below) => {
            let below = String::from_utf8_lossy(below);
            let below = below.escape_debug();
            format!("{missing}, but `{below}`; pack the layout with `tar -C DIR -cf FILE .`")
        }
        None => missing,
    }
}

/// Returns the digest in a name such as `blobs/sha256/e3b0…`, or `None` for all other names.
fn parse_blob_name(name: &[u8]) -> Option<Digest> {
    let name = std::str::from_utf8(name.strip_prefix(b"blobs/")?).ok()?;
    let (algorithm, hex) = name.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}
