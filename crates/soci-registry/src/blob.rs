//! Blobs: streams that mend themselves, and small ones read whole.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use soci_oci::{Descriptor, Digest};

use crate::client::Repository;
use crate::error::{Damage, Fault, Operation, RegistryError, Violation};
use crate::guard;
use crate::http::{self, Request, pause};
use crate::range::ContentRange;
use crate::reply::Answer;
use crate::retry::{Backoff, Cause};

/// The bytes of a blob, in pieces as the network delivers them.
///
/// Not verified against a digest: whoever reads digests in the same pass. The length is.
pub struct BlobStream(Pin<Box<dyn Stream<Item = Result<Bytes, RegistryError>> + Send>>);

impl BlobStream {
    /// Returns the next piece, or nothing at the end.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadData`] where the blob has another length than its descriptor says;
    /// [`RegistryError::Unavailable`] where it broke off and could not be resumed.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        self.0.next().await.transpose()
    }

    /// Makes a stream of content from elsewhere, such as a file.
    pub fn from_stream(content: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self(Box::pin(
            content.map(|piece| piece.map_err(RegistryError::Content)),
        ))
    }

    pub(crate) fn empty() -> Self {
        Self(Box::pin(stream::empty()))
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobStream")
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
        let mut download = Download {
            repository: self.clone(),
            operation,
            digest: descriptor.digest,
            size: descriptor.size,
            position: offset,
            skip: 0,
            mark: offset,
            fruitless: 0,
            response: None,
        };
        if download.position < download.size {
            download.open().await?;
        }
        Ok(BlobStream(Box::pin(stream::try_unfold(
            download,
            |mut download| async {
                let piece = download.next().await?;
                Ok(piece.map(|piece| (piece, download)))
            },
        ))))
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
        let request = Request::new(Method::HEAD, self.url(&format!("blobs/{digest}"))?);
        match self.send(&operation, &request).await? {
            // It lies in a store elsewhere, to which only a `GET` may go.
            Answer::Done(_) | Answer::Elsewhere => Ok(true),
            Answer::Refused(refused) if matches!(refused.refusal.status, 401 | 404 | 405) => {
                Ok(false)
            }
            Answer::Refused(refused) => Err(self.refuse(&operation, &request, refused.refusal)),
        }
    }
}

/// A blob on its way. `position <= size`.
struct Download {
    repository: Repository,
    operation: Operation,
    digest: Digest,
    /// Bytes of the whole blob.
    size: u64,
    /// Bytes from the start of the blob to the next one that is delivered.
    position: u64,
    /// Bytes of the current reply that were delivered before: it started over.
    skip: u64,
    /// The position when the stream last broke.
    mark: u64,
    /// How often it broke in a row with too little gained.
    fruitless: u32,
    response: Option<Response>,
}

/// What must be gained between two breaks, in bytes, for the next one to be forgiven.
const PROGRESS: u64 = 1 << 20;

/// The longest wait before a stream is resumed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        while self.position < self.size {
            let Some(response) = &mut self.response else {
                self.open().await?;
                continue;
            };
            let idle = self.repository.transport().timeouts.idle;
            let reason = match tokio::time::timeout(idle, response.chunk()).await {
                Ok(Ok(Some(piece))) => match self.deliver(piece)? {
                    Some(piece) => return Ok(Some(piece)),
                    None => continue,
                },
                Ok(Ok(None)) => "it ended".to_owned(),
                Ok(Err(error)) => http::causes(&error),
                Err(_elapsed) => format!("nothing for {} s", idle.as_secs_f64()),
            };
            let host = guard::host(response.url());
            self.response = None;
            self.rest(host, reason).await?;
        }
        Ok(None)
    }

    /// Takes a piece of the reply, and returns what of it is new.
    fn deliver(&mut self, mut piece: Bytes) -> Result<Option<Bytes>, RegistryError> {
        let old = self.skip.min(piece.len() as u64);
        self.skip -= old;
        drop(piece.split_to(usize::try_from(old).unwrap_or(piece.len())));
        if piece.is_empty() {
            return Ok(None);
        }
        self.position += piece.len() as u64;
        if self.position > self.size {
            return Err(self.operation.bad_data(Damage::Size {
                expected: self.size,
                found: self.position,
            }));
        }
        Ok(Some(piece))
    }

    /// Waits after a break, unless there were too many.
    async fn rest(&mut self, host: String, reason: String) -> Result<(), RegistryError> {
        if self.position - self.mark >= PROGRESS {
            self.fruitless = 0;
        }
        self.fruitless += 1;
        self.mark = self.position;
        let fault = Fault::Cut {
            host,
            received: self.position,
            expected: self.size,
            reason,
        };
        let policy = &self.repository.transport().retries;
        let mut backoff = Backoff::new(policy);
        let tries = crate::error::Tries {
            count: self.fruitless,
            ..backoff.tries()
        };
        if self.fruitless >= policy.fruitless_cuts {
            return Err(self.operation.unavailable(fault, tries));
        }
        let wait = backoff.wait(Cause::Transient).unwrap_or_default();
        let wait = wait.min(LONGEST_PAUSE);
        pause(&self.operation, &fault.to_string(), tries, wait).await;
        Ok(())
    }

    /// Asks for the blob from the current position on.
    async fn open(&mut self) -> Result<(), RegistryError> {
        let url = self.repository.url(&format!("blobs/{}", self.digest))?;
        let whole = Request::new(Method::GET, url.clone());
        let request = if self.position == 0 {
            Request::new(Method::GET, url)
        } else {
            Request::new(Method::GET, url).header(RANGE, format!("bytes={}-", self.position))
        };
        let mut answer = self.repository.send(&self.operation, &request).await?;
        if let Answer::Refused(refused) = &answer
            && refused.refusal.status == 416
            && self.position > 0
        {
            answer = self.repository.send(&self.operation, &whole).await?;
        }
        let response = match answer {
            Answer::Done(response) => response,
            Answer::Elsewhere => return Err(self.operation.protocol(Violation::Redirected)),
            Answer::Refused(refused) => {
                let repository = &self.repository;
                return Err(repository.refuse(&self.operation, &request, refused.refusal));
            }
        };
        self.check(&response)?;
        self.response = Some(response);
        Ok(())
    }

    /// Checks that a reply holds the bytes that were asked for, before any of them is read.
    fn check(&mut self, response: &Response) -> Result<(), RegistryError> {
        let is_partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let from = if is_partial { self.position } else { 0 };
        if is_partial {
            self.check_range(response)?;
        }
        let expected = self.size - from;
        if let Some(found) = response.content_length()
            && found != expected
        {
            return Err(self.operation.bad_data(Damage::Size { expected, found }));
        }
        self.skip = self.position - from;
        Ok(())
    }

    fn check_range(&self, response: &Response) -> Result<(), RegistryError> {
        let mut values = response.headers().get_all(CONTENT_RANGE).iter();
        let text = values.next().and_then(|value| value.to_str().ok());
        let range = text.and_then(ContentRange::parse);
        let expected = ContentRange {
            first: self.position,
            last: self.size.saturating_sub(1),
            total: self.size,
        };
        if range == Some(expected) && values.next().is_none() {
            return Ok(());
        }
        Err(self.operation.protocol(Violation::ContentRange {
            expected: self.position,
            size: self.size,
            found: crate::reply::printable(text.unwrap_or_default()),
        }))
    }
}
