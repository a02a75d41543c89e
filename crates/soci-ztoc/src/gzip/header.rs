//! Checks gzip headers (RFC 1952, section 2.3) beyond what zlib checks.
//!
//! zlib parses and verifies the headers. The readers of a ztoc use Go's `compress/gzip`, which
//! refuses three kinds of header that zlib accepts; those are found here.

use crate::error::GzipHeaderFault;

/// The longest file name or comment that Go accepts, in bytes without the NUL.
const MAX_TEXT_LENGTH: u32 = 511;

/// Flag bits of the header (RFC 1952, section 2.3.1).
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;

/// Follows the bytes of one header.
#[derive(Debug)]
pub(crate) struct HeaderCheck {
    field: Field,
    flags: u8,
}

/// The part of the header that the next byte belongs to.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// The ten bytes that every header has.
    Fixed { index: u8 },
    /// The length of the extra field, low byte first.
    ExtraLength { low: Option<u8> },
    /// The extra field.
    Extra { left: u16 },
    /// The file name, up to its NUL.
    Name { length: u32 },
    /// The comment, up to its NUL.
    Comment { length: u32 },
    /// What follows: a header checksum, which zlib verifies, or nothing.
    Rest,
}

impl HeaderCheck {
    pub(crate) const fn new() -> Self {
        Self {
            field: Field::Fixed { index: 0 },
            flags: 0,
        }
    }

    /// Checks the next bytes, all of which must belong to the header.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), GzipHeaderFault> {
        for &byte in bytes {
            self.field = self.next_field(byte)?;
        }
        Ok(())
    }

    fn next_field(&mut self, byte: u8) -> Result<Field, GzipHeaderFault> {
        Ok(match self.field {
            Field::Fixed { index: 0 } if byte != 0x1f => return Err(GzipHeaderFault::Zlib),
            Field::Fixed { index: 1 } if byte != 0x8b => return Err(GzipHeaderFault::Zlib),
            Field::Fixed { index: 9 } => self.field_after_fixed(),
            Field::Fixed { index } => {
                if index == 3 {
                    self.flags = byte;
                }
                let index = index.saturating_add(1);
                Field::Fixed { index }
            }
            Field::ExtraLength { low: None } => Field::ExtraLength { low: Some(byte) },
            Field::ExtraLength { low: Some(low) } => match u16::from_le_bytes([low, byte]) {
                0 => self.field_after_extra(),
                left => Field::Extra { left },
            },
            Field::Extra { left: 1 } => self.field_after_extra(),
            Field::Extra { left } => Field::Extra {
                left: left.saturating_sub(1),
            },
            Field::Name { .. } if byte == 0 => self.field_after_name(),
            Field::Name { length } if length == MAX_TEXT_LENGTH => {
                return Err(GzipHeaderFault::LongName);
            }
            Field::Name { length } => Field::Name {
                length: length.saturating_add(1),
            },
            Field::Comment { .. } if byte == 0 => Field::Rest,
            Field::Comment { length } if length == MAX_TEXT_LENGTH => {
                return Err(GzipHeaderFault::LongComment);
            }
            Field::Comment { length } => Field::Comment {
                length: length.saturating_add(1),
            },
            Field::Rest => Field::Rest,
        })
    }

    const fn field_after_fixed(&self) -> Field {
        if self.flags & FEXTRA != 0 {
            return Field::ExtraLength { low: None };
        }
        self.field_after_extra()
    }

    const fn field_after_extra(&self) -> Field {
        if self.flags & FNAME != 0 {
            return Field::Name { length: 0 };
        }
        self.field_after_name()
    }

    const fn field_after_name(&self) -> Field {
        if self.flags & FCOMMENT != 0 {
            return Field::Comment { length: 0 };
        }
        Field::Rest
    }
}
