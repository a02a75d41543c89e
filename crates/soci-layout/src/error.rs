//! What can go wrong with a layout, and on what.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use soci_document::{Classify, Exit};
use soci_oci::Digest;

/// What was being done to a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Creating it, or the folder it lies in.
    Create,
    /// Waiting for its lock.
    Lock,
    /// Opening or reading it.
    Read,
    /// Writing it, or making it durable.
    Write,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Lock => "lock",
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Why a layout cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The file system refused.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was being done.
        action: Action,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder or the tar is not an OCI image layout.
    #[error("`{}` is not an OCI image layout: {reason}", path.display())]
    NotALayout {
        /// The folder or the tar.
        path: PathBuf,
        /// What is missing or malformed.
        reason: String,
    },
    /// No image of the layout is meant.
    #[error("`{}` holds no image {wanted}; it holds {held}", path.display())]
    NoSuchImage {
        /// The folder or the tar.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        held: String,
    },
    /// A blob is not there.
    #[error("blob `{digest}` is not in `{}`", path.display())]
    NoSuchBlob {
        /// The blob.
        digest: Digest,
        /// The folder or the tar.
        path: PathBuf,
    },
    /// A blob is not what its name says.
    #[error("blob `{expected}` in `{}`: expected {size} bytes, found {found}", path.display())]
    Corrupt {
        /// The blob.
        expected: Digest,
        /// The length that its descriptor gives.
        size: u64,
        /// What is there instead.
        found: String,
        /// The folder or the tar.
        path: PathBuf,
    },
    /// A blob is longer than what may be read at once.
    #[error("blob `{digest}` has {size} bytes, expected at most {limit}")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// Its length in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

impl Classify for LayoutError {
    fn exit(&self) -> Exit {
        match self {
            Self::File { action, source, .. } => match (action, source.kind()) {
                (Action::Lock, _) => Exit::TryAgain,
                (Action::Read, io::ErrorKind::NotFound) => Exit::NotFound,
                (Action::Read, _)
                | (_, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Exit::Io,
                (
                    _,
                    io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::NotFound,
                ) => Exit::StoreUnwritable,
                _ => Exit::Io,
            },
            Self::NoSuchImage { .. } | Self::NoSuchBlob { .. } => Exit::NotFound,
            Self::NotALayout { .. } | Self::Corrupt { .. } | Self::TooLarge { .. } => Exit::BadData,
        }
    }
}

/// Says, for an I/O error, what was being done to which file.
pub(crate) trait During<T> {
    fn during(self, action: Action, path: &Path) -> Result<T, LayoutError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: Action, path: &Path) -> Result<T, LayoutError> {
        self.map_err(|source| LayoutError::File {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
