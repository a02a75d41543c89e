//! Reading a gzip file from any offset of its output on.

use std::io::{self, Read, Seek, SeekFrom};

use super::zlib::{StopAt, ZlibError, ZlibInflater, ZlibStop};
use crate::checkpoint::{Checkpoint, CheckpointList};

/// The largest number of checkpoints of an index, which hold 32 KiB each.
pub(crate) const MAX_CHECKPOINTS: i32 = 512;

/// How many compressed bytes are read at a time.
const INPUT_SIZE: usize = 64 * 1024;

/// Length of a gzip trailer in bytes: CRC-32 and size (RFC 1952, section 2.3.1).
const TRAILER_SIZE: usize = 8;

/// The checkpoints of a gzip file.
#[derive(Clone, Debug)]
pub struct GzipIndex {
    /// The list in stored form.
    checkpoints: Vec<u8>,
}

/// Reads the output of a gzip file. Checksums are not compared.
#[derive(Debug)]
pub struct GzipReader<R> {
    source: R,
    inflater: ZlibInflater,
    input: Box<[u8]>,
    /// The range of `input` that was read and not used.
    start: usize,
    end: usize,
    /// Whether the inflater resumed within a member, whose trailer it does not know of.
    is_resumed: bool,
    /// Bytes of a trailer that are to be skipped.
    trailer: usize,
    /// Whether a member has ended and no byte of another one was read.
    is_between_members: bool,
}

impl GzipIndex {
    pub(crate) const fn new(checkpoints: Vec<u8>) -> Self {
        Self { checkpoints }
    }

    /// Opens `source`, the gzip file, for reading from the uncompressed offset `offset` on.
    /// Decompresses what is between the checkpoint before and the offset.
    ///
    /// # Errors
    ///
    /// Returns an error if `source` cannot be read, is not the file of the index, or ends before
    /// the offset.
    pub fn open_at<R: Read + Seek>(&self, source: R, offset: u64) -> io::Result<GzipReader<R>> {
        let list = CheckpointList::parse(&self.checkpoints);
        let checkpoints = list.iter().flat_map(CheckpointList::iter).flatten();
        let checkpoint = checkpoints
            .take_while(|checkpoint| checkpoint.output <= offset)
            .last();
        let checkpoint = checkpoint.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut reader = GzipReader::resume(source, checkpoint)?;
        let skipped = offset.saturating_sub(checkpoint.output);
        let copied = io::copy(&mut reader.by_ref().take(skipped), &mut io::sink())?;
        if copied < skipped {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(reader)
    }
}

impl<R: Read + Seek> GzipReader<R> {
    fn resume(mut source: R, checkpoint: Checkpoint<'_>) -> io::Result<Self> {
        let has_shared = checkpoint.unused_bits > 0;
        let start = checkpoint.input.saturating_sub(u64::from(has_shared));
        source.seek(SeekFrom::Start(start))?;
        let mut shared = [0];
        if has_shared {
            source.read_exact(&mut shared)?;
        }
        let [shared] = shared;
        let inflater = ZlibInflater::resume(checkpoint.unused_bits, shared, checkpoint.window);
        Ok(Self {
            source,
            inflater: inflater.map_err(to_io_error)?,
            input: vec![0; INPUT_SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
            is_resumed: true,
            trailer: 0,
            is_between_members: false,
        })
    }
}

impl<R: Read> GzipReader<R> {
    /// Reads more compressed bytes when all are used. Returns whether there are any.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = self.source.read(&mut self.input)?;
        }
        Ok(self.start < self.end)
    }

    fn consume(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes).min(self.end);
    }

    /// Notes the end of a member.
    fn end_member(&mut self) -> io::Result<()> {
        if self.is_resumed {
            self.trailer = TRAILER_SIZE;
            self.is_resumed = false;
        }
        self.is_between_members = true;
        let reset = self.inflater.reset_with_gzip_header();
        reset.map_err(to_io_error)
    }
}

impl<R: Read> Read for GzipReader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while !output.is_empty() {
            if self.trailer > 0 {
                if !self.fill()? {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let skipped = self.trailer.min(self.end.saturating_sub(self.start));
                self.consume(skipped);
                self.trailer = self.trailer.saturating_sub(skipped);
                continue;
            }
            // The inflater may hold output that had no room before, so it is asked first.
            let input = self.input.get(self.start..self.end).unwrap_or_default();
            let step = self.inflater.run(input, output, StopAt::BufferEnd);
            let step = step.map_err(to_io_error)?;
            self.is_between_members &= step.consumed == 0;
            self.consume(step.consumed);
            if step.stop == ZlibStop::StreamEnd {
                self.end_member()?;
            }
            if step.produced > 0 {
                return Ok(step.produced);
            }
            if step.stop != ZlibStop::StreamEnd && !self.fill()? {
                if self.is_between_members {
                    return Ok(0);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

fn to_io_error(error: ZlibError) -> io::Error {
    match error {
        ZlibError::Data(reason) => io::Error::new(io::ErrorKind::InvalidData, reason),
        ZlibError::OutOfMemory => io::ErrorKind::OutOfMemory.into(),
    }
}
