//! Reading a layout in a tar.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use soci_oci::manifest::MANIFEST_LIMIT;
use soci_oci::{Descriptor, Digest};

use crate::blob::Blob;
use crate::error::{Action, IoContext as _, LayoutError};
use crate::{index_json, marker};

/// An OCI image layout in a tar that is not compressed. Blobs are read at their offset in the tar;
/// nothing is unpacked.
#[derive(Clone, Debug)]
pub struct Archive {
    path: PathBuf,
    index: Vec<u8>,
    blobs: BTreeMap<Digest, BlobRange>,
}

/// Where a blob is in the tar.
#[derive(Clone, Copy, Debug)]
struct BlobRange {
    start: u64,
    size: u64,
}

impl Archive {
    /// Opens the tar `path` and reads the list of its files.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is not a tar, or is not an OCI image layout of
    /// version 1.
    pub fn open(path: &Path) -> Result<Self, LayoutError> {
        let mut tar = tar::Archive::new(File::open(path).context(Action::Read, path)?);
        let mut blobs = BTreeMap::new();
        let (mut marker, mut index) = (None, None);
        let not_a_tar = |error| {
            LayoutError::not_a_layout(path, format!("it is not an uncompressed tar: {error}"))
        };
        for entry in tar.entries_with_seek().map_err(not_a_tar)? {
            let mut entry = entry.map_err(not_a_tar)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = entry.path_bytes().into_owned();
            let name = name.strip_prefix(b"./").unwrap_or(&name);
            if name == index_json::FILE.as_bytes() {
                index = Some(read_small_file(&mut entry, path)?);
            } else if name == marker::FILE.as_bytes() {
                marker = Some(read_small_file(&mut entry, path)?);
            } else if let Some(digest) = parse_blob_name(name) {
                let range = BlobRange {
                    start: entry.raw_file_position(),
                    size: entry.size(),
                };
                blobs.insert(digest, range);
            }
        }
        let missing = |file| LayoutError::not_a_layout(path, format!("it has no file `{file}`"));
        let marker = marker.ok_or_else(|| missing(marker::FILE))?;
        marker::check(&marker, path)?;
        Ok(Self {
            path: path.to_owned(),
            index: index.ok_or_else(|| missing(index_json::FILE))?,
            blobs,
        })
    }

    /// Returns the bytes of `index.json`.
    pub fn index(&self) -> &[u8] {
        &self.index
    }

    /// Returns the digests and sizes of all blobs, as descriptors without media type.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = Descriptor> {
        let blobs = self.blobs.iter();
        blobs.map(|(digest, range)| Descriptor::new("", *digest, range.size))
    }

    /// Returns whether a blob of the right size exists. Its content is checked when it is read.
    pub fn has_blob(&self, descriptor: &Descriptor) -> bool {
        self.blobs
            .get(&descriptor.digest)
            .is_some_and(|range| range.size == descriptor.size)
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, or has another size.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        let Some(BlobRange { start, size }) = self.blobs.get(&descriptor.digest).copied() else {
            return Err(LayoutError::NoSuchBlob {
                digest: descriptor.digest,
                path: self.path.clone(),
            });
        };
        if size != descriptor.size {
            let found = format!("{size} bytes");
            return Err(LayoutError::corrupt(descriptor, found, &self.path));
        }
        let file = File::open(&self.path).context(Action::Read, &self.path)?;
        Blob::new(file, self.path.clone(), start, size)
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

/// Reads at most [`MANIFEST_LIMIT`] bytes of a file in the tar `path`.
fn read_small_file(entry: &mut tar::Entry<'_, File>, path: &Path) -> Result<Vec<u8>, LayoutError> {
    let mut bytes = Vec::new();
    entry
        .take(MANIFEST_LIMIT)
        .read_to_end(&mut bytes)
        .context(Action::Read, path)?;
    Ok(bytes)
}

/// Returns the digest in a name such as `blobs/sha256/e3b0…`, or `None` for all other names.
fn parse_blob_name(name: &[u8]) -> Option<Digest> {
    let hex = std::str::from_utf8(name.strip_prefix(b"blobs/sha256/")?).ok()?;
    format!("sha256:{hex}").parse().ok()
}
