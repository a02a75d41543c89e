//! Writing images to the repository, layout or archive that a reference names.

use soci_document::ReferrersVia;
use soci_oci::{Descriptor, Digest, Reference};
use soci_registry::Referrers;

use crate::archive::ArchiveWriterBackend;
use crate::backend::{ByteCounter, PutOutcome, StoredName, WriteImage};
use crate::error::TransportError;
use crate::layout::LayoutBackend;
use crate::registry::RegistryBackend;
use crate::session::Session;
use crate::source::Source;

/// A repository, layout or archive that images are written to.
pub struct Destination(Box<dyn WriteImage>);

impl Destination {
    /// Opens the repository, layout or archive that `reference` names. A layout or archive is
    /// created if it does not exist. No request is sent to a registry yet.
    ///
    /// # Errors
    ///
    /// Returns an error if the layout or archive cannot be written, if it is an archive of Docker,
    /// or if the options of the registry client are malformed.
    pub fn open(session: &Session, reference: &Reference) -> Result<Self, TransportError> {
        let backend: Box<dyn WriteImage> = match reference {
            Reference::Registry(repository) => Box::new(RegistryBackend::new(session, repository)?),
            Reference::Layout { path, .. } => Box::new(LayoutBackend::open_or_create(path)?),
            Reference::Archive { path, .. } => Box::new(ArchiveWriterBackend::create(path)?),
            Reference::DockerArchive { .. } => return Err(TransportError::ReadOnly),
        };
        Ok(Self(backend))
    }

    /// Writes to a backend of the caller's own, such as a map of blobs in a test.
    pub fn with_backend(backend: Box<dyn WriteImage>) -> Self {
        Self(backend)
    }

    /// Returns whether the blob exists. A layout reads it to the end, so that a damaged blob counts
    /// as absent.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry's response tells neither.
    pub fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        self.0.has_blob(descriptor)
    }

    /// Returns whether the manifest exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry's response tells neither.
    pub fn has_manifest(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        self.0.has_manifest(descriptor)
    }

    /// Writes a blob from memory. `counter` counts the bytes as they are written.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob cannot be written, or if `bytes` differ from the descriptor.
    pub fn put_blob(
        &self,
        descriptor: &Descriptor,
        bytes: Vec<u8>,
        counter: &ByteCounter,
    ) -> Result<(), TransportError> {
        self.0.put_blob(descriptor, bytes, counter)
    }

    /// Copies a blob from `source` and returns how many bytes were sent: 0 if the registry mounted
    /// the blob from another of its repositories. `counter` counts the bytes as they are sent.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob cannot be read, differs from its descriptor, or cannot be
    /// written.
    pub fn copy_blob(
        &self,
        descriptor: &Descriptor,
        source: &Source,
        counter: &ByteCounter,
    ) -> Result<u64, TransportError> {
        self.0.copy_blob(descriptor, source.backend(), counter)
    }

    /// Writes a manifest under its digest.
    ///
    /// # Errors
    ///
    /// Returns an error if the manifest cannot be written.
    pub fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<PutOutcome, TransportError> {
        self.0.put_manifest(descriptor, bytes)
    }

    /// Waits before `manifest` is sent again, because the registry did not know one of its blobs
    /// ([`TransportError::is_blob_unknown`]) in attempt `attempt` (counted from 1).
    pub fn wait_for_blobs(&self, manifest: Digest, attempt: u32) {
        self.0.wait_for_blobs(manifest, attempt);
    }

    /// Returns the digest that `tag` names now, or `None` if the tag does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the tag cannot be looked up.
    pub fn resolve_tag(&self, tag: &str) -> Result<Option<Digest>, TransportError> {
        self.0.resolve_tag(tag)
    }

    /// Points `tag` to the manifest or index `descriptor`, whose bytes are `bytes`. A registry is
    /// sent the bytes with the tag; a layout or archive must hold them before.
    ///
    /// # Errors
    ///
    /// Returns an error if the tag cannot be written.
    pub fn put_tag(
        &self,
        tag: &str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), TransportError> {
        self.0.put_tag(tag, descriptor, bytes)
    }

    /// Checks that `name` stands for the manifest or index with these bytes, after it was written.
    /// `previous` is the digest that it named before, if it is known. In a registry, this takes one
    /// request if it is so.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry does not have what it answered that it has stored.
    pub fn check_stored(
        &self,
        name: StoredName<'_>,
        bytes: &[u8],
        previous: Option<Digest>,
    ) -> Result<(), TransportError> {
        self.0.check_stored(name, bytes, previous)
    }

    /// Returns the manifests of type `artifact_type` whose subject is `subject`, and how they are
    /// listed.
    ///
    /// # Errors
    ///
    /// Returns an error if the list cannot be read.
    pub fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Referrers, TransportError> {
        self.0.list_referrers(subject, artifact_type)
    }

    /// Lists `referrer` among the referrers of `subject`, unless `put`, the outcome of writing it,
    /// tells that the registry has done so. `known` is the list of referrers if the caller has read
    /// it. If it shows that the registry has no referrers API, `put` is not believed.
    ///
    /// # Errors
    ///
    /// Returns an error if the list cannot be read or written.
    pub fn add_referrer(
        &self,
        subject: Digest,
        referrer: &Descriptor,
        put: PutOutcome,
        known: Option<Referrers>,
    ) -> Result<ReferrersVia, TransportError> {
        match put {
            PutOutcome::StoredAsReferrer
                if known
                    .as_ref()
                    .is_none_or(|known| known.via == ReferrersVia::Api) =>
            {
                Ok(ReferrersVia::Api)
            }
            _ => self.0.add_referrer(subject, referrer, known),
        }
    }

    /// Publishes what was written. Without this call, an archive stays as it was.
    ///
    /// # Errors
    ///
    /// Returns an error if the archive cannot be written.
    pub fn finish(self) -> Result<(), TransportError> {
        self.0.finish()
    }
}
