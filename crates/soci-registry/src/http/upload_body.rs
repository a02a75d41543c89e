//! The body of an upload. Its progress is observed, so that a stalled upload is noticed, and an
//! unreadable source is told from a broken connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;

use crate::blob::stream::BlobStream;
use crate::error::{Damage, Operation, RegistryError};
use crate::options::Timeouts;

/// Bytes of one chunk of an upload from memory.
const CHUNK_SIZE: usize = 256 << 10;

/// The progress of an upload.
#[derive(Debug)]
pub(super) struct UploadProgress(Mutex<State>);

#[derive(Debug)]
struct State {
    /// When the connection last took a chunk.
    last_chunk: Instant,
    is_complete: bool,
    error: Option<RegistryError>,
}

impl UploadProgress {
    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the error of the content, if that is what broke the upload.
    pub(super) fn take_error(&self) -> Option<RegistryError> {
        self.with_state(|state| state.error.take())
    }

    /// Waits until the upload, or the response to it, has stalled for the time that `timeouts`
    /// allows. Returns what was waited for, and that time.
    pub(super) async fn wait_for_stall(&self, timeouts: &Timeouts) -> (&'static str, Duration) {
        loop {
            let (last_chunk, is_complete) =
                self.with_state(|state| (state.last_chunk, state.is_complete));
            let (phase, limit) = if is_complete {
                ("response to an upload", timeouts.upload_response)
            } else {
                ("progress of an upload", timeouts.upload_stall)
            };
            if last_chunk.elapsed() >= limit {
                return (phase, limit);
            }
            tokio::time::sleep_until(last_chunk + limit).await;
        }
    }
}

/// Returns a request body of `content`, and its progress. The body fails if `content` does not have
/// `size` bytes.
pub(super) fn build_body(
    content: BlobStream,
    size: u64,
    operation: Operation,
) -> (reqwest::Body, Arc<UploadProgress>) {
    let progress = Arc::new(UploadProgress(Mutex::new(State {
        last_chunk: Instant::now(),
        is_complete: size == 0,
        error: None,
    })));
    let source = ContentSource {
        content,
        size,
        sent: 0,
        operation,
        progress: Arc::clone(&progress),
    };
    let stream = stream::try_unfold(source, |mut source| async move {
        match source.next_chunk().await {
            Ok(chunk) => Ok(chunk.map(|chunk| (chunk, source))),
            Err(error) => {
                source
                    .progress
                    .with_state(|state| state.error = Some(error));
                Err("the content of the upload could not be read")
            }
        }
    });
    (reqwest::Body::wrap_stream(stream), progress)
}

/// The content of an upload, counted while it is sent.
struct ContentSource {
    content: BlobStream,
    size: u64,
    sent: u64,
    operation: Operation,
    progress: Arc<UploadProgress>,
}

impl ContentSource {
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let chunk = self.content.next().await?;
        let length = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.sent += length;
        if self.sent > self.size || (chunk.is_none() && self.sent < self.size) {
            return Err(self.operation.bad_data(Damage::Size {
                expected: self.size,
                found: self.sent,
            }));
        }
        self.progress.with_state(|state| {
            state.last_chunk = Instant::now();
            state.is_complete = self.sent == self.size;
        });
        Ok(chunk)
    }
}

/// Returns `content` as a stream of chunks.
pub(crate) fn stream_bytes(content: Bytes) -> BlobStream {
    BlobStream::from_stream(stream::unfold(content, |mut rest| async move {
        let chunk = rest.split_to(rest.len().min(CHUNK_SIZE));
        (!chunk.is_empty()).then_some((Ok(chunk), rest))
    }))
}
