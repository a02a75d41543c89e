//! The backend for repositories of registries.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use soci_document::ReferrersVia;
use soci_oci::reference::{RegistryReference, Selector};
use soci_oci::{Descriptor, Digest};
use soci_registry::{
    BlobPresence, BlobStream, Content, ManifestName, PushedBlob, Referrers, RegistryError,
    Repository, SentManifest,
};
use tokio::runtime::Runtime;

use crate::backend::{ByteCounter, PutOutcome, ReadImage, StoredName, WriteImage};
use crate::blob_reader::{BlobReader, ReadChunks};
use crate::error::TransportError;
use crate::memory_budget::MemoryBudget;
use crate::session::Session;

/// The tag that a reference without tag and digest names, as in Docker.
const DEFAULT_TAG: &str = "latest";

/// A repository, and the runtime that drives its requests.
pub(crate) struct RegistryBackend {
    runtime: Arc<Runtime>,
    repository: Repository,
}

/// A blob that is being downloaded.
struct Download {
    runtime: Arc<Runtime>,
    stream: BlobStream,
}

impl RegistryBackend {
    pub(crate) fn new(
        session: &Session,
        reference: &RegistryReference,
    ) -> Result<Self, TransportError> {
        let network = session.network()?;
        Ok(Self {
            runtime: Arc::clone(&network.runtime),
            repository: network
                .client
                .repository(reference)
                .map_err(RegistryError::from)?,
        })
    }

    /// Waits for a request and everything that belongs to it: retries, redirects, authentication.
    fn call<T>(
        &self,
        request: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, TransportError> {
        Ok(self.runtime.block_on(request)?)
    }

    fn list(&self, subject: Digest, artifact_type: &str) -> Result<Referrers, TransportError> {
        self.call(self.repository.list_referrers(subject, artifact_type))
    }

    /// Returns the error for a manifest that does not exist. The tag or digest that the reference
    /// of the image names is not repeated.
    fn not_found(&self, name: ManifestName<'_>) -> TransportError {
        let RegistryReference { tag, digest, .. } = self.repository.reference();
        TransportError::NotFound {
            what: match name {
                // The reference may leave out the default tag.
                ManifestName::Tag(name) if tag.as_deref() == Some(name) && name != DEFAULT_TAG => {
                    "tag".to_owned()
                }
                ManifestName::Tag(name) => format!("tag `{name}`"),
                ManifestName::Digest(name) if *digest == Some(name) => "digest".to_owned(),
                ManifestName::Digest(name) => format!("manifest `{name}`"),
            },
        }
    }
}

impl ReadImage for RegistryBackend {
    fn resolve(&self, image: &Selector) -> Result<(Descriptor, Vec<u8>), TransportError> {
        let name = match image {
            Selector::Any => ManifestName::Tag(DEFAULT_TAG),
            Selector::Name(tag) => ManifestName::Tag(tag),
            Selector::Digest(digest) => ManifestName::Digest(*digest),
        };
        let manifest = self
            .call(self.repository.fetch_manifest(name))?
            .ok_or_else(|| self.not_found(name))?;
        Ok((manifest.descriptor, manifest.bytes.into()))
    }

    fn read_blob(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        let found = self.call(self.repository.blob_bytes(descriptor, limit))?;
        Ok(found.map(Vec::from))
    }

