//! Decompresses a span from its checkpoint alone, as the readers of a ztoc do.

use super::zlib::{StopAt, ZlibError, ZlibInflater, ZlibStop};
use crate::checkpoint::Checkpoint;

/// Length of a gzip trailer in bytes: CRC-32 and size (RFC 1952, section 2.3.1).
const TRAILER_SIZE: usize = 8;

/// Decompresses from a checkpoint on, across the ends of gzip members. Checksums are not compared.
#[derive(Debug)]
pub(crate) struct SpanInflater {
    inflater: ZlibInflater,
    /// The member was resumed without its header, so zlib does not read its trailer.
    is_resumed: bool,
    /// Bytes of the trailer that are to be skipped.
    trailer: usize,
}

impl SpanInflater {
    /// Resumes at `checkpoint`. `shared` is the byte before its offset, which matters if some of
    /// its bits are unused.
    pub(crate) fn resume(checkpoint: Checkpoint<'_>, shared: u8) -> Result<Self, ZlibError> {
        let Checkpoint {
            unused_bits,
            window,
            ..
        } = checkpoint;
        Ok(Self {
            inflater: ZlibInflater::resume(unused_bits, shared, window)?,
            is_resumed: true,
            trailer: 0,
        })
    }

    /// Decompresses from `input`, which it advances, to `output`. Returns the number of bytes
    /// written, which is less than `output` holds only if the input is used up.
    pub(crate) fn run(&mut self, input: &mut &[u8], output: &mut [u8]) -> Result<usize, ZlibError> {
        let mut written: usize = 0;
        while written < output.len() {
            let skipped = self.trailer.min(input.len());
            *input = input.get(skipped..).unwrap_or_default();
            self.trailer = self.trailer.saturating_sub(skipped);
            if self.trailer > 0 {
                break;
            }
            let free = output.get_mut(written..).unwrap_or_default();
            let step = self.inflater.run(input, free, StopAt::BufferEnd)?;
            *input = input.get(step.consumed..).unwrap_or_default();
            written = written.saturating_add(step.produced);
            if step.stop == ZlibStop::StreamEnd {
                if std::mem::take(&mut self.is_resumed) {
                    self.trailer = TRAILER_SIZE;
                }
                self.inflater.reset_with_gzip_header()?;
            } else if step.produced == 0 && step.consumed == 0 {
                break;
            }
        }
        Ok(written)
    }
}
