//! The backends for OCI image layouts in tars: one that reads an archive, one that rewrites it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use soci_document::ReferrersVia;
use soci_layout::{Archive, ArchiveWriter};
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest};

use crate::backend::{ReadImage, Referrers, WriteImage};
use crate::blob_reader::BlobReader;
use crate::error::TransportError;
use crate::index_json;

/// An archive that is read in place.
pub(crate) struct ArchiveBackend {
    path: PathBuf,
    archive: Archive,
}

/// An archive that is being written. It replaces the one at its path when it is finished.
pub(crate) struct ArchiveWriterBackend {
    path: PathBuf,
    writer: Mutex<ArchiveWriter>,
}

impl ArchiveBackend {
    pub(crate) fn open(path: &Path) -> Result<Self, TransportError> {
        Ok(Self {
            path: path.to_owned(),
            archive: Archive::open(path)?,
        })
    }
}

impl ReadImage for ArchiveBackend {
    fn resolve(&self, image: &Selector) -> Result<(Descriptor, Vec<u8>), TransportError> {
        let selected = soci_layout::select(self.archive.index(), image, &self.path)?;
        index_json::read_selected(selected, |entry| self.read_manifest(entry))
    }

    fn read_blob(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        index_json::absent_as_none(self.archive.read_blob(descriptor, limit))
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader, TransportError> {
        Ok(BlobReader::from_file(self.archive.blob(descriptor)?))
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        Ok(self.archive.has(descriptor))
    }

    fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, TransportError> {
        let read = |entry: &Descriptor| self.read_manifest(entry).ok().flatten();
        Ok(index_json::list_referrers(
            self.archive.index(),
            subject,
            artifact_type,
            read,
        ))
    }
}

impl ArchiveWriterBackend {
    pub(crate) fn create(path: &Path) -> Result<Self, TransportError> {
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(ArchiveWriter::create(path)?),
        })
    }

    /// Locks the writer. If a thread panicked while it held the lock, the run fails and the archive is never published.
    fn lock(&self) -> MutexGuard<'_, ArchiveWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a blob that `next_chunk` returns in chunks, until it returns an empty one.
    fn append(
        &self,
        descriptor: &Descriptor,
        mut next_chunk: impl FnMut() -> Result<Bytes, TransportError>,
    ) -> Result<(), TransportError> {
        let mut chunk = Bytes::new();
        self.lock().append(descriptor, |buffer| {
            if chunk.is_empty() {
                chunk = next_chunk()?;
            }
            let now = chunk.split_to(chunk.len().min(buffer.len()));
            buffer[..now.len()].copy_from_slice(&now);
            Ok(now.len())
        })
    }
}

impl WriteImage for ArchiveWriterBackend {
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        Ok(self.lock().has(descriptor))
    }

    fn put_blob(&self, descriptor: &Descriptor, bytes: Vec<u8>) -> Result<(), TransportError> {
        let mut bytes = Bytes::from(bytes);
        self.append(descriptor, || Ok(std::mem::take(&mut bytes)))
    }

    fn copy_blob(
        &self,
        descriptor: &Descriptor,
        source: &Arc<dyn ReadImage>,
    ) -> Result<u64, TransportError> {
        let mut reader = source.open_blob(descriptor)?;
        self.append(descriptor, || Ok(reader.next_chunk()?.unwrap_or_default()))?;
        Ok(descriptor.size)
    }

    fn resolve_tag(&self, tag: &str) -> Result<Option<Digest>, TransportError> {
        index_json::resolve_tag(self.lock().index(), tag, &self.path)
    }

    fn put_tag(
        &self,
        tag: &str,
        descriptor: &Descriptor,
        _bytes: &[u8],
    ) -> Result<(), TransportError> {
        self.lock().enter(&descriptor.reduced(), Some(tag))?;
        Ok(())
    }

    /// Returns no descriptors: the blobs of an archive that is being written cannot be read back, and with them no subjects.
    fn list_referrers(
        &self,
        _subject: Digest,
        _artifact_type: &str,
    ) -> Result<Referrers, TransportError> {
        Ok(Referrers {
            descriptors: Vec::new(),
            via: ReferrersVia::Api,
        })
    }

    fn add_referrer(
        &self,
        _subject: Digest,
        referrer: &Descriptor,
        _known: Option<Referrers>,
    ) -> Result<ReferrersVia, TransportError> {
        self.lock().enter(referrer, None)?;
        Ok(ReferrersVia::Api)
    }

    fn finish(self: Box<Self>) -> Result<(), TransportError> {
        let writer = self.writer.into_inner();
        Ok(writer.unwrap_or_else(PoisonError::into_inner).commit()?)
    }
}
