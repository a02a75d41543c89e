//! The bytes of a blob, as they are read or sent.

use std::fmt;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use crate::error::RegistryError;

/// The bytes of a blob, in pieces as the network delivers them.
///
/// Not verified against a digest: whoever reads digests in the same pass. The length is.
pub struct BlobStream(pub(super) Pin<Box<dyn Stream<Item = Result<Bytes, RegistryError>> + Send>>);

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

    pub(super) fn empty() -> Self {
        Self(Box::pin(stream::empty()))
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobStream")
    }
}
