//! Blobs that are read in chunks.

use std::ops::Range;

use bytes::Bytes;
use futures_util::stream;
use soci_layout::{Blob, Layout, LayoutError};
use soci_oci::Descriptor;
use soci_registry::BlobStream;

use crate::error::TransportError;
use crate::memory_budget::MemoryBudget;

/// Reads a blob in order, in chunks of any size. The length is checked, the digest is not.
pub struct BlobReader {
    chunks: Box<dyn ReadChunks>,
    is_remote: bool,
    budget: MemoryBudget,
}

/// The bytes of a blob, as a backend reads them.
pub trait ReadChunks: Send {
    /// Returns the next chunk, or `None` at the end of the blob. The chunk's memory is taken from
    /// `budget`.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes cannot be read, or end before the length in the blob's
    /// descriptor.
    fn next_chunk(&mut self, budget: &MemoryBudget) -> Result<Option<Bytes>, TransportError>;
}

impl BlobReader {
    /// Reads a blob of a layout or archive.
    pub fn from_file(blob: Blob) -> Self {
        Self::new(Box::new(blob))
    }

    /// Reads a blob of the store. Returns `None` if the store does not have it.
    ///
    /// # Errors
    ///
    /// Returns an error if the store has the blob but it cannot be read.
    pub fn from_store(store: &Layout, blob: &Descriptor) -> Result<Option<Self>, LayoutError> {
        match store.has_blob(blob).then(|| store.open_blob(blob)) {
            // `soci-prune` may have removed the blob meanwhile.
            None | Some(Err(LayoutError::NoSuchBlob { .. })) => Ok(None),
            Some(opened) => opened.map(|blob| Some(Self::from_file(blob))),
        }
    }

    /// Reads a blob that is in memory.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(Box::new(MemoryChunk(bytes.into())))
    }

    /// Reads from a network, which may deliver other bytes the next time.
    pub fn from_network(chunks: impl ReadChunks + 'static) -> Self {
        Self {
            is_remote: true,
            ..Self::new(Box::new(chunks))
        }
    }

    fn new(chunks: Box<dyn ReadChunks>) -> Self {
        Self {
            chunks,
            is_remote: false,
            // An upload reads in the runtime's thread, which must not wait for memory.
            budget: MemoryBudget::unlimited(),
        }
    }

    /// Takes the memory of the chunks from `budget`, which other readers share.
    /// [`BlobReader::next_chunk`] then waits until enough of it is free.
    #[must_use]
    pub fn with_budget(mut self, budget: &MemoryBudget) -> Self {
        self.budget = budget.clone();
        self
    }

    /// Returns whether the bytes come over a network, so that reading the blob again may repair
    /// damage.
    pub const fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// Returns the bytes of a range, and reads over those before it.
    pub(crate) fn read_range(mut self, range: Range<u64>) -> Result<Vec<u8>, TransportError> {
        let mut position = 0;
        let mut bytes = Vec::new();
        while position < range.end {
            let Some(chunk) = self.next_chunk()? else {
                break;
            };
            let index = |offset: u64| {
                let index = usize::try_from(offset.saturating_sub(position));
                index.map_or(chunk.len(), |index| index.min(chunk.len()))
            };
            bytes.extend_from_slice(&chunk[index(range.start)..index(range.end)]);
            position += chunk.len() as u64;
        }
        Ok(bytes)
    }

    /// Returns the next chunk, or `None` at the end of the blob.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes cannot be read, or end before the length in the blob's
    /// descriptor.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.chunks.next_chunk(&self.budget)
    }
}

impl ReadChunks for Blob {
    fn next_chunk(&mut self, budget: &MemoryBudget) -> Result<Option<Bytes>, TransportError> {
        let mut buffer = budget.acquire();
        let length = self.read(buffer.as_mut_slice())?;
        Ok((length > 0).then(|| buffer.freeze(length)))
    }
}

/// A blob in memory, which is read as one chunk.
struct MemoryChunk(Bytes);

impl ReadChunks for MemoryChunk {
    fn next_chunk(&mut self, _budget: &MemoryBudget) -> Result<Option<Bytes>, TransportError> {
        let chunk = std::mem::take(&mut self.0);
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

/// Turns a reader into the stream that an upload needs. If the blob could not be opened, the stream
/// returns that error.
pub(crate) fn to_upload_stream(opened: Result<BlobReader, TransportError>) -> BlobStream {
    let reader = opened.map_err(std::io::Error::other);
    let chunks = stream::unfold(Some(reader), |reader| async move {
        let mut reader = match reader? {
            Ok(reader) => reader,
            Err(error) => return Some((Err(error), None)),
        };
        let chunk = reader.next_chunk().transpose()?;
        Some((chunk.map_err(std::io::Error::other), Some(Ok(reader))))
    });
    BlobStream::from_stream(chunks)
}
