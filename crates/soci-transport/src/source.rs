//! Reading the image that a reference names.

use std::ops::Range;
use std::sync::Arc;

use soci_layout::{Archive, DockerArchive, Layout};
use soci_oci::manifest::Root;
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest, Reference};
use soci_registry::BlobPresence;

use crate::backend::ReadImage;
use crate::blob_reader::BlobReader;
use crate::error::TransportError;
use crate::layout_image::LayoutImage;
use crate::registry::RegistryBackend;
use crate::session::Session;

/// An image's reference together with the repository, layout or archive that it is read from. Cheap
/// to clone.
#[derive(Clone)]
pub struct Source {
    reference: Reference,
    backend: Arc<dyn ReadImage>,
}

/// The manifest or index that a reference resolved to.
pub struct Resolved {
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// Its bytes, verified against the descriptor.
    pub bytes: Vec<u8>,
    /// Its parsed content.
    pub content: Root,
}

impl Source {
    /// Opens the repository, layout or archive that `reference` names. No request is sent to a
    /// registry yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the layout or archive cannot be read, or if the options of the registry
    /// client are malformed.
    pub fn open(session: &Session, reference: &Reference) -> Result<Self, TransportError> {
        let backend: Arc<dyn ReadImage> = match reference {
            Reference::Registry(repository) => Arc::new(RegistryBackend::new(session, repository)?),
            Reference::Layout { path, .. } => Arc::new(LayoutImage(Layout::open(path)?)),
            Reference::Archive { path, .. } => session
                .archives()
                .open(path, |path| Ok(Arc::new(LayoutImage(Archive::open(path)?))))?,
            Reference::DockerArchive { path, .. } => {
                session.docker_archives().open(path, |path| {
                    Ok(Arc::new(LayoutImage(DockerArchive::open(path)?)))
                })?
            }
        };
        Ok(Self::with_backend(reference.clone(), backend))
    }

    /// Reads from a backend of the caller's own, such as a map of blobs in a test.
    pub fn with_backend(reference: Reference, backend: Arc<dyn ReadImage>) -> Self {
        Self { reference, backend }
    }

    /// Returns the reference.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Returns the source of another image in the same repository, layout or archive: the one that
    /// is tagged `tag`.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        let mut source = self.clone();
        match &mut source.reference {
            Reference::Registry(registry) => {
                registry.tag = Some(tag.to_owned());
                registry.digest = None;
            }
            Reference::Layout { select, .. }
            | Reference::Archive { select, .. }
            | Reference::DockerArchive { select, .. } => {
                *select = Selector::Name(tag.to_owned());
            }
        }
        source
    }

    /// Returns the source of another image in the same repository, layout or archive: the manifest
    /// or index `digest`.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        let mut source = self.clone();
        match &mut source.reference {
            Reference::Registry(registry) => registry.digest = Some(digest),
            Reference::Layout { select, .. }
            | Reference::Archive { select, .. }
            | Reference::DockerArchive { select, .. } => {
                *select = Selector::Digest(digest);
            }
        }
        source
    }

    /// Reads the manifest or index that the reference names.
    ///
    /// # Errors
    ///
    /// Returns an error if it does not exist, cannot be read, or is neither a manifest nor an
    /// index.
    pub fn resolve(&self) -> Result<Resolved, TransportError> {
        let (descriptor, bytes) = self.read_root()?;
        let content = parse_manifest(&bytes, &descriptor)?;
        Ok(Resolved {
            descriptor,
            bytes,
            content,
        })
    }

    /// Reads what the reference names, without parsing it. Returns its descriptor and its verified
    /// bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if it does not exist or cannot be read.
    pub fn read_root(&self) -> Result<(Descriptor, Vec<u8>), TransportError> {
        self.backend.resolve(&selector(&self.reference))
    }

    /// Returns the verified bytes of a manifest or index, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the manifest cannot be read, is too long, or differs from its
    /// descriptor.
    pub fn read_manifest(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        self.backend.read_manifest(descriptor)
    }

    /// Returns the verified bytes of a blob of at most `limit` bytes, or `None` if the blob does
    /// not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob cannot be read, is longer than `limit`, or differs from its
    /// descriptor.
    pub fn read_blob(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        self.backend.read_blob(descriptor, limit)
    }

    /// Opens a blob for reading in chunks.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist or cannot be opened.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader, TransportError> {
        self.backend.open_blob(descriptor)
    }

    /// Returns the bytes of a blob from offset `range.start` to before `range.end`, without
    /// checking its digest. The range must lie within the blob. A registry is asked for these bytes
    /// alone.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, cannot be read, or ends before the range does.
    pub fn read_range(
        &self,
        descriptor: &Descriptor,
        range: Range<u64>,
    ) -> Result<Vec<u8>, TransportError> {
        self.backend.read_range(descriptor, range)
    }

    /// Returns whether the blob exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry's response tells neither.
    pub fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        self.backend.has_blob(descriptor)
    }

    /// Looks for a blob without reading it.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry does not tell whether it has the blob, or if a blob of a
    /// layout is not what its descriptor says.
    pub fn find_blob(&self, descriptor: &Descriptor) -> Result<BlobPresence, TransportError> {
        self.backend.find_blob(descriptor)
    }

    /// Returns the manifests of type `artifact_type` whose subject is `subject`.
    ///
    /// # Errors
    ///
    /// Returns an error if the list cannot be read.
    pub fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, TransportError> {
        self.backend.list_referrers(subject, artifact_type)
    }

    pub(crate) fn backend(&self) -> &Arc<dyn ReadImage> {
        &self.backend
    }
}

/// Returns which image of its repository, layout or archive a reference names. A digest takes
/// precedence over a tag.
fn selector(reference: &Reference) -> Selector {
    match reference {
        Reference::Registry(registry) => match (registry.digest, &registry.tag) {
            (Some(digest), _) => Selector::Digest(digest),
            (None, Some(tag)) => Selector::Name(tag.clone()),
            (None, None) => Selector::Any,
        },
        Reference::Layout { select, .. }
        | Reference::Archive { select, .. }
        | Reference::DockerArchive { select, .. } => select.clone(),
    }
}

/// Parses the manifest or index `descriptor`, whose bytes are `bytes`.
///
/// # Errors
///
/// Returns an error that names the manifest if it is malformed, or if its media type contradicts
/// the descriptor.
pub fn parse_manifest(bytes: &[u8], descriptor: &Descriptor) -> Result<Root, TransportError> {
    Root::parse(bytes, &descriptor.media_type).map_err(|source| TransportError::Manifest {
        digest: Box::new(descriptor.digest),
        source,
    })
}
