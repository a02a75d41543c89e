//! What can go wrong when a layout or archive is read or written.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use soci_document::{Classify, Exit};
use soci_oci::{Descriptor, Digest};

use crate::trust_fault::TrustFault;

/// The operation on a file that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Creating the file, or its directory.
    Create,
    /// Waiting for the file's lock.
    Lock,
    /// Opening or reading the file.
    Read,
    /// Removing the file.
    Remove,
    /// Writing the file, or making it durable.
    Write,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Lock => "lock",
            Self::Read => "read",
            Self::Remove => "remove",
            Self::Write => "write",
        })
    }
}

/// Why a link cannot be followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LinkFault {
    /// Its target does not exist.
    Absent,
    /// It leads back to itself, or through too many other links.
    Loop,
    /// Its target is outside of the layout.
    Outside,
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "which does not exist",
            Self::Loop => "which leads back to the link",
            Self::Outside => "which is outside",
        })
    }
}

/// Why a layout cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The file system returned an error.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// The operation.
        action: Action,
        /// The file.
        path: PathBuf,
        /// The file system's error.
        source: io::Error,
    },
    /// The directory or the tar is not an OCI image layout.
    #[error("`{}` is not an OCI image layout: {reason}", path.display())]
    NotALayout {
        /// The directory or the tar.
        path: PathBuf,
        /// What is missing or malformed.
        reason: String,
    },
    /// The directory is an OCI image layout, but not marked as a store of the tools.
    #[error("`{}` is not a store of these tools: it has no file `{}`", path.display(), crate::store_use::MARKER)]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// The directory that is to be the store holds files, but no OCI image layout.
    #[error("`{}` is not a store of these tools: it holds `{}`", path.display(), entry.escape_debug())]
    OtherContent {
        /// The directory.
        path: PathBuf,
        /// A file or directory in it.
        entry: String,
    },
    /// A user who is not trusted can replace what is in the store.
    #[error("store is not trusted: `{}` {fault}", path.display())]
    Untrusted {
        /// The directory of the store, or one in it.
        path: PathBuf,
        /// Why it is not trusted.
        fault: TrustFault,
    },
    /// The file is not a tar, or not one that can be read.
    #[error("`{}` cannot be read as a tar: {reason}", path.display())]
    NotATar {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The tar is not one that `docker save` writes.
    #[error("`{}` is not an archive of `docker save`: {reason}", path.display())]
    NotADockerArchive {
        /// The tar.
        path: PathBuf,
        /// What is missing or malformed.
        reason: String,
    },
    /// The layout or archive has no such image.
    #[error("no {wanted} in `{}`; images found: {found}", path.display())]
    NoSuchImage {
        /// The directory or the tar.
        path: PathBuf,
        /// What was looked for, such as ``image named `v1` ``.
        wanted: String,
        /// The names or digests of the images that exist.
        found: String,
    },
    /// A blob does not exist.
    #[error("blob `{digest}` is not in `{}`", path.display())]
    NoSuchBlob {
        /// The blob.
        digest: Digest,
        /// The directory or the tar.
        path: PathBuf,
    },
    /// A blob's size or digest differs from its descriptor.
    #[error("{}: {difference}", name_blob(expected, path))]
    Corrupt {
        /// The blob.
        expected: Box<Digest>,
        /// How it differs, such as `expected 5 bytes, found 7 bytes`.
        difference: String,
        /// The directory or the tar.
        path: PathBuf,
    },
    /// A symbolic link in a layout, or a link from one file of a tar to another, cannot be
    /// followed.
    #[error("`{}` in `{}` is a link to `{}`, {fault}", link.escape_debug(), path.display(), target.escape_debug())]
    Link {
        /// The link's path in the layout or the tar.
        link: String,
        /// What the link names.
        target: String,
        /// Why it cannot be followed.
        fault: LinkFault,
        /// The directory or the tar.
        path: PathBuf,
    },
    /// A blob is too long to be read into memory.
    #[error("blob `{digest}` has {size} bytes, expected at most {limit}")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

/// Names a blob and the layout or archive that holds it. `path` may also be the blob's own file.
fn name_blob(digest: &Digest, path: &Path) -> String {
    let is_own_file = path
        .file_name()
        .is_some_and(|name| name == digest.hex().as_str());
    // The file is `blobs/ALGORITHM/HEX` in the layout.
    let layout = path.ancestors().nth(3).filter(|_| is_own_file);
    format!("blob `{digest}` in `{}`", layout.unwrap_or(path).display())
}

impl LayoutError {
    pub(crate) fn not_a_layout(path: &Path, reason: impl Into<String>) -> Self {
        Self::NotALayout {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn not_a_store(path: &Path) -> Self {
        Self::NotAStore {
            path: path.to_owned(),
        }
    }

    /// Returns the error for a blob of which something else was found than its size in bytes, such
    /// as `7 bytes`.
    pub(crate) fn corrupt(expected: &Descriptor, found: &str, path: &Path) -> Self {
        let difference = format!("expected {} bytes, found {found}", expected.size);
        Self::differs(expected, difference, path)
    }

    /// Returns the error for a blob of the right size whose content has another digest.
    pub(crate) fn other_digest(expected: &Descriptor, found: Digest, path: &Path) -> Self {
        Self::differs(expected, format!("its digest is `{found}`"), path)
    }

    fn differs(expected: &Descriptor, difference: String, path: &Path) -> Self {
        Self::Corrupt {
            expected: Box::new(expected.digest),
            difference,
            path: path.to_owned(),
        }
    }
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
                    | io::ErrorKind::InvalidFilename
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::NotFound,
                ) => Exit::StoreUnwritable,
                (Action::Create, _) if is_loop(source) => Exit::StoreUnwritable,
                _ => Exit::Io,
            },
            Self::OtherContent { .. } | Self::Untrusted { .. } => Exit::StoreUnwritable,
            Self::NoSuchImage { .. } | Self::NoSuchBlob { .. } => Exit::NotFound,
            Self::NotALayout { .. }
            | Self::NotAStore { .. }
            | Self::NotATar { .. }
            | Self::NotADockerArchive { .. }
            | Self::Corrupt { .. }
            | Self::Link { .. }
            | Self::TooLarge { .. } => Exit::BadData,
        }
    }

    fn names_object(&self) -> bool {
        true
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Link {
                fault: LinkFault::Outside,
                ..
            } => Some("replace the link by what it leads to, such as with `cp -RL`".to_owned()),
            Self::NotAStore { .. } => Some(
                "name the directory that the tools use with --store; they make that file there, but never in a layout with images of yours"
                    .to_owned(),
            ),
            Self::OtherContent { .. } => Some(
                "name a new or an empty directory, or one that these tools have made, with --store or SOCI_STORE"
                    .to_owned(),
            ),
            Self::Untrusted { .. } => Some(
                "others could put ztocs into it that containers then read: choose another directory with --store or SOCI_STORE, or, if you trust all who can write to this one, set --trust-store or SOCI_TRUST_STORE=true"
                    .to_owned(),
            ),
            Self::File {
                action: Action::Create,
                path,
                source,
            } if source.kind() == io::ErrorKind::NotFound
                && path.is_relative()
                && std::env::current_dir().is_err() =>
            {
                Some("the working directory was removed: change to one that exists".to_owned())
            }
            Self::NoSuchImage { found, .. } if found.contains('`') => {
                Some("add the name of one of them after the path, as in `PATH:NAME`".to_owned())
            }
            _ => None,
        }
    }
}

/// Returns whether a path leads through too many symbolic links.
fn is_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Adds the operation and the file to an I/O error.
pub(crate) trait IoContext<T> {
    fn context(self, action: Action, path: &Path) -> Result<T, LayoutError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn context(self, action: Action, path: &Path) -> Result<T, LayoutError> {
        self.map_err(|source| LayoutError::File {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
