//! The backend that reads OCI image layouts in directories and in tars, and archives of Docker.

use std::ops::Range;

use soci_layout::{LayoutError, ReadLayout};
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest};
use soci_registry::BlobPresence;

use crate::backend::ReadImage;
use crate::blob_reader::BlobReader;
use crate::error::TransportError;
use crate::index_json;

/// A layout that is read.
pub(crate) struct LayoutImage<L>(pub(crate) L);

impl<L: ReadLayout> ReadImage for LayoutImage<L> {
    fn resolve(&self, image: &Selector) -> Result<(Descriptor, Vec<u8>), TransportError> {
        let selected = self.0.select(image)?;
        index_json::read_selected(selected, |entry| self.read_manifest(entry))
    }

    fn read_blob(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        match self.0.read_blob(descriptor, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(LayoutError::NoSuchBlob { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader, TransportError> {
        Ok(BlobReader::from_file(self.0.open_blob(descriptor)?))
    }

    fn read_range(
        &self,
        descriptor: &Descriptor,
        range: Range<u64>,
    ) -> Result<Vec<u8>, TransportError> {
        let mut blob = self.0.open_blob(descriptor)?;
        blob.skip(range.start)?;
        let length = range.end.saturating_sub(range.start);
        BlobReader::from_file(blob).read_range(0..length)
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        Ok(self.0.has_blob(descriptor))
    }

    fn find_blob(&self, descriptor: &Descriptor) -> Result<BlobPresence, TransportError> {
        match self.0.open_blob(descriptor) {
            Ok(_) => Ok(BlobPresence::OfSize(descriptor.size)),
            Err(LayoutError::NoSuchBlob { .. }) => Ok(BlobPresence::Absent),
            Err(error) => Err(error.into()),
        }
    }

    fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, TransportError> {
        Ok(index_json::list_referrers(&self.0, subject, artifact_type)?)
    }
}
