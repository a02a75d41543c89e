//! The body of an upload: watched, so that a stalled one is noticed, and a broken source is blamed on itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;

use crate::blob::stream::BlobStream;
use crate::error::{Damage, Operation, RegistryError};
use crate::options::Timeouts;

/// How large the pieces are in which an upload's bytes are handed to the connection.
const PIECE: usize = 256 << 10;

/// How far an upload is.
#[derive(Debug)]
pub(crate) struct Progress(Mutex<State>);

#[derive(Debug)]
struct State {
    moved: Instant,
    sent: bool,
    failure: Option<RegistryError>,
}

impl Progress {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns why the content could not be read, where that is what broke the upload.
    pub(crate) fn failure(&self) -> Option<RegistryError> {
        self.with(|state| state.failure.take())
    }

    /// Waits until the upload has stood still for too long, and returns for how long that was.
    pub(crate) async fn stalled(&self, timeouts: &Timeouts) -> (&'static str, Duration) {
        loop {
            let (moved, sent) = self.with(|state| (state.moved, state.sent));
            let (phase, limit) = if sent {
                ("reply to an upload", timeouts.upload_reply)
            } else {
                ("progress of an upload", timeouts.upload_stall)
            };
            if moved.elapsed() >= limit {
                return (phase, limit);
            }
            tokio::time::sleep_until(moved + limit).await;
        }
    }
}

/// Makes a request's body of `content`, which must be `size` bytes long, with a view on its progress.
pub(crate) fn body(
    content: BlobStream,
    size: u64,
    operation: Operation,
) -> (reqwest::Body, Arc<Progress>) {
    let progress = Arc::new(Progress(Mutex::new(State {
        moved: Instant::now(),
        sent: size == 0,
        failure: None,
    })));
    let source = Source {
        content,
        size,
        sent: 0,
        operation,
        progress: Arc::clone(&progress),
    };
    let stream = stream::try_unfold(source, |mut source| async move {
        match source.next().await {
            Ok(piece) => Ok(piece.map(|piece| (piece, source))),
            Err(error) => {
                source.progress.with(|state| state.failure = Some(error));
                Err("the content of the upload could not be read")
            }
        }
    });
    (reqwest::Body::wrap_stream(stream), progress)
}

struct Source {
    content: BlobStream,
    size: u64,
    sent: u64,
    operation: Operation,
    progress: Arc<Progress>,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        let piece = self.content.next().await?;
        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        self.sent += length;
        if self.sent > self.size || (piece.is_none() && self.sent < self.size) {
            return Err(self.operation.bad_data(Damage::Size {
                expected: self.size,
                found: self.sent,
            }));
        }
        self.progress.with(|state| {
            state.moved = Instant::now();
            state.sent = self.sent == self.size;
        });
        Ok(piece)
    }
}

/// Returns `content` as a stream of pieces.
pub(crate) fn pieces(content: Bytes) -> BlobStream {
    BlobStream::from_stream(stream::unfold(content, |mut rest| async move {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some((Ok(piece), rest))
    }))
}
