//! The backend that writes OCI image layouts in directories.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use soci_document::ReferrersVia;
use soci_layout::Layout;
use soci_oci::{Descriptor, Digest};
use soci_registry::Referrers;

use crate::backend::{ByteCounter, ReadImage, WriteImage};
use crate::error::TransportError;
use crate::index_json;

/// A layout in a directory that is written.
pub(crate) struct LayoutBackend(Layout);

impl LayoutBackend {
    pub(crate) fn open_or_create(path: &Path) -> Result<Self, TransportError> {
        Ok(Self(Layout::open_or_create(path)?))
    }
}

impl WriteImage for LayoutBackend {
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        // A damaged blob is written again.
        Ok(self.0.has_blob(descriptor) && self.0.verify_blob(descriptor).is_ok())
    }

    fn put_blob(
        &self,
        descriptor: &Descriptor,
        bytes: Vec<u8>,
        _counter: &ByteCounter,
    ) -> Result<(), TransportError> {
        let mut writer = self.0.blob_writer(descriptor)?;
        writer.write(&bytes)?;
        Ok(writer.commit()?)
    }

    fn copy_blob(
        &self,
        descriptor: &Descriptor,
        source: &Arc<dyn ReadImage>,
        counter: &ByteCounter,
    ) -> Result<u64, TransportError> {
        let mut writer = self.0.blob_writer(descriptor)?;
        let mut reader = source.open_blob(descriptor)?;
        while let Some(chunk) = reader.next_chunk()? {
            writer.write(&chunk)?;
            counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        writer.commit()?;
        Ok(descriptor.size)
    }

    fn resolve_tag(&self, tag: &str) -> Result<Option<Digest>, TransportError> {
        index_json::resolve_tag(&self.0.read_index()?, tag, self.0.root())
    }

    fn put_tag(
        &self,
        tag: &str,
        descriptor: &Descriptor,
        _bytes: &[u8],
    ) -> Result<(), TransportError> {
        self.0.add_manifest(&descriptor.reduced(), Some(tag))?;
        Ok(())
    }

    fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Referrers, TransportError> {
        let descriptors = index_json::list_referrers(&self.0, subject, artifact_type)?;
        Ok(Referrers::by_api(descriptors))
    }

    fn add_referrer(
        &self,
        _subject: Digest,
        referrer: &Descriptor,
        _known: Option<Referrers>,
    ) -> Result<ReferrersVia, TransportError> {
        self.0.add_manifest(referrer, None)?;
        Ok(ReferrersVia::Api)
    }
}
