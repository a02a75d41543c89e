//! Downloads blobs: as streams that resume after an interruption, or whole.

mod adaptive;
pub(crate) mod content_range;
mod download;
pub(crate) mod flow;
mod pace;
mod parallel;
pub(crate) mod presence;
mod range;
mod segment;
mod stall;
pub(crate) mod stream;

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use reqwest::Method;
use reqwest::header::RANGE;
use soci_oci::{Descriptor, Digest};

use crate::error::{Damage, Operation, RegistryError};
use crate::http::body_clock::longest_time;
use crate::http::request::Request;
use crate::http::response::Outcome;
use crate::lookup;
use crate::options::Connections;
use crate::repository::Repository;
use download::Download;
use stream::BlobStream;

impl BlobStream {
    /// Returns the stream of a blob that is opened when its first chunk is requested.
    pub fn of_blob(repository: Repository, descriptor: Descriptor) -> Self {
        let opened = async move { repository.blob(&descriptor, 0).await };
        let chunks = futures_util::stream::once(opened)
            .map_ok(|blob| blob.0)
            .try_flatten();
        Self(Box::pin(chunks))
    }
}

impl Repository {
    /// Opens a blob at `offset` bytes from its start. If the stream is interrupted, it resumes
    /// where it stopped.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::NotFound`] if the repository does not have the blob, and
    /// [`RegistryError::BadData`] if `offset` is after its end. Returns another error if the
    /// request fails.
    pub async fn blob(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, RegistryError> {
        self.open_blob(descriptor, offset, None).await
    }

    /// Opens a blob. With `time`, its bytes may be awaited for so long in all.
    async fn open_blob(
        &self,
        descriptor: &Descriptor,
        offset: u64,
        time: Option<Duration>,
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
        download.limit_time(time);
        if let Connections::Fixed(connections) = self.connections()
            && connections.get() > 1
        {
            download.limit_length(parallel::RANGE_SIZE);
        }
        download.open_first().await?;
        Ok(BlobStream(match self.connections() {
            Connections::Fixed(connections) if !download.is_last() => {
                Box::pin(parallel::stream_ranges(download, connections))
            }
            Connections::Adaptive if adaptive::is_worthwhile(&download) => {
                Box::pin(adaptive::stream(download))
            }
            Connections::Fixed(_) | Connections::Adaptive => Box::pin(download.into_stream()),
        }))
    }

    /// Fetches a blob of at most `limit` bytes and verifies its digest. A blob with another digest
    /// is fetched once more. Returns `None` if the repository does not have the blob.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::BadData`] if the blob is larger than `limit` or does not match its
    /// digest, and [`RegistryError::Unavailable`] if its bytes take longer than 10 idle timeouts
    /// for each 4 MiB. Returns another error if the request fails.
    pub async fn blob_bytes(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<Bytes>, RegistryError> {
        let operation = self.operation("fetch blob", descriptor.digest);
        if descriptor.size > limit {
            return Err(operation.bad_data(Damage::TooLarge { limit }));
        }
        let time = longest_time(self.transport().timeouts.idle, descriptor.size);
        let mut is_second_try = false;
        loop {
            let mut content = match self.open_blob(descriptor, 0, Some(time)).await {
                Err(RegistryError::NotFound { .. }) => return Ok(None),
                content => content?,
            };
            let mut bytes = Vec::new();
            while let Some(chunk) = content.next().await? {
                bytes.extend_from_slice(&chunk);
            }
            let found = descriptor.digest.same_algorithm(&bytes);
            if found == descriptor.digest {
                return Ok(Some(bytes.into()));
            }
            if is_second_try {
                let expected = Box::new(descriptor.digest);
                let found = Box::new(found);
                return Err(operation.bad_data(Damage::Digest { expected, found }));
            }
            is_second_try = true;
        }
    }

    /// Returns whether the repository has a blob. Returns `false` also if the registry does not
    /// tell, since the blob can then be uploaded: ECR Public answers such a request with status
    /// 401.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry cannot be reached, or if no credentials are accepted.
    pub async fn blob_exists(&self, digest: Digest) -> Result<bool, RegistryError> {
        let operation = self.operation("look up blob", digest);
        let found = self.find_blob(&operation, digest).await.map(Some);
        Ok(lookup::open_as_none(&operation, found)?.unwrap_or(false))
    }

    async fn find_blob(
        &self,
        operation: &Operation,
        digest: Digest,
    ) -> Result<bool, RegistryError> {
        let url = self.url(&format!("blobs/{digest}"));
        let head = Request::new(Method::HEAD, url.clone());
        match self.send(operation, &head).await? {
            // A redirect leads to the storage of the blob, where only a `GET` is valid.
            Outcome::Success(_) | Outcome::CrossOriginRedirect => return Ok(true),
            Outcome::Rejected(rejection) if matches!(rejection.refusal.status, 401 | 404) => {
                return Ok(false);
            }
            Outcome::Rejected(_) => {}
        }
        // Some registries allow a `GET` only: S3 answers a `HEAD` with status 403 if the blob is
        // missing and the caller may not list the bucket.
        let get = Request::new(Method::GET, url).header(RANGE, "bytes=0-0");
        Ok(match self.send(operation, &get).await? {
            Outcome::Success(_) | Outcome::CrossOriginRedirect => true,
            // An empty blob has no first byte.
            Outcome::Rejected(rejection) => rejection.refusal.status == 416,
        })
    }
}
