//! Finding the members of a tar, and reading them in any order, without a ztoc.
//!
//! An archive of images is read by this, not a layer: members that a ztoc cannot hold are left out,
//! nothing is hashed, and memory is bounded for any input.

use crate::compression::Compression;
use crate::entry::FileMetadata;
use crate::error::ScanError;
use crate::gzip::event::GzipEvent;
use crate::gzip::index::{GzipIndex, MAX_CHECKPOINTS};
use crate::gzip::scanner::GzipScanner;
use crate::limits::Limits;
use crate::tar::reader::TarReader;

/// The distance of the first checkpoints in uncompressed bytes. It doubles each time that their
/// number reaches [`MAX_CHECKPOINTS`].
const CHECKPOINT_DISTANCE: i64 = 4 << 20;

/// Finds the members of a tar that arrives in chunks, plain or gzipped.
///
/// Holds at most 24 MiB of checkpoints, and the members found so far.
#[derive(Debug)]
pub struct TarIndexer {
    gzip: Option<Box<GzipScanner>>,
    tar: TarReader,
}

/// What a [`TarIndexer`] needs next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Needs {
    /// The next bytes.
    Bytes,
    /// No further bytes: the end of the tar or an error was found.
    Nothing,
    /// The bytes after this many, which are the contents of a member of a plain tar. They may be
    /// passed to [`TarIndexer::skip`] by their number, or fed like others.
    SkippedBytes(u64),
}

/// The members of a tar, and how to read them.
#[derive(Debug)]
pub struct TarIndex {
    /// The members in the order of the tar, without those of types that a ztoc cannot hold.
    pub members: Vec<FileMetadata>,
    /// The checkpoints, if the tar is gzipped.
    pub gzip: Option<GzipIndex>,
}

impl TarIndexer {
    /// Starts to index a tar that is compressed with `compression`.
    ///
    /// # Errors
    ///
    /// Returns [`ScanError::OutOfMemory`] if the decompressor cannot be allocated.
    pub fn new(compression: Compression, limits: Limits) -> Result<Self, ScanError> {
        let gzip = match compression {
            Compression::Uncompressed => None,
            Compression::Gzip => {
                let scanner = GzipScanner::new(CHECKPOINT_DISTANCE, limits)?;
                Some(Box::new(scanner.with_max_checkpoints(MAX_CHECKPOINTS)))
            }
        };
        Ok(Self {
            gzip,
            tar: TarReader::new(limits).ignoring_unsupported(),
        })
    }

    /// Reads the next bytes of the file.
    ///
    /// # Errors
    ///
    /// Returns [`ScanError::GzipData`] for a damaged gzip stream and [`ScanError::Limit`] for a tar
    /// that exceeds a limit. Errors of the tar are returned by [`TarIndexer::finish`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Needs, ScanError> {
        let Self { gzip, tar } = self;
        match gzip {
            Some(gzip) => {
                let fed = gzip.feed(bytes, |event| {
                    if let GzipEvent::Output(bytes) = event {
                        tar.feed(bytes);
                    }
                });
                // Padding after the gzip stream is no damage if the tar is complete.
                if !tar.is_done() {
                    fed?;
                }
            }
            None => tar.feed(bytes),
        }
        Ok(match tar.skippable_bytes() {
            _ if tar.is_done() => Needs::Nothing,
            1.. if gzip.is_some() => Needs::Bytes,
            0 => Needs::Bytes,
            bytes => Needs::SkippedBytes(bytes),
        })
    }

    /// Skips bytes of a plain tar, at most as many as [`Needs::SkippedBytes`] said.
    pub fn skip(&mut self, bytes: u64) {
        self.tar.skip(bytes);
    }

    /// Declares the end of the file. What comes after the end of the tar need not have been fed.
    ///
    /// # Errors
    ///
    /// Returns an error if the file ends within the gzip stream or the tar, else the first error
    /// in the tar.
    pub fn finish(self) -> Result<TarIndex, ScanError> {
        let gzip = match self.gzip {
            None => None,
            Some(gzip) if self.tar.is_done() => Some(gzip.into_checkpoints()),
            Some(gzip) => Some(gzip.finish()?.checkpoints),
        };
        Ok(TarIndex {
            members: self.tar.finish()?.entries.unpack(),
            gzip: gzip.map(GzipIndex::new),
        })
    }
}
