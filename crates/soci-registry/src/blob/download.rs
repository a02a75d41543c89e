//! Downloads one range of a blob. If the body is interrupted, the rest of the range is requested. A
//! server that does not support ranges then sends the blob from its start, and the bytes that were
//! received before are skipped.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, StatusCode};
use soci_oci::{Descriptor, Digest};
use tokio::time::Instant;

use super::content_range::ContentRange;
use super::stall::StallDetector;
use crate::error::sanitize::sanitize;
use crate::error::{Damage, Fault, Operation, RegistryError, Tries, Violation};
use crate::http::body_clock::describe_stall;
use crate::http::egress::display_host;
use crate::http::error::describe_causes;
use crate::http::request::Request;
use crate::http::response::{Outcome, Response};
use crate::http::retry::{resume_delay, wait_before_retry};
use crate::repository::Repository;

/// The download of a range of a blob. `position <= end <= size`.
pub(super) struct Download {
    repository: Repository,
    operation: Operation,
    digest: Digest,
    /// Bytes of the whole blob.
    size: u64,
    /// End of the range, in bytes from the start of the blob.
    end: u64,
    /// The next byte to deliver, in bytes from the start of the blob.
    position: u64,
    /// Bytes at the start of the current response that have been delivered before.
    skip: u64,
    /// Bytes that the current response held after the end of the range, and that were received with
    /// bytes of the range.
    excess: Bytes,
    /// The position at the last interruption.
    interrupted_at: u64,
    /// Interruptions in a row with less than [`MIN_PROGRESS`] between them.
    fruitless_interruptions: u32,
    started: Instant,
    /// How long bytes were awaited in all.
    waited: Duration,
    /// How long bytes may be awaited in all.
    longest_wait: Option<Duration>,
    stall: StallDetector,
    response: Option<Response>,
}

/// Bytes that must be received after an interruption for it not to count as fruitless.
const MIN_PROGRESS: u64 = 1 << 20;

impl Download {
    /// Returns the download of a blob from `offset` to its end. `offset <= descriptor.size`.
    pub(super) fn new(
        repository: Repository,
        operation: Operation,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Self {
        let stall = StallDetector::new(repository.transport().timeouts.idle);
        Self {
            repository,
            operation,
            digest: descriptor.digest,
            size: descriptor.size,
            end: descriptor.size,
            position: offset,
            skip: 0,
            excess: Bytes::new(),
            interrupted_at: offset,
            fruitless_interruptions: 0,
            started: Instant::now(),
            waited: Duration::ZERO,
            longest_wait: None,
            stall,
            response: None,
        }
    }

    /// Limits how long bytes may be awaited in all.
    pub(super) const fn limit_time(&mut self, longest: Option<Duration>) {
        self.longest_wait = longest;
    }

    /// Ends the range after `length` bytes, or at the end of the blob.
    pub(super) fn limit_length(&mut self, length: u64) {
        self.end = self.position.saturating_add(length).min(self.size);
    }

    /// Ends the range at `end`, in bytes from the start of the blob, or at the current position if
    /// that is later.
    pub(super) fn set_end(&mut self, end: u64) {
        self.end = end.max(self.position).min(self.size);
    }

    /// Returns the position of the next byte, in bytes from the start of the blob.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Returns the end of the range, in bytes from the start of the blob.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Returns the size of the whole blob, in bytes.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the repository that has the blob.
    pub(super) const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the download of the `length` bytes that follow this range, or `None` at the end of
    /// the blob. It is opened when its first chunk is requested.
    pub(super) fn next_range(&self, length: u64) -> Option<Self> {
        let end = self.end.saturating_add(length);
        (!self.is_last()).then(|| self.range(self.end, end))
    }

    /// Returns the download of the bytes of the same blob from `start` to before `end`, or to the
    /// end of the blob if that is earlier. It is opened when its first chunk is requested.
    pub(super) fn range(&self, start: u64, end: u64) -> Self {
        let descriptor = Descriptor::new("", self.digest, self.size);
        let (repository, operation) = (self.repository.clone(), self.operation.clone());
        let mut range = Self::new(repository, operation, &descriptor, start);
        range.set_end(end);
        range.limit_time(self.longest_wait);
        range
    }

    /// Returns whether the range ends with the blob.
    pub(super) const fn is_last(&self) -> bool {
        self.end == self.size
    }

    /// Returns the chunks as a stream.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, RegistryError>> {
        stream::try_unfold(self, |mut download| async {
            let chunk = download.next_chunk().await?;
            Ok(chunk.map(|chunk| (chunk, download)))
        })
    }

