//! The checksum that follows the compressed data of a gzip member or of a zlib stream.

use crc32fast::Hasher;
use zlib_rs::adler32::adler32;

/// The first byte of a gzip member (RFC 1952, section 2.3.1).
pub(crate) const GZIP_ID1: u8 = 0x1f;

/// The checksum of a member's output so far.
#[derive(Debug)]
pub(crate) enum Checksum {
    /// The checksum of gzip (RFC 1952, section 2.3.1).
    Crc32(Hasher),
    /// The checksum of zlib (RFC 1950, section 2.2).
    Adler32(u32),
}

impl Checksum {
    /// Returns the checksum of no output, of the kind that a stream with this first byte has.
    pub(crate) fn for_first_byte(first: u8) -> Self {
        match first {
            GZIP_ID1 => Self::Crc32(Hasher::new()),
            _ => Self::Adler32(1),
        }
    }

    /// Adds output of the member.
    pub(crate) fn update(&mut self, output: &[u8]) {
        match self {
            Self::Crc32(sum) => sum.update(output),
            Self::Adler32(sum) => *sum = adler32(*sum, output),
        }
    }
}
