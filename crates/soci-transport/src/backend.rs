//! What a backend must provide, so that images can be read from it and written to it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use soci_document::ReferrersVia;
use soci_oci::manifest::MANIFEST_LIMIT;
use soci_oci::reference::{RegistryReference, Selector};
use soci_oci::{Descriptor, Digest};
use soci_registry::{BlobPresence, BlobStream, Referrers};

use crate::blob_reader::{self, BlobReader};
use crate::error::TransportError;

/// The number of bytes of a blob that were written so far, for a progress display. It returns to 0
/// if an upload starts over.
pub type ByteCounter = Arc<AtomicU64>;

/// Reads from one repository, layout or archive.
///
/// The logic above a [`Source`](crate::Source) can be tested without disk and network: implement
/// this trait for a map of blobs and pass it to
/// [`Source::with_backend`](crate::Source::with_backend), as
/// [`MemoryImage`](crate::MemoryImage) does.
pub trait ReadImage: Send + Sync {
    /// Returns the descriptor and the bytes of the manifest or index that `image` names.
    ///
    /// # Errors
    ///
    /// Returns an error if the image does not exist or cannot be read.
    fn resolve(&self, image: &Selector) -> Result<(Descriptor, Vec<u8>), TransportError>;

    /// Returns the verified bytes of a blob of at most `limit` bytes, or `None` if the blob does
    /// not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob cannot be read, is longer than `limit`, or differs from its
    /// descriptor.
    fn read_blob(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, TransportError>;

    /// Returns the verified bytes of a manifest or index, or `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the manifest cannot be read, is longer than [`MANIFEST_LIMIT`], or
    /// differs from its descriptor.
    fn read_manifest(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, TransportError> {
        self.read_blob(descriptor, MANIFEST_LIMIT)
    }

    /// Opens a blob for reading in chunks.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist or cannot be opened.
    fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader, TransportError>;

    /// Returns the bytes of a blob from offset `range.start` to before `range.end`, without
    /// checking its digest. The range must lie within the blob.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, cannot be read, or ends before the range does.
    fn read_range(
        &self,
        descriptor: &Descriptor,
        range: Range<u64>,
    ) -> Result<Vec<u8>, TransportError> {
        self.open_blob(descriptor)?.read_range(range)
    }

    /// Returns whether the blob exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry's response tells neither.
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError>;

    /// Looks for a blob without reading it.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry does not tell whether it has the blob, or if a blob of a
    /// layout is not what its descriptor says.
    fn find_blob(&self, descriptor: &Descriptor) -> Result<BlobPresence, TransportError> {
        Ok(if self.has_blob(descriptor)? {
            BlobPresence::Present
        } else {
            BlobPresence::Absent
        })
    }

    /// Returns the manifests of type `artifact_type` whose subject is `subject`.
    ///
    /// # Errors
    ///
    /// Returns an error if the list cannot be read.
    fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, TransportError>;

    /// Opens a blob as a stream for an upload. An error shows when the stream is read.
    ///
    /// The stream is polled by the runtime's thread. A backend whose [`BlobReader`] waits for that
    /// runtime must override this method.
    fn open_upload_stream(&self, descriptor: &Descriptor) -> BlobStream {
        blob_reader::to_upload_stream(self.open_blob(descriptor))
    }

    /// Returns the repository that a registry can mount blobs from (OCI distribution-spec,
    /// "Mounting a blob from another repository"), or `None` if this is not a registry.
    fn mount_origin(&self) -> Option<&RegistryReference> {
        None
    }
}

/// Writes to one repository, layout or archive.
pub trait WriteImage: Send + Sync {
    /// Returns whether the blob exists. A layout reads it to the end, so that a damaged blob counts
    /// as absent.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry's response tells neither.
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError>;

    /// Returns whether the manifest exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry's response tells neither.
    fn has_manifest(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        self.has_blob(descriptor)
    }

    /// Writes a blob from memory. `counter` counts the bytes as they are written.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob cannot be written, or if `bytes` differ from the descriptor.
    fn put_blob(
        &self,
        descriptor: &Descriptor,
        bytes: Vec<u8>,
        counter: &ByteCounter,
    ) -> Result<(), TransportError>;

    /// Copies a blob from `source` and returns how many bytes were sent. `counter` counts the bytes
    /// as they are sent.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob cannot be read, differs from its descriptor, or cannot be
    /// written.
    fn copy_blob(
        &self,
        descriptor: &Descriptor,
        source: &Arc<dyn ReadImage>,
        counter: &ByteCounter,
    ) -> Result<u64, TransportError>;

    /// Writes a manifest under its digest.
    ///
    /// # Errors
    ///
    /// Returns an error if the manifest cannot be written.
    fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<PutOutcome, TransportError> {
        self.put_blob(descriptor, bytes.to_vec(), &ByteCounter::default())
            .map(|()| PutOutcome::Stored)
    }

    /// Waits before `manifest` is sent again, because the registry did not know one of its blobs in
    /// attempt `attempt` (counted from 1).
    fn wait_for_blobs(&self, _manifest: Digest, _attempt: u32) {}

    /// Returns the digest that `tag` names now, or `None` if the tag does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the tag cannot be looked up.
    fn resolve_tag(&self, tag: &str) -> Result<Option<Digest>, TransportError>;

    /// Points `tag` to the manifest or index `descriptor`, whose bytes are `bytes`.
    ///
    /// # Errors
    ///
    /// Returns an error if the tag cannot be written.
    fn put_tag(
        &self,
        tag: &str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), TransportError>;

    /// Checks that `name` stands for the manifest or index with these bytes, after it was written.
    /// `previous` is the digest that it named before, if it is known. A layout or archive needs no
    /// check, because its writes fail if they do not succeed.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry does not have what it answered that it has stored.
    fn check_stored(
        &self,
        _name: StoredName<'_>,
        _bytes: &[u8],
        _previous: Option<Digest>,
    ) -> Result<(), TransportError> {
        Ok(())
    }

    /// Returns the manifests of type `artifact_type` whose subject is `subject`, and how they are
    /// listed.
    ///
    /// # Errors
    ///
    /// Returns an error if the list cannot be read.
    fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Referrers, TransportError>;

    /// Lists `referrer`, a manifest that was stored before, among the referrers of `subject`.
    /// `known` is the list as [`WriteImage::list_referrers`] returned it; without it, the backend
    /// reads the list itself if it needs it.
    ///
    /// # Errors
    ///
    /// Returns an error if the list cannot be read or written.
    fn add_referrer(
        &self,
        subject: Digest,
        referrer: &Descriptor,
        known: Option<Referrers>,
    ) -> Result<ReferrersVia, TransportError>;

    /// Publishes what was written, in a backend that does not publish each write at once.
    ///
    /// # Errors
    ///
    /// Returns an error if the result cannot be written.
    fn finish(self: Box<Self>) -> Result<(), TransportError> {
        Ok(())
    }
}

/// The name that a manifest was stored under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StoredName<'a> {
    /// A tag.
    Tag(&'a str),
    /// Its digest.
    Digest(Digest),
}

/// What became of a manifest that was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PutOutcome {
    /// It was stored. The caller must list it as a referrer, if it has a subject.
    Stored,
    /// It was stored, and the registry lists it as a referrer of its subject (header
    /// `OCI-Subject`).
    StoredAsReferrer,
}
