//! Reading blobs, and checking bytes against a descriptor.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use soci_oci::{Descriptor, Hasher};
use soci_ztoc::GzipReader;

use crate::error::{Action, IoContext as _, LayoutError};

/// How much is read at once from a blob whose bytes are only checked or copied, in bytes.
pub(crate) const CHUNK_SIZE: usize = 256 << 10;

/// A blob that is open for reading, as long as the blob's descriptor says.
///
/// The bytes are not checked against the digest, because a caller that reads all of them computes
/// it in the same pass.
#[derive(Debug)]
pub struct Blob {
    content: Content,
    path: PathBuf,
    /// Bytes that are still to be read.
    remaining: u64,
}

/// Where the bytes of a blob come from. Bytes after the blob may follow.
#[derive(Debug)]
pub(crate) enum Content {
    /// A file, at the position of the blob.
    File(File),
    /// A gzipped tar, at the position of the blob.
    Gzip(Box<GzipReader<File>>),
    /// Memory.
    Bytes(Cursor<Vec<u8>>),
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Gzip(reader) => reader.read(buffer),
            Self::Bytes(bytes) => bytes.read(buffer),
        }
    }
}

impl Blob {
    /// Returns a blob of the next `size` bytes of `content`. `path` is the file, for errors.
    pub(crate) const fn new(content: Content, path: PathBuf, size: u64) -> Self {
        Self {
            content,
            path,
            remaining: size,
        }
    }

    /// Reads the next bytes into `buffer` and returns their number, which is 0 at the end of the
    /// blob.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or ends before the blob does.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LayoutError> {
        let limit = usize::try_from(self.remaining)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if limit == 0 {
            return Ok(0);
        }
        let read = loop {
            match self.content.read(&mut buffer[..limit]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let read = match read {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            other => other,
        };
        let read = read.context(Action::Read, &self.path)?;
        self.remaining -= read as u64;
        Ok(read)
    }

    /// Skips the next `bytes` bytes, at most those that remain. A plain file is not read for it.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or ends before.
    pub fn skip(&mut self, bytes: u64) -> Result<(), LayoutError> {
        let mut left = bytes.min(self.remaining);
        if let (Content::File(file), Ok(distance)) = (&mut self.content, i64::try_from(left)) {
            let moved = file.seek(SeekFrom::Current(distance));
            moved.context(Action::Read, &self.path)?;
            self.remaining -= left;
            return Ok(());
        }
        let mut buffer = vec![0; CHUNK_SIZE];
        while left > 0 {
            let limit = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_SIZE);
            left -= self.read(&mut buffer[..limit])? as u64;
        }
        Ok(())
    }

    /// Reads the whole blob and checks it against `descriptor`.
    pub(crate) fn read_verified(
        self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, LayoutError> {
        if descriptor.size > limit {
            return Err(LayoutError::TooLarge {
                digest: descriptor.digest,
                size: descriptor.size,
                limit,
            });
        }
        let path = self.path.clone();
        let bytes = self.read_to_end()?;
        let mut check = ContentCheck::new(descriptor);
        check.update(&bytes, &path)?;
        check.finish(&path)?;
        Ok(bytes)
    }

    /// Reads the whole blob into memory, without checking it.
    pub(crate) fn read_to_end(self) -> Result<Vec<u8>, LayoutError> {
        let mut bytes = Vec::new();
        self.content
            .take(self.remaining)
            .read_to_end(&mut bytes)
            .context(Action::Read, &self.path)?;
        Ok(bytes)
    }

    /// Reads the blob to its end and checks it against `descriptor`.
    pub(crate) fn verify(mut self, descriptor: &Descriptor) -> Result<(), LayoutError> {
        let mut check = ContentCheck::new(descriptor);
        let mut buffer = vec![0; CHUNK_SIZE];
        loop {
            let read = self.read(&mut buffer)?;
            if read == 0 {
                return check.finish(&self.path);
            }
            check.update(&buffer[..read], &self.path)?;
        }
    }
}

/// Compares bytes with the size and the digest of a descriptor, chunk by chunk.
pub(crate) struct ContentCheck {
    expected: Descriptor,
    hasher: Hasher,
    size: u64,
}

impl ContentCheck {
    pub(crate) fn new(expected: &Descriptor) -> Self {
        Self {
            expected: expected.clone(),
            hasher: Hasher::new(expected.digest.algorithm()),
            size: 0,
        }
    }

    /// Adds the next bytes. `path` is what they belong to, for the error.
    pub(crate) fn update(&mut self, bytes: &[u8], path: &Path) -> Result<(), LayoutError> {
        self.size += bytes.len() as u64;
        if self.size > self.expected.size {
            let found = format!("more than {} bytes", self.expected.size);
            return Err(LayoutError::corrupt(&self.expected, &found, path));
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// Checks that all bytes have been added, and that their digest is the expected one.
    pub(crate) fn finish(self, path: &Path) -> Result<(), LayoutError> {
        let digest = self.hasher.finish();
        if self.size != self.expected.size {
            let found = format!("{} bytes", self.size);
            return Err(LayoutError::corrupt(&self.expected, &found, path));
        }
        if digest != self.expected.digest {
            return Err(LayoutError::other_digest(&self.expected, digest, path));
        }
        Ok(())
    }
}
