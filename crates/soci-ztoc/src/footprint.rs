//! How much memory decoding a ztoc takes, found out before any is allocated.
//!
//! A flatbuffer refers to its parts by offsets, so that a few bytes can name one entry, or one
//! string, millions of times. The parts are therefore visited once, and counted as often as they
//! are named. Only a ztoc that stays within the limits is decoded.

use crate::decode_error::DecodeError;
use crate::entry::{FileMetadata, Xattr};
use crate::error::LimitKind;
use crate::flat::{FlatReader, FlatTable};
use crate::limits::Limits;
use crate::ztoc::Span;

/// Bytes that decoding may allocate for each byte of a ztoc. The smallest entry that a builder
/// writes has 120 bytes and takes about 400; one that is named twice takes them twice.
const MEMORY_FACTOR: usize = 4;

/// Bytes that decoding may allocate for any ztoc.
const MEMORY_BASE: usize = 64 << 10;

/// Bytes that an allocation takes besides its content, at most.
const ALLOCATION_COST: usize = 24;

/// Counts the memory that the parts of a ztoc take.
struct Meter {
    memory: usize,
    /// Bytes of names, owners and extended attributes.
    strings: u64,
    limit: usize,
    limits: Limits,
    /// The error above `limit`.
    above: DecodeError,
}

/// Checks that decoding `bytes` allocates no more than four times their length, and that this and
/// the bytes themselves are within `max_memory`. Checkpoints are not counted, because they can stay
/// where they are.
pub(crate) fn check_footprint(bytes: &[u8], max_memory: u64) -> Result<(), DecodeError> {
    let max = usize::try_from(max_memory).unwrap_or(usize::MAX);
    let absolute = max.saturating_sub(bytes.len());
    let relative = bytes.len().saturating_mul(MEMORY_FACTOR);
    let relative = relative.saturating_add(MEMORY_BASE);
    let mut meter = Meter {
        memory: 0,
        strings: 0,
        limit: relative.min(absolute),
        limits: Limits::default(),
        above: if absolute < relative {
            DecodeError::Memory { limit: max_memory }
        } else {
            DecodeError::Overlapping
        },
    };
    let reader = FlatReader::new(bytes);
    let root = reader.root_table()?;
    if let Some(toc) = root.read_table(4)? {
        meter.add_entries(&toc)?;
    }
    if let Some(info) = root.read_table(5)? {
        meter.add_spans(&info)?;
    }
    Ok(())
}

impl Meter {
    fn add_entries(&mut self, toc: &FlatTable<'_, '_>) -> Result<(), DecodeError> {
        let entries = toc.read_vector(0)?;
        let limit = self.limits.entries;
        if entries.len() as u64 > limit {
            let what = LimitKind::Entries;
            return Err(DecodeError::Limit { what, limit });
        }
        self.add(entries.len().saturating_mul(size_of::<FileMetadata>()))?;
        for entry in entries.read_tables() {
            let entry = entry?;
            // The names of the entry, its link target, its owner and group, and its time.
            for field in [0, 4, 8, 9, 10] {
                self.add_string(&entry, field)?;
            }
            let xattrs = entry.read_vector(13)?;
            self.add(xattrs.len().saturating_mul(size_of::<Xattr>()))?;
            for xattr in xattrs.read_tables() {
                let xattr = xattr?;
                self.add_string(&xattr, 0)?;
                self.add_string(&xattr, 1)?;
            }
        }
        Ok(())
    }

    fn add_spans(&mut self, info: &FlatTable<'_, '_>) -> Result<(), DecodeError> {
        let digest = size_of::<[u8; 32]>().saturating_add(size_of::<Span>());
        self.add(info.read_vector(2)?.len().saturating_mul(digest))
    }

    fn add_string(&mut self, table: &FlatTable<'_, '_>, field: usize) -> Result<(), DecodeError> {
        let length = table.read_bytes(field)?.map_or(0, <[u8]>::len);
        if length == 0 {
            return Ok(());
        }
        self.strings = self.strings.saturating_add(length as u64);
        let limit = self.limits.string_bytes;
        if self.strings > limit {
            let what = LimitKind::StringBytes;
            return Err(DecodeError::Limit { what, limit });
        }
        self.add(length.saturating_add(ALLOCATION_COST))
    }

    fn add(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.memory = self.memory.saturating_add(bytes);
        if self.memory <= self.limit {
            return Ok(());
        }
        Err(self.above.clone())
    }
}
