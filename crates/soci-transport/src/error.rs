//! What can go wrong with a place, whichever it is.

use soci_document::{Classify, Exit};
use soci_layout::LayoutError;
use soci_oci::Digest;
use soci_oci::manifest::ManifestError;
use soci_registry::{RegistryError, Violation};

/// Why an image cannot be read from, or written to, a place.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The registry, or the way to it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The layout, or the file system below it.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The manifest cannot be trusted.
    #[error("manifest `{digest}`")]
    Manifest {
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The image is not there.
    #[error("{what} not found")]
    NotFound {
        /// What was looked for, in words.
        what: String,
    },
    /// The place cannot do what was asked.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The runtime that drives the network cannot start.
    #[error("cannot start the network runtime")]
    Runtime(#[source] std::io::Error),
}

impl TransportError {
    /// Says whether a place refused a manifest since it does not know a blob that the manifest names.
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
            Self::Unsupported(_) => Exit::Usage,
            Self::Runtime(_) => Exit::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.hint(),
            _ => None,
        }
    }
}
