//! A second look at gzip headers (RFC 1952, section 2.3) while they pass.
//!
//! zlib reads and verifies the headers. But the readers of a ztoc use Go's `compress/gzip`, which
//! is stricter in the few points checked here.

use crate::error::GzipHeaderFault;

/// The longest file name or comment, without its NUL, that the readers accept.
const LONGEST_TEXT: u32 = 511;

const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;

/// Follows one header, byte by byte.
#[derive(Debug)]
pub(crate) struct HeaderCheck {
    part: Part,
    flags: u8,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// The ten bytes that are always there.
    Fixed { index: u8 },
    /// The length of the extra field, low byte first.
    ExtraLength { low: Option<u8> },
    /// The extra field itself.
    Extra { left: u16 },
    /// File name up to its NUL.
    Name { length: u32 },
    /// Comment up to its NUL.
    Comment { length: u32 },
    /// A checksum, which zlib verifies, or nothing.
    Done,
}

impl HeaderCheck {
    pub(crate) const fn new() -> Self {
        Self {
            part: Part::Fixed { index: 0 },
            flags: 0,
        }
    }

    /// Takes the next bytes of the header, which must all belong to it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), GzipHeaderFault> {
        for &byte in bytes {
            self.part = self.next(byte)?;
        }
        Ok(())
    }

    fn next(&mut self, byte: u8) -> Result<Part, GzipHeaderFault> {
        Ok(match self.part {
            Part::Fixed { index: 0 } if byte != 0x1f => return Err(GzipHeaderFault::Zlib),
            Part::Fixed { index: 1 } if byte != 0x8b => return Err(GzipHeaderFault::Zlib),
            Part::Fixed { index: 9 } => self.after_fixed(),
            Part::Fixed { index } => {
                if index == 3 {
                    self.flags = byte;
                }
                let index = index.saturating_add(1);
                Part::Fixed { index }
            }
            Part::ExtraLength { low: None } => Part::ExtraLength { low: Some(byte) },
            Part::ExtraLength { low: Some(low) } => match u16::from_le_bytes([low, byte]) {
                0 => self.after_extra(),
                left => Part::Extra { left },
            },
            Part::Extra { left: 1 } => self.after_extra(),
            Part::Extra { left } => Part::Extra {
                left: left.saturating_sub(1),
            },
            Part::Name { .. } if byte == 0 => self.after_name(),
            Part::Name { length } if length == LONGEST_TEXT => {
                return Err(GzipHeaderFault::LongName);
            }
            Part::Name { length } => Part::Name {
                length: length.saturating_add(1),
            },
            Part::Comment { .. } if byte == 0 => Part::Done,
            Part::Comment { length } if length == LONGEST_TEXT => {
                return Err(GzipHeaderFault::LongComment);
            }
            Part::Comment { length } => Part::Comment {
                length: length.saturating_add(1),
            },
            Part::Done => Part::Done,
        })
    }

    const fn after_fixed(&self) -> Part {
        if self.flags & EXTRA != 0 {
            return Part::ExtraLength { low: None };
        }
        self.after_extra()
    }

    const fn after_extra(&self) -> Part {
        if self.flags & NAME != 0 {
            return Part::Name { length: 0 };
        }
        self.after_name()
    }

    const fn after_name(&self) -> Part {
        if self.flags & COMMENT != 0 {
            return Part::Comment { length: 0 };
        }
        Part::Done
    }
}
