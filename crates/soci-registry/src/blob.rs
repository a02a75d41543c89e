//! Blobs: streams that mend themselves, and small ones read whole.

pub(crate) mod content_range;
mod download;
mod parallel;
mod stall;
pub(crate) mod stream;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use reqwest::Method;
use soci_oci::{Descriptor, Digest};

use crate::client::Repository;
use crate::error::{Damage, RegistryError};
use crate::http::request::Request;
use crate::http::response::Answer;
use download::Download;
use stream::BlobStream;

impl BlobStream {
    /// Makes a stream of a blob that is opened when the first piece is asked for.
    pub fn of_blob(repository: Repository, descriptor: Descriptor) -> Self {
        let opened = async move { repository.blob(&descriptor, 0).await };
        let pieces = futures_util::stream::once(opened)
            .map_ok(|blob| blob.0)
            .try_flatten();
        Self(Box::pin(pieces))
    }
}

impl Repository {
    /// Opens a blob at `offset` bytes from its start. A stream that breaks goes on where it broke.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] where the registry does not hold it, else as the registry fails.
    pub async fn blob(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        let operation = self.operation("fetch blob", descriptor.digest);
        if offset > descriptor.size {
            return Err(operation.bad_data(Damage::Size {
                expected: descriptor.size,
                found: offset,
            }));
        }
        let mut download = Download::new(self.clone(), operation, descriptor, offset);
        if offset == descriptor.size {
            return Ok(BlobStream::empty());
        }
        let connections = self.connections();
        if connections.get() > 1 {
            download.end_before(parallel::RANGE);
        }
        download.open_first().await?;
        Ok(BlobStream(if download.is_last() {
            Box::pin(download.into_stream())
        } else {
            Box::pin(parallel::stream(download, connections))
        }))
    }

    /// Fetches a blob of at most `limit` bytes and verifies it. `None` where the registry does not hold it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadData`] where it is too large or is not what its digest says, else as the registry fails.
    pub async fn blob_bytes(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<Bytes>, RegistryError> {
        let operation = self.operation("fetch blob", descriptor.digest);
        if descriptor.size > limit {
            return Err(operation.bad_data(Damage::TooLarge { limit }));
        }
        let mut refetched = false;
        loop {
            let mut content = match self.blob(descriptor, 0).await {
                Err(RegistryError::NotFound { .. }) => return Ok(None),
                content => content?,
            };
            let mut bytes = Vec::new();
            while let Some(piece) = content.next().await? {
                bytes.extend_from_slice(&piece);
            }
            let found = Digest::of(&bytes);
            if found == descriptor.digest {
                return Ok(Some(bytes.into()));
            }
            if refetched {
                let expected = descriptor.digest;
                return Err(operation.bad_data(Damage::Digest { expected, found }));
            }
            refetched = true;
        }
    }

    /// Says whether the registry holds a blob. "No" also where it will not say, as ECR Public with its 401.
    ///
    /// # Errors
    ///
    /// As the registry fails.
    pub async fn blob_exists(&self, digest: Digest) -> Result<bool, RegistryError> {
        let operation = self.operation("look up blob", digest);
        let url = self.url(&format!("blobs/{digest}"));
        let request = Request::new(Method::HEAD, url.clone());
        let refusal = match self.send(&operation, &request).await? {
            // It lies in a store elsewhere, to which only a `GET` may go.
            Answer::Done(_) | Answer::Elsewhere => return Ok(true),
            Answer::Refused(refused) if matches!(refused.refusal.status, 401 | 404 | 405) => {
                return Ok(false);
            }
            Answer::Refused(refused) => refused.refusal,
        };
        // A reply to a `HEAD` has no words: only a `GET`, whose content nobody reads, says why it is denied.
        let refusal = if refusal.status == 403 {
            let wordy = Request::new(Method::GET, url);
            match self.send(&operation, &wordy).await? {
                Answer::Done(_) | Answer::Elsewhere => return Ok(true),
                Answer::Refused(refused) => refused.refusal,
            }
        } else {
            refusal
        };
        Err(self.refuse(&operation, &request, refusal))
    }
}
