//! One 512-byte tar header: its checksum, its format and its fields.
//!
//! Field positions are those of POSIX ustar, star and GNU tar. The accepted values are those of
//! Go's `archive/tar` (`Reader.readHeader`), including the malformed GNU headers of Go before 1.8.

use std::ops::Range;

use super::BLOCK_SIZE;
use super::number::{c_string, parse_numeric, parse_octal};
use crate::error::TarFault;
use crate::time::Timestamp;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
/// What the bytes of [`CHECKSUM`] add to the checksum: they count as eight spaces.
const CHECKSUM_SPACES: i64 = 8 * 0x20;
const TYPEFLAG: usize = 156;
const LINKNAME: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const VERSION: Range<usize> = 263..265;
const UNAME: Range<usize> = 265..297;
const GNAME: Range<usize> = 297..329;
const DEVMAJOR: Range<usize> = 329..337;
const DEVMINOR: Range<usize> = 337..345;
const USTAR_PREFIX: Range<usize> = 345..500;
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_TIMES: [Range<usize>; 2] = [476..488, 488..500];
const STAR_TRAILER: Range<usize> = 508..512;
const GNU_TIMES: [Range<usize>; 2] = [345..357, 357..369];

/// The dialect of a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// GNU tar.
    Gnu,
    /// Jörg Schilling's star.
    Star,
    /// POSIX ustar, with or without PAX records.
    Ustar,
    /// Unix version 7, before POSIX: no owner names, devices or name prefix.
    V7,
}

/// The fields of one header, before extended headers override them.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) format: Format,
    pub(crate) typeflag: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) linkname: Vec<u8>,
    pub(crate) size: i64,
    pub(crate) mode: i64,
    pub(crate) uid: i64,
    pub(crate) gid: i64,
    pub(crate) mtime: Timestamp,
    pub(crate) uname: Vec<u8>,
    pub(crate) gname: Vec<u8>,
    pub(crate) devmajor: i64,
    pub(crate) devminor: i64,
}

impl Header {
    /// Parses a block that is not all zeros.
    pub(crate) fn parse(block: &[u8; BLOCK_SIZE]) -> Result<Self, TarFault> {
        let format = detect_format(block)?;
        let mut header = Self {
            format,
            typeflag: block.get(TYPEFLAG).copied().unwrap_or_default(),
            name: string_field(block, NAME).to_vec(),
            linkname: string_field(block, LINKNAME).to_vec(),
            size: numeric_field(block, SIZE, "size")?,
            mode: numeric_field(block, MODE, "mode")?,
            uid: numeric_field(block, UID, "uid")?,
            gid: numeric_field(block, GID, "gid")?,
            mtime: Timestamp::from_seconds(numeric_field(block, MTIME, "mtime")?),
            uname: Vec::new(),
            gname: Vec::new(),
            devmajor: 0,
            devminor: 0,
        };
        if format == Format::V7 {
            return Ok(header);
        }
        header.uname = string_field(block, UNAME).to_vec();
        header.gname = string_field(block, GNAME).to_vec();
        header.devmajor = numeric_field(block, DEVMAJOR, "devmajor")?;
        header.devminor = numeric_field(block, DEVMINOR, "devminor")?;
        let prefix = name_prefix(block, format)?;
        if !prefix.is_empty() {
            header.name = [prefix, b"/", &header.name].concat();
        }
        Ok(header)
    }

    /// Returns the number of content bytes that follow. Header-only types have none, even if their
    /// size field is not zero.
    pub(crate) fn content_length(&self) -> Result<u64, TarFault> {
        if self.is_header_only() {
            return Ok(0);
        }
        let size = u64::try_from(self.size).ok();
        size.ok_or(TarFault::NegativeSize { size: self.size })
    }

    /// Returns whether entries of this type have no content: links, devices, directories, FIFOs.
    pub(crate) const fn is_header_only(&self) -> bool {
        matches!(self.typeflag, b'1'..=b'6')
    }
}

/// Returns whether a block is a header: whether its checksum is right.
pub(crate) fn is_header(block: &[u8; BLOCK_SIZE]) -> bool {
    detect_format(block).is_ok()
}

/// Verifies the checksum and returns the dialect.
fn detect_format(block: &[u8; BLOCK_SIZE]) -> Result<Format, TarFault> {
    let expected = parse_octal(field_bytes(block, CHECKSUM));
    let expected = expected.ok_or(TarFault::Number { field: "checksum" })?;
    let (unsigned, signed) = compute_checksums(block);
    if expected != unsigned && expected != signed {
        return Err(TarFault::Checksum {
            expected,
            found: unsigned,
        });
    }
    let trailer = field_bytes(block, STAR_TRAILER);
    Ok(
        match (field_bytes(block, MAGIC), field_bytes(block, VERSION)) {
            (b"ustar\0", _) if trailer == b"tar\0" => Format::Star,
            (b"ustar\0", _) => Format::Ustar,
            (b"ustar ", b" \0") => Format::Gnu,
            _ => Format::V7,
        },
    )
}

/// Returns the sums of unsigned and of signed bytes, in which the checksum field counts as spaces.
/// POSIX sums unsigned bytes; some old tars summed signed ones.
fn compute_checksums(block: &[u8; BLOCK_SIZE]) -> (i64, i64) {
    let sum = |bytes: &[u8]| {
        bytes.iter().fold((0_u32, 0_u32), |(sum, negative), &byte| {
            let sum = sum.wrapping_add(u32::from(byte));
            (sum, negative.wrapping_add(u32::from(byte >> 7)))
        })
    };
    let (block_sum, block_negative) = sum(block);
    let (field_sum, field_negative) = sum(field_bytes(block, CHECKSUM));
    let unsigned = i64::from(block_sum.wrapping_sub(field_sum)).wrapping_add(CHECKSUM_SPACES);
    // A signed byte is 256 less than the unsigned one if its top bit is set.
    let negative = i64::from(block_negative.wrapping_sub(field_negative));
    (unsigned, unsigned.wrapping_sub(negative.wrapping_mul(256)))
}

/// Returns the first part of a long name, which some formats keep in a field of its own. A slash
/// separates it from the content of the name field.
fn name_prefix(block: &[u8; BLOCK_SIZE], format: Format) -> Result<&[u8], TarFault> {
    match format {
        Format::V7 => Ok(&[]),
        Format::Ustar => Ok(string_field(block, USTAR_PREFIX)),
        Format::Star => {
            for time in STAR_TIMES {
                numeric_field(block, time, "access or change time")?;
            }
            Ok(string_field(block, STAR_PREFIX))
        }
        Format::Gnu => {
            let has_invalid_time = GNU_TIMES.into_iter().any(|time| {
                let time = field_bytes(block, time);
                time.first() != Some(&0) && parse_numeric(time).is_none()
            });
            // Go before 1.8 wrote a ustar prefix where GNU tar keeps two times.
            let prefix = string_field(block, USTAR_PREFIX);
            Ok(if has_invalid_time && prefix.is_ascii() {
                prefix
            } else {
                &[]
            })
        }
    }
}

fn field_bytes(block: &[u8; BLOCK_SIZE], range: Range<usize>) -> &[u8] {
    block.get(range).unwrap_or_default()
}

fn string_field(block: &[u8; BLOCK_SIZE], range: Range<usize>) -> &[u8] {
    c_string(field_bytes(block, range))
}

fn numeric_field(
    block: &[u8; BLOCK_SIZE],
    range: Range<usize>,
    name: &'static str,
) -> Result<i64, TarFault> {
    parse_numeric(field_bytes(block, range)).ok_or(TarFault::Number { field: name })
}
