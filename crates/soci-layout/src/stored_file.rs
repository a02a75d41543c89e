//! The files of a store that may be removed.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use soci_oci::{Algorithm, Digest};

use crate::store_use::ZTOC_CACHE;

/// The name of a file of a store.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum StoreFile {
    /// A blob.
    Blob(Digest),
    /// An entry of the cache of ztocs, in the directory [`ZTOC_CACHE`]. Its name is the digest of
    /// what the ztoc is determined by, in hexadecimal digits.
    CacheEntry(Digest),
    /// A file that was not written to its end, with its name.
    Unfinished(String),
}

/// A file of a store.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// Its name.
    pub name: StoreFile,
    /// Its size in bytes.
    pub size: u64,
    /// When a tool used it last.
    pub last_use: SystemTime,
}

/// What became of a file that was to be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removal {
    /// It was removed.
    Removed,
    /// Another process had removed it.
    Absent,
    /// It stays: a tool has used it since it was listed, or may be about to.
    InUse,
}

/// What the files in a directory of the store are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FolderContent {
    Blobs(Algorithm),
    CacheEntries,
    Unfinished,
}

impl StoreFile {
    /// Returns the path of the file in the store, such as `blobs/sha256/e3b0…`.
    pub fn path(&self) -> PathBuf {
        let folder = match self {
            Self::Blob(digest) => Path::new("blobs").join(digest.algorithm().name()),
            Self::CacheEntry(_) => PathBuf::from(ZTOC_CACHE),
            Self::Unfinished(_) => PathBuf::new(),
        };
        folder.join(self.file_name())
    }

    /// Returns the name in its directory.
    pub(crate) fn file_name(&self) -> String {
        match self {
            Self::Blob(digest) | Self::CacheEntry(digest) => digest.hex(),
            Self::Unfinished(name) => name.clone(),
        }
    }

    /// Returns which directory the file is in.
    pub(crate) fn folder(&self) -> FolderContent {
        match self {
            Self::Blob(digest) => FolderContent::Blobs(digest.algorithm()),
            Self::CacheEntry(_) => FolderContent::CacheEntries,
            Self::Unfinished(_) => FolderContent::Unfinished,
        }
    }
}
