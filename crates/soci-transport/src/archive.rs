//! The backend that writes OCI image layouts in tars.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use soci_document::ReferrersVia;
use soci_layout::ArchiveWriter;
use soci_oci::{Descriptor, Digest};
use soci_registry::Referrers;

use crate::backend::{ByteCounter, ReadImage, WriteImage};
use crate::error::TransportError;
use crate::index_json;

/// An archive that is being written. It replaces the one at its path when it is finished.
pub(crate) struct ArchiveWriterBackend {
    path: PathBuf,
    writer: Mutex<ArchiveWriter>,
}

impl ArchiveWriterBackend {
    pub(crate) fn create(path: &Path) -> Result<Self, TransportError> {
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(ArchiveWriter::create(path)?),
        })
    }

    /// Locks the writer. If a thread panicked while it held the lock, the run fails and the archive
    /// is never published.
    fn lock(&self) -> MutexGuard<'_, ArchiveWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriteImage for ArchiveWriterBackend {
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        Ok(self.lock().has_blob(descriptor))
    }

    fn put_blob(
        &self,
        descriptor: &Descriptor,
        bytes: Vec<u8>,
        _counter: &ByteCounter,
    ) -> Result<(), TransportError> {
        let mut writer = self.lock();
        let mut blob = writer.blob_writer(descriptor)?;
        blob.write(&bytes)?;
        Ok(blob.commit()?)
    }

    fn copy_blob(
        &self,
        descriptor: &Descriptor,
        source: &Arc<dyn ReadImage>,
        counter: &ByteCounter,
    ) -> Result<u64, TransportError> {
        let mut reader = source.open_blob(descriptor)?;
        let mut writer = self.lock();
        let mut blob = writer.blob_writer(descriptor)?;
        while let Some(chunk) = reader.next_chunk()? {
            blob.write(&chunk)?;
            counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        blob.commit()?;
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
        self.lock().add_manifest(&descriptor.reduced(), Some(tag))?;
        Ok(())
    }

    /// Returns no descriptors: the blobs of an archive that is being written cannot be read back,
    /// and with them no subjects.
    fn list_referrers(
        &self,
        _subject: Digest,
        _artifact_type: &str,
    ) -> Result<Referrers, TransportError> {
        Ok(Referrers::by_api(Vec::new()))
    }

    fn add_referrer(
        &self,
        _subject: Digest,
        referrer: &Descriptor,
        _known: Option<Referrers>,
    ) -> Result<ReferrersVia, TransportError> {
        self.lock().add_manifest(referrer, None)?;
        Ok(ReferrersVia::Api)
    }

    fn finish(self: Box<Self>) -> Result<(), TransportError> {
        let writer = self.writer.into_inner();
        Ok(writer.unwrap_or_else(PoisonError::into_inner).commit()?)
    }
}
