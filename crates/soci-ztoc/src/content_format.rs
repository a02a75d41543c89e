//! Recognises the format of a layer by its first bytes, without regard to its media type.

use std::fmt;

use crate::tar::BLOCK_SIZE;
use crate::tar::header::is_header;

/// The format of a file, as its first bytes show it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ContentFormat {
    /// bzip2.
    Bzip2,
    /// LZW, as the program `compress` writes it.
    Compress,
    /// gzip (RFC 1952).
    Gzip,
    /// LZ4, in the current or the legacy frame format.
    Lz4,
    /// lzip.
    Lzip,
    /// LZMA without a container.
    Lzma,
    /// 7-Zip.
    SevenZip,
    /// A squashfs file system.
    Squashfs,
    /// An uncompressed tar, which may be empty.
    Tar,
    /// xz.
    Xz,
    /// A zip archive.
    Zip,
    /// zlib (RFC 1950), with a window of 32 KiB and no preset dictionary.
    Zlib,
    /// zstd (RFC 8878), which may start with a skippable frame.
    Zstd,
}

/// The first bytes of files of a format.
const SIGNATURES: &[(&[u8], ContentFormat)] = &[
    (b"\x1f\x8b", ContentFormat::Gzip),
    (b"\x28\xb5\x2f\xfd", ContentFormat::Zstd),
    (b"\xfd7zXZ\0", ContentFormat::Xz),
    (b"BZh", ContentFormat::Bzip2),
    (b"\x1f\x9d", ContentFormat::Compress),
    (b"\x04\x22\x4d\x18", ContentFormat::Lz4),
    (b"\x02\x21\x4c\x18", ContentFormat::Lz4),
    (b"LZIP", ContentFormat::Lzip),
    (b"\x5d\0\0", ContentFormat::Lzma),
    (b"7z\xbc\xaf\x27\x1c", ContentFormat::SevenZip),
    (b"hsqs", ContentFormat::Squashfs),
    (b"PK\x03\x04", ContentFormat::Zip),
    (b"\x78\x01", ContentFormat::Zlib),
    (b"\x78\x5e", ContentFormat::Zlib),
    (b"\x78\x9c", ContentFormat::Zlib),
    (b"\x78\xda", ContentFormat::Zlib),
];

/// The magic number of a zstd skippable frame, without its lowest four bits (RFC 8878, section
/// 3.1.2). `pzstd` writes such a frame first.
const ZSTD_SKIPPABLE: u32 = 0x184d_2a50;

impl ContentFormat {
    /// How many of the first bytes [`ContentFormat::detect`] looks at: one tar header.
    pub const PREFIX_LENGTH: usize = BLOCK_SIZE;

    /// Returns the format of a file that starts with `first_bytes`, or `None` if it is not known.
    /// A tar is recognised only if [`ContentFormat::PREFIX_LENGTH`] bytes are given.
    pub fn detect(first_bytes: &[u8]) -> Option<Self> {
        // The name of a tar's first entry may start with any signature.
        if starts_with_tar_block(first_bytes) {
            return Some(Self::Tar);
        }
        if let Some(magic) = first_bytes.first_chunk()
            && u32::from_le_bytes(*magic) & !0xf == ZSTD_SKIPPABLE
        {
            return Some(Self::Zstd);
        }
        let mut signatures = SIGNATURES.iter();
        let found = signatures.find(|(signature, _)| first_bytes.starts_with(signature));
        found.map(|(_, format)| *format)
    }
}

/// Returns whether a file starts with a tar header, or with the zeros of a tar without entries.
fn starts_with_tar_block(bytes: &[u8]) -> bool {
    bytes
        .first_chunk()
        .is_some_and(|block| block == &[0; BLOCK_SIZE] || is_header(block))
}

/// Displays the format as a part of a sentence, such as `zstd` or `a plain tar`.
impl fmt::Display for ContentFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bzip2 => "bzip2",
            Self::Compress => "the program compress",
            Self::Gzip => "gzip",
            Self::Lz4 => "LZ4",
            Self::Lzip => "lzip",
            Self::Lzma => "LZMA",
            Self::SevenZip => "7-Zip",
            Self::Squashfs => "a squashfs file system",
            Self::Tar => "a plain tar",
            Self::Xz => "xz",
            Self::Zip => "a zip archive",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        })
    }
}
