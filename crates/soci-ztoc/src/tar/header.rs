//! One 512-byte tar header: checksum, format, fields.
//!
//! Field positions are those of POSIX ustar, star and GNU tar. What a field may hold is as in Go's
//! `archive/tar` (`Reader.readHeader`), including its patience with the headers of old Go writers.

use std::ops::Range;

use super::BLOCK;
use super::number::{c_string, numeric, octal};
use crate::error::TarFault;
use crate::time::Timestamp;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
/// What the bytes of [`CHECKSUM`] count for in the sum: eight spaces.
const SPACES: i64 = 8 * 0x20;
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
    /// Before POSIX: no owner names, devices or prefix.
    V7,
}

/// What one header says, before extended headers have their say.
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
    /// Reads a block that is not all zeros.
    pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<Self, TarFault> {
        let format = format_of(block)?;
        let mut header = Self {
            format,
            typeflag: block.get(TYPEFLAG).copied().unwrap_or_default(),
            name: string(block, NAME).to_vec(),
            linkname: string(block, LINKNAME).to_vec(),
            size: number(block, SIZE, "size")?,
            mode: number(block, MODE, "mode")?,
            uid: number(block, UID, "uid")?,
            gid: number(block, GID, "gid")?,
            mtime: Timestamp::from_seconds(number(block, MTIME, "mtime")?),
            uname: Vec::new(),
            gname: Vec::new(),
            devmajor: 0,
            devminor: 0,
        };
        if format == Format::V7 {
            return Ok(header);
        }
        header.uname = string(block, UNAME).to_vec();
        header.gname = string(block, GNAME).to_vec();
        header.devmajor = number(block, DEVMAJOR, "devmajor")?;
        header.devminor = number(block, DEVMINOR, "devminor")?;
        let prefix = prefix(block, format)?;
        if !prefix.is_empty() {
            header.name = [prefix, b"/", &header.name].concat();
        }
        Ok(header)
    }

    /// Bytes of content that follow, which some types never have whatever their size says.
    pub(crate) fn content_length(&self) -> Result<u64, TarFault> {
        if self.is_header_only() {
            return Ok(0);
        }
        let size = u64::try_from(self.size).ok();
        size.ok_or(TarFault::NegativeSize { size: self.size })
    }

    /// Says whether entries of this type have no content.
    pub(crate) const fn is_header_only(&self) -> bool {
        matches!(self.typeflag, b'1'..=b'6')
    }
}

fn format_of(block: &[u8; BLOCK]) -> Result<Format, TarFault> {
    let expected = octal(field(block, CHECKSUM)).ok_or(TarFault::Number { field: "checksum" })?;
    let (unsigned, signed) = checksums(block);
    if expected != unsigned && expected != signed {
        return Err(TarFault::Checksum {
            expected,
            found: unsigned,
        });
    }
    let trailer = field(block, STAR_TRAILER);
    Ok(match (field(block, MAGIC), field(block, VERSION)) {
        (b"ustar\0", _) if trailer == b"tar\0" => Format::Star,
        (b"ustar\0", _) => Format::Ustar,
        (b"ustar ", b" \0") => Format::Gnu,
        _ => Format::V7,
    })
}

/// Sums the block's bytes with the checksum field taken as spaces: POSIX sums them unsigned, some
/// old tars signed.
fn checksums(block: &[u8; BLOCK]) -> (i64, i64) {
    let sum = |bytes: &[u8]| {
        bytes.iter().fold((0_u32, 0_u32), |(sum, high), &byte| {
            let sum = sum.wrapping_add(u32::from(byte));
            (sum, high.wrapping_add(u32::from(byte >> 7)))
        })
    };
    let (whole, whole_high) = sum(block);
    let (own, own_high) = sum(field(block, CHECKSUM));
    let unsigned = i64::from(whole.wrapping_sub(own)).wrapping_add(SPACES);
    let high = i64::from(whole_high.wrapping_sub(own_high));
    (unsigned, unsigned.wrapping_sub(high.wrapping_mul(256)))
}

fn prefix(block: &[u8; BLOCK], format: Format) -> Result<&[u8], TarFault> {
    match format {
        Format::V7 => Ok(&[]),
        Format::Ustar => Ok(string(block, USTAR_PREFIX)),
        Format::Star => {
            for time in STAR_TIMES {
                number(block, time, "access or change time")?;
            }
            Ok(string(block, STAR_PREFIX))
        }
        Format::Gnu => {
            let unreadable = GNU_TIMES.into_iter().any(|time| {
                let time = field(block, time);
                time.first() != Some(&0) && numeric(time).is_none()
            });
            // Go before 1.8 wrote a ustar prefix where GNU tar keeps two times.
            let prefix = string(block, USTAR_PREFIX);
            Ok(if unreadable && prefix.is_ascii() {
                prefix
            } else {
                &[]
            })
        }
    }
}

fn field(block: &[u8; BLOCK], range: Range<usize>) -> &[u8] {
    block.get(range).unwrap_or_default()
}

fn string(block: &[u8; BLOCK], range: Range<usize>) -> &[u8] {
    c_string(field(block, range))
}

fn number(block: &[u8; BLOCK], range: Range<usize>, name: &'static str) -> Result<i64, TarFault> {
    numeric(field(block, range)).ok_or(TarFault::Number { field: name })
}
