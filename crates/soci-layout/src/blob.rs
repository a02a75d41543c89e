//! Blobs of a layout, read and written with their digest checked.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use soci_oci::{Descriptor, Digest};

use crate::error::{Action, During as _, LayoutError};
use crate::temporary::{Replace, Unfinished};

/// A blob that is being read: a part of a file, of the length that its descriptor gives.
///
/// Its bytes are not checked against the digest: whoever reads all of them digests them in the same pass.
#[derive(Debug)]
pub struct Blob {
    file: File,
    path: PathBuf,
    left: u64,
}

impl Blob {
    /// Takes the `size` bytes of `file` from `start` on.
    pub(crate) fn new(
        mut file: File,
        path: PathBuf,
        start: u64,
        size: u64,
    ) -> Result<Self, LayoutError> {
        file.seek(io::SeekFrom::Start(start))
            .during(Action::Read, &path)?;
        Ok(Self {
            file,
            path,
            left: size,
        })
    }

    /// Reads the next bytes into `buffer` and returns how many; 0 at the end.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, or ends before the blob does.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LayoutError> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = loop {
            match self.file.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let read = match read {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            other => other,
        };
        let read = read.during(Action::Read, &self.path)?;
        self.left -= read as u64;
        Ok(read)
    }

    /// Skips the first `count` bytes.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read.
    pub fn skip(&mut self, count: u64) -> Result<(), LayoutError> {
        let count = count.min(self.left);
        self.file
            .seek_relative(i64::try_from(count).unwrap_or(i64::MAX))
            .during(Action::Read, &self.path)?;
        self.left -= count;
        Ok(())
    }

    /// Reads the whole blob, which must be `descriptor`'s.
    pub(crate) fn verified(
        mut self,
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
        let mut bytes = Vec::new();
        let path = self.path.clone();
        let left = self.left;
        Read::take(&mut self.file, left)
            .read_to_end(&mut bytes)
            .during(Action::Read, &path)?;
        let found = Digest::of(&bytes);
        if bytes.len() as u64 != descriptor.size || found != descriptor.digest {
            let found = format!("{} bytes of digest `{found}`", bytes.len());
            return Err(LayoutError::Corrupt {
                expected: descriptor.digest,
                size: descriptor.size,
                found,
                path,
            });
        }
        Ok(bytes)
    }
}

/// A blob on its way into a layout.
pub struct BlobWriter {
    pub(crate) file: Unfinished,
    pub(crate) path: PathBuf,
    pub(crate) expected: Descriptor,
    pub(crate) hash: Sha256,
    pub(crate) written: u64,
}

impl BlobWriter {
    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// Fails where they cannot be written, or are more than the descriptor gives.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), LayoutError> {
        self.written += bytes.len() as u64;
        if self.written > self.expected.size {
            return Err(self.corrupt(format!("more than {} bytes", self.expected.size)));
        }
        self.hash.update(bytes);
        self.file.write_all(bytes).during(Action::Write, &self.path)
    }

    /// Checks what was written and publishes it. Without this call, nothing stays.
    ///
    /// # Errors
    ///
    /// Fails where the bytes are not those of the descriptor, or cannot be made durable.
    pub fn commit(self) -> Result<(), LayoutError> {
        let found = Digest::from_bytes(self.hash.clone().finalize().into());
        if self.written != self.expected.size || found != self.expected.digest {
            return Err(self.corrupt(format!("{} bytes of digest `{found}`", self.written)));
        }
        self.file.publish(&self.path, 0o444, Replace::Any)
    }

    fn corrupt(&self, found: String) -> LayoutError {
        let Descriptor {
            digest: expected,
            size,
            ..
        } = self.expected;
        LayoutError::Corrupt {
            expected,
            size,
            found,
            path: self.path.clone(),
        }
    }
}