    /// Returns the next chunk, or `None` at the end of the range.
    pub(super) async fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        while self.position < self.end {
            if !self.excess.is_empty() {
                // The range ended before these bytes, and was then made longer.
                let chunk = std::mem::take(&mut self.excess);
                if let Some(chunk) = self.take_new_bytes(chunk) {
                    return Ok(Some(chunk));
                }
            }
            self.check_time()?;
            let Some(response) = &mut self.response else {
                self.open().await?;
                continue;
            };
            let requested_at = Instant::now();
            let idle = self.repository.transport().timeouts.idle;
            let received = tokio::time::timeout(idle, response.chunk()).await;
            let waited = requested_at.elapsed();
            self.waited += waited;
            let reason = match received {
                Ok(Ok(Some(chunk))) if self.stall.record_chunk(chunk.len(), waited) => {
                    match self.take_new_bytes(chunk) {
                        Some(chunk) => return Ok(Some(chunk)),
                        None => continue,
                    }
                }
                Ok(Ok(Some(_))) => "slower than 1 KiB/s".to_owned(),
                Ok(Ok(None)) => "the connection was closed".to_owned(),
                Ok(Err(error)) => describe_causes(&error),
                Err(_elapsed) => describe_stall(idle),
            };
            let host = display_host(response.url());
            self.response = None;
            self.wait_to_resume(host, reason).await?;
        }
        self.refuse_excess().await?;
        Ok(None)
    }

    /// Returns an error if the bytes have been awaited for too long in all.
    fn check_time(&self) -> Result<(), RegistryError> {
        let Some(limit) = self.longest_wait.filter(|longest| self.waited > *longest) else {
            return Ok(());
        };
        let fault = Fault::Timeout {
            host: self.operation.registry.clone(),
            phase: "complete blob",
            limit,
        };
        let tries = Tries {
            count: self.fruitless_interruptions + 1,
            elapsed: self.started.elapsed(),
        };
        Err(self.operation.unavailable(fault, tries))
    }

    /// Returns the bytes of a chunk that have not been delivered and belong to the range.
    fn take_new_bytes(&mut self, mut chunk: Bytes) -> Option<Bytes> {
        let old = self.skip.min(chunk.len() as u64);
        self.skip -= old;
        drop(chunk.split_to(usize::try_from(old).unwrap_or(chunk.len())));
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        if chunk.len() > left {
            // `refuse_excess` reports these bytes if the range ends with the blob.
            self.excess = chunk.split_off(left);
        }
        self.position += chunk.len() as u64;
        (!chunk.is_empty()).then_some(chunk)
    }

    /// Returns an error if the response goes on after the end of the blob. A response that
    /// announced its length was checked before.
    async fn refuse_excess(&mut self) -> Result<(), RegistryError> {
        let Some(mut response) = self.response.take() else {
            return Ok(());
        };
        if !self.is_last() || response.content_length().is_some() {
            return Ok(());
        }
        let idle = self.repository.transport().timeouts.idle;
        let mut excess = self.excess.len() as u64;
        if excess == 0
            && let Ok(Ok(Some(chunk))) = tokio::time::timeout(idle, response.chunk()).await
        {
            excess = chunk.len() as u64;
        }
        if excess == 0 {
            return Ok(());
        }
        Err(self.operation.bad_data(Damage::Size {
            expected: self.size,
            found: self.size + excess,
        }))
    }

    /// Waits after an interruption, or returns an error if there were too many fruitless ones.
    async fn wait_to_resume(&mut self, host: String, reason: String) -> Result<(), RegistryError> {
        if self.position - self.interrupted_at >= MIN_PROGRESS {
            self.fruitless_interruptions = 0;
        }
        self.fruitless_interruptions += 1;
        self.interrupted_at = self.position;
        self.skip = 0;
        self.repository.registry().flow.add_interruption();
        let fault = Fault::Interrupted {
            host,
            received: self.position,
            expected: self.size,
            reason,
        };
        let policy = &self.repository.transport().retries;
        let tries = Tries {
            count: self.fruitless_interruptions,
            elapsed: self.started.elapsed(),
        };
        if self.fruitless_interruptions >= policy.max_fruitless_interruptions {
            return Err(self.operation.unavailable(fault, tries));
        }
        let delay = resume_delay(policy, self.fruitless_interruptions);
        let reason = fault.describe(&self.operation);
        wait_before_retry(&self.operation, &reason, tries, delay).await;
        Ok(())
    }

    /// Opens the first range of a blob. If the server does not support ranges, the range becomes
    /// the whole blob.
    pub(super) async fn open_first(&mut self) -> Result<(), RegistryError> {
        if !self.open_range().await? {
            self.end = self.size;
        }
        Ok(())
    }

    /// Opens the range. Returns whether the server sends the range alone.
    pub(super) async fn open_range(&mut self) -> Result<bool, RegistryError> {
        self.open().await?;
        let status = self.response.as_ref().map(|response| response.status());
        Ok(status == Some(StatusCode::PARTIAL_CONTENT))
    }

    /// Opens the range from the current position on. A response of another length or range may come
    /// from a faulty proxy or cache, so the request is then sent once more.
    async fn open(&mut self) -> Result<(), RegistryError> {
        let error = match self.send_request().await {
            Err(error) if is_wrong_range(&error) => error,
            other => return other,
        };
        let delay = resume_delay(&self.repository.transport().retries, 1);
        wait_before_retry(&self.operation, &error.reason(), Tries::once(), delay).await;
        self.send_request().await
    }

    async fn send_request(&mut self) -> Result<(), RegistryError> {
        if self.interrupted_at > 0 && self.position == self.interrupted_at {
            let (operation, position, size) = (&self.operation, self.position, self.size);
            tracing::debug!("{operation}: resuming at byte {position} of {size}");
        }
        let url = self.repository.url(&format!("blobs/{}", self.digest));
        let whole = Request::new(Method::GET, url.clone());
        let range = match (self.position, self.is_last()) {
            (0, true) => None,
            (first, true) => Some(format!("bytes={first}-")),
            (first, false) => Some(format!("bytes={first}-{}", self.end - 1)),
        };
        let request = match range {
            None => Request::new(Method::GET, url),
            Some(range) => Request::new(Method::GET, url).header(RANGE, range),
        };
        let mut outcome = self.repository.send(&self.operation, &request).await?;
        if let Outcome::Rejected(rejection) = &outcome
            && rejection.refusal.status == 416
        {
            // The server may still send the whole blob.
            outcome = self.repository.send(&self.operation, &whole).await?;
        }
        let response = match outcome {
            Outcome::Success(response) => response,
            Outcome::CrossOriginRedirect => {
                return Err(self.operation.protocol(Violation::Redirected));
            }
            Outcome::Rejected(rejection) => {
                let refusal = rejection.refusal;
                let repository = &self.repository;
                return Err(repository.rejection_error(&self.operation, &request, refusal));
            }
        };
        self.check_head(&response)?;
        self.response = Some(response);
        Ok(())
    }

    /// Checks by the head of a response that its body holds the requested bytes.
    fn check_head(&mut self, response: &Response) -> Result<(), RegistryError> {
        let is_partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let (from, to) = if is_partial {
            (self.position, self.end)
        } else {
            (0, self.size)
        };
        if is_partial {
            self.check_content_range(response)?;
        }
        let expected = to - from;
        if let Some(found) = response.content_length()
            && found != expected
        {
            return Err(self.operation.bad_data(Damage::Size { expected, found }));
        }
        self.skip = self.position - from;
        Ok(())
    }

    fn check_content_range(&self, response: &Response) -> Result<(), RegistryError> {
        let mut values = response.headers().get_all(CONTENT_RANGE).iter();
        let text = values.next().and_then(|value| value.to_str().ok());
        let range = text.and_then(ContentRange::parse);
        let expected = ContentRange {
            first: self.position,
            last: self.end.saturating_sub(1),
            total: self.size,
        };
        if range == Some(expected) && values.next().is_none() {
            return Ok(());
        }
        Err(self.operation.protocol(Violation::ContentRange {
            expected: self.position,
            size: self.size,
            found: sanitize(text.unwrap_or_default()),
        }))
    }
}

/// Returns whether the head of a response showed that its body holds other bytes than requested.
const fn is_wrong_range(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::BadData {
            damage: Damage::Size { .. },
            ..
        } | RegistryError::Protocol {
            violation: Violation::ContentRange { .. },
            ..
        }
    )
}
