//! Blobs that are read piece by piece.

use bytes::Bytes;
use futures_util::stream;
use soci_layout::{Blob, LayoutError};
use soci_registry::BlobStream;

use crate::pieces::Pieces;
use crate::{Session, TransportError};

/// The bytes of a blob, in order, in pieces of any size. Their number is checked, their digest is not.
pub struct BlobReader {
    kind: Kind,
    pieces: Pieces,
}

enum Kind {
    File(Blob),
    Network(Session, BlobStream),
}

impl BlobReader {
    pub(crate) fn file(blob: Blob) -> Self {
        Self::new(Kind::File(blob))
    }

    pub(crate) fn network(session: Session, stream: BlobStream) -> Self {
        Self::new(Kind::Network(session, stream))
    }

    fn new(kind: Kind) -> Self {
        // Alone it waits for nobody: who reads it may do so in a thread that must not wait.
        let pieces = Pieces::new(usize::MAX);
        Self { kind, pieces }
    }

    /// Reads within a bound on memory that others share; [`BlobReader::next_piece`] then waits for it.
    #[must_use]
    pub fn within(self, pieces: &Pieces) -> Self {
        let pieces = pieces.clone();
        Self { pieces, ..self }
    }

    /// Says whether the bytes come over a network, so that they may be others the next time.
    pub const fn is_remote(&self) -> bool {
        matches!(self.kind, Kind::Network(..))
    }

    /// Returns the next piece, once there is memory for it; nothing at the end.
    ///
    /// # Errors
    ///
    /// Fails where the bytes cannot be had, or end too early.
    pub fn next_piece(&mut self) -> Result<Option<Bytes>, TransportError> {
        match &mut self.kind {
            Kind::File(blob) => {
                let mut buffer = self.pieces.buffer();
                let read = blob.read(buffer.room())?;
                Ok((read > 0).then(|| buffer.filled(read)))
            }
            Kind::Network(session, stream) => {
                let piece = session.clone().block_on(stream.next())??;
                Ok(piece.map(|piece| self.pieces.admit(piece)))
            }
        }
    }
}

/// Returns a file's bytes as a stream that a registry can be sent, or the error with which it did not open.
pub(crate) fn of_file(opened: Result<Blob, LayoutError>) -> BlobStream {
    let reader = opened.map(BlobReader::file).map_err(std::io::Error::other);
    let pieces = stream::unfold(Some(reader), |reader| async move {
        let mut reader = match reader? {
            Ok(reader) => reader,
            Err(error) => return Some((Err(error), None)),
        };
        let piece = reader.next_piece().transpose()?;
        Some((piece.map_err(std::io::Error::other), Some(Ok(reader))))
    });
    BlobStream::from_stream(pieces)
}
