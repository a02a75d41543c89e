//! What can go wrong when an image is read or written.

use soci_document::{Classify, Exit};
use soci_layout::LayoutError;
use soci_oci::Digest;
use soci_oci::manifest::ManifestError;
use soci_registry::{RegistryError, Violation};

/// Why an image cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A request to a registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A layout or archive cannot be read or written.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A manifest is malformed, or contradicts its descriptor.
    #[error("manifest `{digest}`")]
    Manifest {
        /// The manifest's digest.
        digest: Box<Digest>,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The image does not exist.
    #[error("{what} not found in the repository")]
    NotFound {
        /// What was looked for, such as ``tag `v1` ``. Without its name if the reference of the
        /// image names it.
        what: String,
    },
    /// Archives of Docker are not written.
    #[error("a `docker-archive:` is only read, since it cannot hold a SOCI index")]
    ReadOnly,
    /// The runtime that drives the registry client cannot start.
    #[error("cannot start the network runtime")]
    Runtime(#[source] std::io::Error),
}

impl TransportError {
    /// Returns whether a failed look-up says nothing about a later upload, as
    /// [`soci_registry::leaves_open`] does.
    pub const fn leaves_open(&self) -> bool {
        matches!(self, Self::Registry(error) if soci_registry::leaves_open(error))
    }

    /// Returns whether a registry rejected a manifest because it does not know a blob that the
    /// manifest names (`MANIFEST_BLOB_UNKNOWN`).
    pub const fn is_blob_unknown(&self) -> bool {
        matches!(
            self,
            Self::Registry(RegistryError::Protocol {
                violation: Violation::BlobUnknown(_),
                ..
            })
        )
    }
}

impl Classify for TransportError {
    fn exit(&self) -> Exit {
        match self {
            Self::Registry(error) => error.exit(),
            Self::Layout(error) => error.exit(),
            Self::Manifest { .. } => Exit::BadData,
            Self::NotFound { .. } => Exit::NotFound,
            Self::ReadOnly => Exit::Usage,
            Self::Runtime(_) => Exit::Io,
        }
    }

    fn names_object(&self) -> bool {
        match self {
            Self::Registry(error) => error.names_object(),
            Self::Layout(error) => error.names_object(),
            Self::Manifest { .. } | Self::NotFound { .. } => true,
            Self::ReadOnly | Self::Runtime(_) => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.hint(),
            Self::Layout(error) => error.hint(),
            Self::ReadOnly => Some(
                "name another destination with --to, such as `oci-archive:FILE` or a repository"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
