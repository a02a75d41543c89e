//! Reading images.

use std::sync::Arc;

use soci_layout::{Archive, Layout, LayoutError, Select};
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::OCI_INDEX;
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest, Reference};
use soci_registry::{BlobStream, Content, ManifestName, RegistryError, Repository};

use crate::stream::{self, BlobReader};
use crate::{Session, TransportError, referrers};

/// A place to read images from.
#[derive(Clone)]
pub enum Source {
    /// A repository of a registry.
    Registry(Session, Repository),
    /// An OCI image layout.
    Layout(Layout),
    /// An OCI image layout in a tar.
    Archive(Archive),
}

/// What a reference resolved to.
pub struct Resolved {
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// Its bytes, verified.
    pub bytes: Vec<u8>,
    /// Its content.
    pub content: Root,
}

impl Source {
    /// Opens the place of `reference`. A registry is not spoken to yet.
    ///
    /// # Errors
    ///
    /// Fails where the layout or archive cannot be read, or the client's options are malformed.
    pub fn open(session: &Session, reference: &Reference) -> Result<Self, TransportError> {
        Ok(match reference {
            Reference::Registry(reference) => Self::Registry(
                session.clone(),
                session
                    .client()?
                    .repository(reference)
                    .map_err(RegistryError::from)?,
            ),
            Reference::Layout { path, .. } => Self::Layout(Layout::open(path)?),
            Reference::Archive { path, .. } => Self::Archive(Archive::open(path)?),
        })
    }

    /// Finds what `reference` names.
    ///
    /// # Errors
    ///
    /// Fails where it is not there, cannot be read, or is no manifest or index.
    pub fn resolve(&self, reference: &Reference) -> Result<Resolved, TransportError> {
        let (descriptor, bytes) = match (self, reference) {
            (Self::Registry(session, repository), Reference::Registry(wanted)) => {
                let tag = wanted.tag.as_deref().unwrap_or("latest");
                let name = wanted
                    .digest
                    .map_or(ManifestName::Tag(tag), ManifestName::Digest);
                let found = session.block_on(repository.fetch_manifest(name))??;
                let what = match wanted.digest {
                    Some(digest) => format!(
                        "digest `{digest}` of {}/{}",
                        wanted.registry, wanted.repository
                    ),
                    None => format!("tag `{tag}` of {}/{}", wanted.registry, wanted.repository),
                };
                let manifest = found.ok_or(TransportError::NotFound { what })?;
                (manifest.descriptor, manifest.bytes.to_vec())
            }
            (Self::Layout(layout), Reference::Layout { path, select }) => {
                self.chosen(soci_layout::select(&layout.index()?, select, path)?)?
            }
            (Self::Archive(archive), Reference::Archive { path, select }) => {
                self.chosen(soci_layout::select(archive.index(), select, path)?)?
            }
            _ => {
                return Err(TransportError::Unsupported(
                    "the reference is of another place",
                ));
            }
        };
        let content = parse_manifest(&bytes, &descriptor)?;
        Ok(Resolved {
            descriptor,
            bytes,
            content,
        })
    }

    /// Reads what was chosen of a layout.
    fn chosen(&self, select: Select) -> Result<(Descriptor, Vec<u8>), TransportError> {
        Ok(match select {
            Select::Index(bytes) => (Descriptor::of(OCI_INDEX, &bytes), bytes),
            Select::Entry(entry) => {
                let what = format!("manifest `{}`", entry.digest);
                let bytes = self
                    .manifest(&entry)?
                    .ok_or(TransportError::NotFound { what })?;
                (*entry, bytes)
            }
        })
    }

