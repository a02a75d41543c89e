//! Sparse files in PAX form: GNU sparse formats 0.0, 0.1 and 1.0.
//!
//! A ztoc does not hold the map of a sparse file. It is read because Go's `archive/tar` refuses a
//! malformed map, and because in format 1.0 it lies before the contents.

use super::number::parse_decimal;
use super::pax::{Records, SPARSE_MAP};
use super::{BLOCK_SIZE, MAX_EXTENSION_SIZE};
use crate::error::TarFault;

/// Where a sparse file keeps its map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SparseFormat {
    /// In the extended header (formats 0.0 and 0.1).
    InRecords,
    /// Before the contents (format 1.0).
    InContents,
}

impl SparseFormat {
    /// Returns the format of a sparse file, and `None` for other files. Files of unknown format
    /// versions are not sparse.
    pub(crate) fn detect(records: &Records) -> Option<Self> {
        let major = record_value(records, b"GNU.sparse.major");
        let minor = record_value(records, b"GNU.sparse.minor");
        match (major, minor) {
            (b"0", b"0" | b"1") => Some(Self::InRecords),
            (b"1", b"0") => Some(Self::InContents),
            (b"", b"") if !record_value(records, SPARSE_MAP).is_empty() => Some(Self::InRecords),
            _ => None,
        }
    }
}

/// Returns the value of a record, empty if there is no such record.
fn record_value<'a>(records: &'a Records, key: &[u8]) -> &'a [u8] {
    records.get(key).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the real name of a sparse file, if the records hold it.
pub(crate) fn real_name(records: &Records) -> Option<&[u8]> {
    Some(record_value(records, b"GNU.sparse.name")).filter(|name| !name.is_empty())
}

/// Returns the size of a sparse file including its holes, if the records hold it.
pub(crate) fn logical_size(records: &Records) -> Result<Option<i64>, TarFault> {
    let size = match record_value(records, b"GNU.sparse.size") {
        b"" => record_value(records, b"GNU.sparse.realsize"),
        size => size,
    };
    if size.is_empty() {
        return Ok(None);
    }
    let field = "GNU.sparse.size";
    let size = parse_decimal(size);
    size.map(Some).ok_or(TarFault::PaxNumber { field })
}

/// Checks the map in the records of format 0.0 or 0.1 against the logical size of the file.
pub(crate) fn check_map_record(records: &Records, size: i64) -> Result<(), TarFault> {
    let count = parse_decimal(record_value(records, b"GNU.sparse.numblocks"));
    let count = count.and_then(|count| usize::try_from(count).ok());
    let expected = count.and_then(|count| count.checked_mul(2));
    let expected = expected.ok_or(TarFault::SparseMap)?;
    let map = record_value(records, SPARSE_MAP);
    let mut check = FragmentCheck::new(size)?;
    let mut found: usize = 0;
    if !map.is_empty() {
        for token in map.split(|&byte| byte == b',') {
            check.push_number(parse_decimal(token))?;
            found = found.saturating_add(1);
        }
    }
    if found == expected {
        Ok(())
    } else {
        Err(TarFault::SparseMap)
    }
}

/// Checks that the fragments of a map are in order, do not overlap, and lie within the file.
struct FragmentCheck {
    size: i64,
    /// End of the previous fragment.
    previous_end: i64,
    /// Start of this fragment, once read.
    offset: Option<i64>,
}

impl FragmentCheck {
    fn new(size: i64) -> Result<Self, TarFault> {
        if size < 0 {
            return Err(TarFault::SparseMap);
        }
        Ok(Self {
            size,
            previous_end: 0,
            offset: None,
        })
    }

    /// Checks the next number of the map, in which offsets and lengths alternate.
    fn push_number(&mut self, number: Option<i64>) -> Result<(), TarFault> {
        let number = number.filter(|&number| number >= 0);
        let number = number.ok_or(TarFault::SparseMap)?;
        let Some(offset) = self.offset.take() else {
            self.offset = Some(number);
            return Ok(());
        };
        let end = offset.checked_add(number);
        let end = end.filter(|&end| offset >= self.previous_end && end <= self.size);
        self.previous_end = end.ok_or(TarFault::SparseMap)?;
        Ok(())
    }
}

/// The map of format 1.0, as far as its blocks have arrived: a count of fragments, then the offset
/// and length of each fragment, one number in each line.
#[derive(Debug, Default)]
pub(crate) struct ContentMap {
    text: Vec<u8>,
    lines: u64,
    /// Number of lines that the map has, known once the first line is complete.
    expected_lines: Option<u64>,
}

/// What a map needs next.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum MapProgress {
    /// Nothing: the map is complete.
    Complete,
    /// Another block.
    NeedsBlock,
    /// Another block, but the map has [`MAX_EXTENSION_SIZE`] bytes already.
    TooLong,
}

impl ContentMap {
    /// Adds the next block of the map.
    pub(crate) fn push_block(&mut self, block: &[u8; BLOCK_SIZE]) -> Result<MapProgress, TarFault> {
        self.text.extend_from_slice(block);
        for &byte in block {
            self.lines = self.lines.saturating_add(u64::from(byte == b'\n'));
        }
        if self.expected_lines.is_none() && self.lines > 0 {
            let count = self.tokens().next().and_then(parse_decimal);
            let count = count.and_then(|count| u64::try_from(count).ok());
            let numbers = count.and_then(|count| count.checked_mul(2));
            // The reference counts the numbers in 64 signed bits.
            let numbers = numbers.filter(|&numbers| i64::try_from(numbers).is_ok());
            let numbers = numbers.ok_or(TarFault::SparseMap)?;
            self.expected_lines = Some(numbers.saturating_add(1));
        }
        Ok(match self.expected_lines {
            Some(expected) if self.lines >= expected => MapProgress::Complete,
            _ if self.text.len() as u64 >= MAX_EXTENSION_SIZE => MapProgress::TooLong,
            _ => MapProgress::NeedsBlock,
        })
    }

    /// Checks a complete map against the logical size of the file.
    pub(crate) fn check_fragments(&self, size: i64) -> Result<(), TarFault> {
        let mut check = FragmentCheck::new(size)?;
        let numbers = self.expected_lines.unwrap_or(1).saturating_sub(1);
        let numbers = usize::try_from(numbers).unwrap_or(usize::MAX);
        for token in self.tokens().skip(1).take(numbers) {
            check.push_number(parse_decimal(token))?;
        }
        Ok(())
    }

    fn tokens(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&byte| byte == b'\n')
    }
}
