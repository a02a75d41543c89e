//! One stretch of a blob on its way: resumed where it broke, started over where that is not possible.

use bytes::Bytes;
use futures_util::{Stream, stream};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use soci_oci::{Descriptor, Digest};
use tokio::time::Instant;

use super::stall::Pace;
use crate::blob::content_range::ContentRange;
use crate::client::Repository;
use crate::error::{Damage, Fault, Operation, RegistryError, Tries, Violation};
use crate::http;
use crate::http::egress;
use crate::http::request::Request;
use crate::http::response::Answer;
use crate::http::retry;
use crate::http::retry::pause;

/// A stretch of a blob on its way. `position <= end <= size`.
pub(super) struct Download {
    repository: Repository,
    operation: Operation,
    digest: Digest,
    /// Bytes of the whole blob.
    size: u64,
    /// Where the stretch ends, in bytes from the start of the blob.
    end: u64,
    /// Bytes from the start of the blob to the next one that is delivered.
    position: u64,
    /// Bytes of the current reply that were delivered before: it started over.
    skip: u64,
    /// The position when the stream last broke.
    mark: u64,
    /// How often it broke in a row with too little gained.
    fruitless: u32,
    started: Instant,
    pace: Pace,
    response: Option<Response>,
}

/// What must be gained between two breaks, in bytes, for the next one to be forgiven.
const PROGRESS: u64 = 1 << 20;

impl Download {
    /// Starts a download of the whole blob from `offset` on. `offset <= descriptor.size`.
    pub(super) fn new(
        repository: Repository,
        operation: Operation,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Self {
        let pace = Pace::new(repository.transport().timeouts.idle);
        Self {
            repository,
            operation,
            digest: descriptor.digest,
            size: descriptor.size,
            end: descriptor.size,
            position: offset,
            skip: 0,
            mark: offset,
            fruitless: 0,
            started: Instant::now(),
            pace,
            response: None,
        }
    }

    /// Lets the stretch end after `length` bytes, unless the blob does before.
    pub(super) fn end_before(&mut self, length: u64) {
        self.end = self.position.saturating_add(length).min(self.size);
    }

    /// Returns the stretch of `length` bytes that follows this one, not yet opened; nothing at the end of the blob.
    pub(super) fn following(&self, length: u64) -> Option<Self> {
        let descriptor = Descriptor::new("", self.digest, self.size);
        let (repository, operation) = (self.repository.clone(), self.operation.clone());
        let mut next = Self::new(repository, operation, &descriptor, self.end);
        next.end_before(length);
        (!self.is_last()).then_some(next)
    }

    /// Says whether the stretch ends with the blob.
    pub(super) const fn is_last(&self) -> bool {
        self.end == self.size
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, RegistryError>> {
        stream::try_unfold(self, |mut download| async {
            let piece = download.next().await?;
            Ok(piece.map(|piece| (piece, download)))
        })
    }

    /// Returns the next piece, or nothing at the end of the stretch.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        while self.position < self.end {
            let Some(response) = &mut self.response else {
                self.open().await?;
                continue;
            };
            let asked = Instant::now();
            let idle = self.repository.transport().timeouts.idle;
            let reason = match tokio::time::timeout(idle, response.chunk()).await {
                Ok(Ok(Some(piece))) if self.pace.keeps(piece.len(), asked.elapsed()) => {
                    match self.deliver(piece) {
                        Some(piece) => return Ok(Some(piece)),
                        None => continue,
                    }
                }
                Ok(Ok(Some(_))) => "it all but stopped".to_owned(),
                Ok(Ok(None)) => "it ended".to_owned(),
                Ok(Err(error)) => http::error::causes(&error),
                Err(_elapsed) => format!("nothing for {} s", idle.as_secs_f64()),
            };
            let host = egress::host(response.url());
            self.response = None;
            self.rest(host, reason).await?;
        }
        self.refuse_excess().await?;
        Ok(None)
    }

    /// Takes a piece of the reply, and returns what of it is new.
    fn deliver(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let old = self.skip.min(piece.len() as u64);
        self.skip -= old;
        drop(piece.split_to(usize::try_from(old).unwrap_or(piece.len())));
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        if piece.len() > left {
            // What is too much of the whole blob is put back to be found at its end.
            let excess = piece.split_off(left);
            self.skip = excess.len() as u64;
        }
        self.position += piece.len() as u64;
        (!piece.is_empty()).then_some(piece)
    }

    /// Refuses a blob that goes on after its end, where the head of the reply did not say how long it is.
    async fn refuse_excess(&mut self) -> Result<(), RegistryError> {
        let Some(mut response) = self.response.take() else {
            return Ok(());
        };
        if !self.is_last() || response.content_length().is_some() {
            return Ok(());
        }
        let idle = self.repository.transport().timeouts.idle;
        let mut excess = self.skip;
        if excess == 0
            && let Ok(Ok(Some(piece))) = tokio::time::timeout(idle, response.chunk()).await
        {
            excess = piece.len() as u64;
        }
        if excess == 0 {
            return Ok(());
        }
        Err(self.operation.bad_data(Damage::Size {
            expected: self.size,
            found: self.size + excess,
        }))
    }

    /// Waits after a break, unless there were too many.
    async fn rest(&mut self, host: String, reason: String) -> Result<(), RegistryError> {
        if self.position - self.mark >= PROGRESS {
            self.fruitless = 0;
        }
        self.fruitless += 1;
        self.mark = self.position;
        self.skip = 0;
        let fault = Fault::Cut {
            host,
            received: self.position,
            expected: self.size,
            reason,
        };
        let policy = &self.repository.transport().retries;
        let tries = Tries {
            count: self.fruitless,
            elapsed: self.started.elapsed(),
        };
        if self.fruitless >= policy.fruitless_cuts {
            return Err(self.operation.unavailable(fault, tries));
        }
        let wait = retry::after_cut(policy, self.fruitless);
        pause(&self.operation, &fault.to_string(), tries, wait).await;
        Ok(())
    }

    /// Opens the first stretch of a blob. Where there are no ranges, it grows to all of the blob.
    pub(super) async fn open_first(&mut self) -> Result<(), RegistryError> {
        self.open().await?;
        let status = self.response.as_ref().map(Response::status);
        if status.is_some_and(|status| status != StatusCode::PARTIAL_CONTENT) {
            self.end = self.size;
        }
        Ok(())
    }

    /// Asks for the stretch from the current position on. A reply of another length or range than that is asked for once
    /// more, since what stands between may be at fault.
    async fn open(&mut self) -> Result<(), RegistryError> {
        let error = match self.ask().await {
            Err(error) if is_another_length(&error) => error,
            other => return other,
        };
        let wait = retry::after_cut(&self.repository.transport().retries, 1);
        pause(&self.operation, &error.to_string(), Tries::once(), wait).await;
        self.ask().await
    }

    async fn ask(&mut self) -> Result<(), RegistryError> {
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
        let mut answer = self.repository.send(&self.operation, &request).await?;
        if let Answer::Refused(refused) = &answer
            && refused.refusal.status == 416
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
        let (from, to) = if is_partial {
            (self.position, self.end)
        } else {
            (0, self.size)
        };
        if is_partial {
            self.check_range(response)?;
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

    fn check_range(&self, response: &Response) -> Result<(), RegistryError> {
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
            found: crate::error::sanitize::sanitize(text.unwrap_or_default()),
        }))
    }
}

/// Says whether a reply was refused by its head, since it holds other bytes than were asked for.
const fn is_another_length(error: &RegistryError) -> bool {
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