    /// Reads the manifest `descriptor`, verified. Nothing is returned where the place does not hold it.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be read, or is not what the descriptor says.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, TransportError> {
        match self {
            Self::Registry(session, repository) => {
                let found = session.block_on(
                    repository.fetch_manifest(ManifestName::Digest(descriptor.digest)),
                )??;
                Ok(found.map(|manifest| manifest.bytes.to_vec()))
            }
            _ => self.small_blob(descriptor),
        }
    }

    /// Reads a blob that is no longer than a manifest may be, verified. Nothing is returned where the place does not hold it.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be read, is too long, or is not what the descriptor says.
    pub fn small_blob(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, TransportError> {
        self.blob_bytes(descriptor, MANIFEST_LIMIT)
    }

    /// Reads a blob of at most `limit` bytes, verified. Nothing is returned where the place does not hold it.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be read, is too long, or is not what the descriptor says.
    pub fn blob_bytes(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        let read = match self {
            Self::Registry(session, repository) => {
                let found = session.block_on(repository.blob_bytes(descriptor, limit))??;
                return Ok(found.map(Vec::from));
            }
            Self::Layout(layout) => layout.read_blob(descriptor, limit),
            Self::Archive(archive) => archive.read_blob(descriptor, limit),
        };
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(LayoutError::NoSuchBlob { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the manifests of type `artifact_type` that refer to `subject`.
    ///
    /// # Errors
    ///
    /// Fails where the registry does not say, or the layout cannot be read.
    pub fn referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, TransportError> {
        let read = |entry: &Descriptor| self.manifest(entry).ok().flatten();
        match self {
            Self::Registry(session, repository) => {
                let found =
                    session.block_on(repository.list_referrers(subject, artifact_type))??;
                Ok(found.descriptors)
            }
            Self::Layout(layout) => {
                let index = layout.index()?;
                Ok(referrers::listed(&index, subject, artifact_type, read))
            }
            Self::Archive(archive) => Ok(referrers::listed(
                archive.index(),
                subject,
                artifact_type,
                read,
            )),
        }
    }

    /// Says whether the place holds the blob `descriptor`.
    ///
    /// # Errors
    ///
    /// Fails where the registry does not say.
    pub fn holds(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        match self {
            Self::Registry(session, repository) => {
                Ok(session.block_on(repository.blob_exists(descriptor.digest))??)
            }
            Self::Layout(layout) => Ok(layout.has(descriptor)),
            Self::Archive(archive) => Ok(archive.has(descriptor)),
        }
    }

    /// Opens the blob `descriptor` to read it piece by piece.
    ///
    /// # Errors
    ///
    /// Fails where it is not there, or cannot be read.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader, TransportError> {
        match self {
            Self::Registry(session, repository) => {
                let stream = session.block_on(repository.blob(descriptor, 0))??;
                Ok(BlobReader::network(session.clone(), stream))
            }
            Self::Layout(layout) => Ok(BlobReader::file(layout.blob(descriptor)?)),
            Self::Archive(archive) => Ok(BlobReader::file(archive.blob(descriptor)?)),
        }
    }

    /// Returns the bytes of the blob `descriptor` for another registry, which may have to be sent them more than once.
    pub(crate) fn content(&self, descriptor: &Descriptor) -> Content {
        let (source, descriptor) = (self.clone(), descriptor.clone());
        Arc::new(move || source.stream(&descriptor))
    }

    /// Opens the blob `descriptor`. What goes wrong shows when it is read.
    fn stream(&self, descriptor: &Descriptor) -> BlobStream {
        let opened = match self {
            Self::Registry(_, repository) => {
                return BlobStream::of_blob(repository.clone(), descriptor.clone());
            }
            Self::Layout(layout) => layout.blob(descriptor),
            Self::Archive(archive) => archive.blob(descriptor),
        };
        stream::of_file(opened)
    }

    /// Returns a reference to the image of the name `tag` in the place of `reference`.
    pub fn tagged(reference: &Reference, tag: &str) -> Reference {
        let mut tagged = reference.clone();
        match &mut tagged {
            Reference::Registry(registry) => {
                registry.tag = Some(tag.to_owned());
                registry.digest = None;
            }
            Reference::Layout { select, .. } | Reference::Archive { select, .. } => {
                *select = Selector::Name(tag.to_owned());
            }
        }
        tagged
    }

    /// Returns a reference to the image of `digest` in the place of `reference`.
    pub fn pinned(reference: &Reference, digest: Digest) -> Reference {
        let mut pinned = reference.clone();
        match &mut pinned {
            Reference::Registry(registry) => registry.digest = Some(digest),
            Reference::Layout { select, .. } | Reference::Archive { select, .. } => {
                *select = Selector::Digest(digest);
            }
        }
        pinned
    }
}

/// Reads the manifest or index `descriptor`, whose bytes are `bytes`.
///
/// # Errors
///
/// Fails where it cannot be trusted, and says which one it is.
pub fn parse_manifest(bytes: &[u8], descriptor: &Descriptor) -> Result<Root, TransportError> {
    Root::parse(bytes, &descriptor.media_type).map_err(|source| TransportError::Manifest {
        digest: descriptor.digest,
        source,
    })
}
