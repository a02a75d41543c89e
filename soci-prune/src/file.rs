//! The files of a store with what they are, and what they need.

use std::time::SystemTime;

use serde::Serialize;
use soci_layout::StoredFile;

/// What a file of the store is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A file that was not written to its end.
    Unfinished,
    /// A layer of an image.
    Layer,
    /// A blob of which nothing in the store tells what it is.
    Other,
    /// The configuration of an image or of a SOCI index.
    Config,
    /// An image manifest, an image index, or the manifest of an artifact.
    Manifest,
    /// An entry of the cache of ztocs.
    CacheEntry,
    /// A SOCI index.
    SociIndex,
    /// A ztoc, or a list of spans to prefetch.
    Ztoc,
}

impl Kind {
    /// Returns the name for the user, in the plural if `count` is not 1.
    pub(crate) const fn name(self, count: u64) -> &'static str {
        match (self, count) {
            (Self::Unfinished, 1) => "unfinished file",
            (Self::Unfinished, _) => "unfinished files",
            (Self::Layer, 1) => "layer",
            (Self::Layer, _) => "layers",
            (Self::Other, 1) => "other blob",
            (Self::Other, _) => "other blobs",
            (Self::Config, 1) => "configuration",
            (Self::Config, _) => "configurations",
            (Self::Manifest, 1) => "manifest",
            (Self::Manifest, _) => "manifests",
            (Self::CacheEntry, 1) => "cache entry",
            (Self::CacheEntry, _) => "cache entries",
            (Self::SociIndex, 1) => "SOCI index",
            (Self::SociIndex, _) => "SOCI indexes",
            (Self::Ztoc, 1) => "ztoc",
            (Self::Ztoc, _) => "ztocs",
        }
    }
}

/// A file of the store.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) stored: StoredFile,
    pub(crate) kind: Kind,
    /// The files that this one is of no use without, by their positions in the list of all files.
    /// An image manifest needs its configuration but not its layers, because the tools can download
    /// layers again.
    pub(crate) needs: Vec<usize>,
    /// When this file was used last, or a file that needs it.
    pub(crate) last_use: SystemTime,
    /// Whether a SOCI index needs this file, or whether it is one.
    pub(crate) is_indexed: bool,
    /// Whether `index.json` lists this file, or an image that it belongs to.
    pub(crate) is_listed: bool,
    /// How many steps lead here from a file that no other one needs, on the longest way.
    pub(crate) depth: usize,
}

impl File {
    pub(crate) fn new(stored: StoredFile, kind: Kind) -> Self {
        Self {
            last_use: stored.last_use,
            stored,
            kind,
            needs: Vec::new(),
            is_indexed: false,
            is_listed: false,
            depth: 0,
        }
    }

    /// Returns the size in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.stored.size
    }
}
