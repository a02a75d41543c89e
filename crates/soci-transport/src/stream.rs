//! Blobs that are read piece by piece.

use bytes::Bytes;
use futures_util::stream;
use soci_layout::{Blob, LayoutError};
use soci_registry::BlobStream;

use crate::{Session, TransportError};

/// How much is read from a file at once, in bytes.
const PIECE: usize = 512 * 1024;

/// The bytes of a blob, in order, in pieces of any size. Their number is checked, their digest is not.
pub struct BlobReader(Kind);

enum Kind {
    File(Blob),
    Network(Session, BlobStream),
}

impl BlobReader {
    pub(crate) fn file(blob: Blob) -> Self {
        Self(Kind::File(blob))
    }

    pub(crate) fn network(session: Session, stream: BlobStream) -> Self {
        Self(Kind::Network(session, stream))
    }

    /// Says whether the bytes come over a network, so that they may be others the next time.
    pub const fn is_remote(&self) -> bool {
        matches!(self.0, Kind::Network(..))
    }

    /// Returns the next piece; nothing at the end.
    ///
    /// # Errors
    ///
    /// Fails where the bytes cannot be had, or end too early.
    pub fn next_piece(&mut self) -> Result<Option<Bytes>, TransportError> {
        match &mut self.0 {
            Kind::File(blob) => {
                let mut piece = vec![0; PIECE];
                let read = blob.read(&mut piece)?;
                piece.truncate(read);
                Ok((read > 0).then(|| piece.into()))
            }
            Kind::Network(session, stream) => Ok(session.clone().block_on(stream.next())??),
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
