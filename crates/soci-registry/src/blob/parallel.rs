//! Downloads a blob in several ranges at a time and delivers them in order, for networks and
//! registries that limit the rate of each connection.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::task::{JoinError, JoinHandle};

use super::download::Download;
use crate::error::RegistryError;

/// Bytes of one range. The overhead of a request is small against it, and one range for each
/// connection fits into memory.
pub(super) const RANGE_SIZE: u64 = 4 << 20;

type RangeResult = Result<Vec<Bytes>, RegistryError>;

/// Streams a blob whose first range is already open. At most `connections` ranges are being
/// downloaded or held in memory.
pub(super) fn stream_ranges(
    first: Download,
    connections: NonZeroUsize,
) -> impl Stream<Item = Result<Bytes, RegistryError>> {
    let mut next = first.next_range(RANGE_SIZE);
    let following = std::iter::from_fn(move || {
        let range = next.take()?;
        next = range.next_range(RANGE_SIZE);
        Some(range)
    });
    stream::iter(std::iter::once(first).chain(following))
        // Each range has a task, so that it is received while the reader works on earlier ones.
        .map(|range| RangeTask(tokio::spawn(download_range(range))))
        .buffered(connections.get())
        .map(|joined| joined.unwrap_or_else(resume_panic))
        .map_ok(|chunks| stream::iter(chunks.into_iter().map(Ok)))
        .try_flatten()
}

async fn download_range(mut range: Download) -> RangeResult {
    let mut chunks = Vec::new();
    while let Some(chunk) = range.next_chunk().await? {
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// Continues the panic of a task. A task is cancelled only when the stream is dropped.
fn resume_panic(error: JoinError) -> RangeResult {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Err(RegistryError::Content(std::io::Error::other(error))),
    }
}

/// The task that downloads a range. It is aborted when this is dropped.
struct RangeTask(JoinHandle<RangeResult>);

impl Future for RangeTask {
    type Output = Result<RangeResult, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl Drop for RangeTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
