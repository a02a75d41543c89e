//! The bytes of a blob, as they are received or sent.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};

use crate::error::RegistryError;

/// The bytes of a blob, in chunks of any size.
///
/// The length of a blob from a registry is verified, but not its digest: the reader computes it
/// while it reads.
pub struct BlobStream(pub(super) Pin<Box<dyn Stream<Item = Result<Bytes, RegistryError>> + Send>>);

impl BlobStream {
    /// Returns the next chunk, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::BadData`] if the blob does not have the length in its descriptor,
    /// [`RegistryError::Unavailable`] if it was interrupted and could not be resumed, and
    /// [`RegistryError::Content`] if the stream was made by [`BlobStream::from_stream`] and fails.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        self.0.next().await.transpose()
    }

    /// Returns a stream of local content, such as a file.
    pub fn from_stream(content: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self(Box::pin(
            content.map(|chunk| chunk.map_err(RegistryError::Content)),
        ))
    }

    /// Counts the bytes of the stream in `counter`, from 0 on.
    #[must_use]
    pub fn count_bytes(self, counter: Arc<AtomicU64>) -> Self {
        counter.store(0, Ordering::Relaxed);
        Self(Box::pin(self.0.inspect_ok(move |chunk| {
            counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        })))
    }

    pub(super) fn empty() -> Self {
        Self(Box::pin(stream::empty()))
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobStream")
    }
}
