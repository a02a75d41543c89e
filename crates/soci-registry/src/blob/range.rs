//! Fetches a range of a blob into memory.

use std::ops::Range;

use bytes::Bytes;
use soci_oci::Descriptor;

use super::download::Download;
use crate::error::{Damage, RegistryError};
use crate::repository::Repository;

impl Repository {
    /// Fetches the bytes of a blob from offset `range.start` to before `range.end`. The digest of
    /// the blob is not checked. A server that does not support ranges (RFC 9110, section 14.2)
    /// sends the blob from its start, and the bytes before the range are dropped as they arrive.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::NotFound`] if the repository does not have the blob, and
    /// [`RegistryError::BadData`] if the range is not within it. Returns another error if the
    /// request fails.
    pub async fn blob_range(
        &self,
        descriptor: &Descriptor,
        range: Range<u64>,
    ) -> Result<Bytes, RegistryError> {
        let operation = self.operation("fetch a range of blob", descriptor.digest);
        if range.end > descriptor.size || range.start > range.end {
            return Err(operation.bad_data(Damage::Size {
                expected: descriptor.size,
                found: range.end,
            }));
        }
        let mut download = Download::new(self.clone(), operation, descriptor, range.start);
        download.limit_length(range.end - range.start);
        let mut bytes = Vec::new();
        while let Some(chunk) = download.next_chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.into())
    }
}