    fn read_manifest(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, TransportError> {
        let found = self.call(self.repository.fetch_described_manifest(descriptor))?;
        Ok(found.map(|manifest| manifest.bytes.into()))
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader, TransportError> {
        let stream = self.call(self.repository.blob(descriptor, 0))?;
        Ok(BlobReader::from_network(Download {
            runtime: Arc::clone(&self.runtime),
            stream,
        }))
    }

    fn read_range(
        &self,
        descriptor: &Descriptor,
        range: Range<u64>,
    ) -> Result<Vec<u8>, TransportError> {
        let found = self.call(self.repository.blob_range(descriptor, range))?;
        Ok(found.into())
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        self.call(self.repository.blob_exists(descriptor.digest))
    }

    fn find_blob(&self, descriptor: &Descriptor) -> Result<BlobPresence, TransportError> {
        self.call(self.repository.find_blob_presence(descriptor.digest))
    }

    fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, TransportError> {
        Ok(self.list(subject, artifact_type)?.descriptors)
    }

    fn open_upload_stream(&self, descriptor: &Descriptor) -> BlobStream {
        BlobStream::of_blob(self.repository.clone(), descriptor.clone())
    }

    fn mount_origin(&self) -> Option<&RegistryReference> {
        Some(self.repository.reference())
    }
}

impl WriteImage for RegistryBackend {
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        ReadImage::has_blob(self, descriptor)
    }

    fn has_manifest(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        let name = ManifestName::Digest(descriptor.digest);
        let found = self.call(self.repository.resolve_digest(name))?;
        Ok(found.is_some())
    }

    fn put_blob(
        &self,
        descriptor: &Descriptor,
        bytes: Vec<u8>,
        counter: &ByteCounter,
    ) -> Result<(), TransportError> {
        let pushed = self
            .repository
            .push_blob(descriptor, bytes.into(), Arc::clone(counter));
        self.call(pushed)
    }

    fn copy_blob(
        &self,
        descriptor: &Descriptor,
        source: &Arc<dyn ReadImage>,
        counter: &ByteCounter,
    ) -> Result<u64, TransportError> {
        // The upload may have to be repeated, so it gets a way to open the blob again.
        let content: Content = {
            let (source, descriptor) = (Arc::clone(source), descriptor.clone());
            let counter = Arc::clone(counter);
            Arc::new(move || {
                let stream = source.open_upload_stream(&descriptor);
                stream.count_bytes(Arc::clone(&counter))
            })
        };
        let registry = &self.repository.reference().registry;
        let origin = source
            .mount_origin()
            .filter(|origin| origin.registry == *registry);
        let Some(origin) = origin else {
            self.call(self.repository.push_blob_stream(descriptor, &content))?;
            return Ok(descriptor.size);
        };
        let copied = self
            .repository
            .mount_or_push_blob(descriptor, &origin.repository, &content);
        Ok(match self.call(copied)? {
            PushedBlob::Mounted => 0,
            PushedBlob::Uploaded => descriptor.size,
        })
    }

    fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<PutOutcome, TransportError> {
        let name = ManifestName::Digest(descriptor.digest);
        let bytes = Bytes::copy_from_slice(bytes);
        let pushed = self
            .repository
            .push_manifest(name, &descriptor.media_type, bytes);
        Ok(if self.call(pushed)?.subject_processed {
            PutOutcome::StoredAsReferrer
        } else {
            PutOutcome::Stored
        })
    }

    fn wait_for_blobs(&self, manifest: Digest, attempt: u32) {
        self.runtime
            .block_on(self.repository.wait_for_blobs(manifest, attempt));
    }

    fn resolve_tag(&self, tag: &str) -> Result<Option<Digest>, TransportError> {
        self.call(self.repository.resolve_digest(ManifestName::Tag(tag)))
    }

    fn put_tag(
        &self,
        tag: &str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), TransportError> {
        let name = ManifestName::Tag(tag);
        let bytes = Bytes::copy_from_slice(bytes);
        let pushed = self
            .repository
            .push_manifest(name, &descriptor.media_type, bytes);
        self.call(pushed).map(drop)
    }

    fn check_stored(
        &self,
        name: StoredName<'_>,
        bytes: &[u8],
        previous: Option<Digest>,
    ) -> Result<(), TransportError> {
        let bytes = &Bytes::copy_from_slice(bytes);
        self.call(self.repository.check_stored(SentManifest {
            name: match name {
                StoredName::Tag(tag) => ManifestName::Tag(tag),
                StoredName::Digest(digest) => ManifestName::Digest(digest),
            },
            bytes,
            previous,
        }))
    }

    fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Referrers, TransportError> {
        self.list(subject, artifact_type)
    }

    fn add_referrer(
        &self,
        subject: Digest,
        referrer: &Descriptor,
        known: Option<Referrers>,
    ) -> Result<ReferrersVia, TransportError> {
        let list = || {
            let artifact_type = referrer.artifact_type.as_deref().unwrap_or_default();
            self.list(subject, artifact_type)
        };
        let listed = match known {
            // The API may have been asked before the push.
            Some(known) if known.via != ReferrersVia::Api || known.contains(referrer.digest) => {
                known
            }
            _ => list()?,
        };
        if listed.contains(referrer.digest) {
            return Ok(listed.via);
        }
        let added = self
            .repository
            .add_to_referrers_tag(subject, referrer.clone(), listed.tag);
        self.call(added)?;
        Ok(ReferrersVia::Tag)
    }
}

impl ReadChunks for Download {
    fn next_chunk(&mut self, budget: &MemoryBudget) -> Result<Option<Bytes>, TransportError> {
        let chunk = self.runtime.block_on(self.stream.next())?;
        Ok(chunk.map(|chunk| budget.account(chunk)))
    }
}
