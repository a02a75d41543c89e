//! A blob in several ranges at a time, delivered in order: a network that limits each connection is filled by some more.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::task::{JoinError, JoinHandle};

use super::download::Download;
use crate::error::RegistryError;

/// Bytes of one range: long enough that its request costs little, short enough that several fit into memory.
pub(super) const RANGE: u64 = 4 << 20;

type Pieces = Result<Vec<Bytes>, RegistryError>;

/// Streams the blob from `first` on, which is its first range and open. At most `connections` ranges are on their way or in
/// memory.
pub(super) fn stream(
    first: Download,
    connections: NonZeroUsize,
) -> impl Stream<Item = Result<Bytes, RegistryError>> {
    let mut next = first.following(RANGE);
    let following = std::iter::from_fn(move || {
        let range = next.take()?;
        next = range.following(RANGE);
        Some(range)
    });
    stream::iter(std::iter::once(first).chain(following))
        // A task of its own, since the bytes come in while those before them are worked on.
        .map(|range| Task(tokio::spawn(collect(range))))
        .buffered(connections.get())
        .map(|joined| joined.unwrap_or_else(lost))
        .map_ok(|pieces| stream::iter(pieces.into_iter().map(Ok)))
        .try_flatten()
}

async fn collect(mut range: Download) -> Pieces {
    let mut pieces = Vec::new();
    while let Some(piece) = range.next().await? {
        pieces.push(piece);
    }
    Ok(pieces)
}

/// Goes on with the panic of a task. One is only ever cancelled when nobody waits for it any more.
fn lost(error: JoinError) -> Pieces {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Err(RegistryError::Content(std::io::Error::other(error))),
    }
}

/// A task that ends with whoever waits for it.
struct Task(JoinHandle<Pieces>);

impl Future for Task {
    type Output = Result<Pieces, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
