//! Sparse files in PAX form: GNU formats 0.0, 0.1 and 1.0.
//!
//! The map itself is of no use to a ztoc. It is read because it must be well-formed for the
//! reader to go on, and because in format 1.0 it lies before the contents.

use super::number::decimal;
use super::pax::{Records, SPARSE_MAP};
use super::{BLOCK, SPECIAL_LIMIT};
use crate::error::TarFault;

/// Where the map of a sparse file lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    /// In the extended header (0.0 and 0.1).
    InRecords,
    /// In front of the contents (1.0).
    InContents,
}

impl Version {
    /// Tells sparse files from others; versions that nobody knows are not sparse.
    pub(crate) fn of(records: &Records) -> Option<Self> {
        let major = record(records, b"GNU.sparse.major");
        let minor = record(records, b"GNU.sparse.minor");
        match (major, minor) {
            (b"0", b"0" | b"1") => Some(Self::InRecords),
            (b"1", b"0") => Some(Self::InContents),
            (b"", b"") if !record(records, SPARSE_MAP).is_empty() => Some(Self::InRecords),
            _ => None,
        }
    }
}

/// Returns a record's value, empty where there is none.
fn record<'a>(records: &'a Records, key: &[u8]) -> &'a [u8] {
    records.get(key).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the real name of a sparse file, if the records give one.
pub(crate) fn name(records: &Records) -> Option<&[u8]> {
    Some(record(records, b"GNU.sparse.name")).filter(|name| !name.is_empty())
}

/// Returns the size of a sparse file with its holes, if the records give one.
pub(crate) fn logical_size(records: &Records) -> Result<Option<i64>, TarFault> {
    let size = match record(records, b"GNU.sparse.size") {
        b"" => record(records, b"GNU.sparse.realsize"),
        size => size,
    };
    if size.is_empty() {
        return Ok(None);
    }
    let field = "GNU.sparse.size";
    decimal(size).map(Some).ok_or(TarFault::PaxNumber { field })
}

/// Checks the map in the records of format 0.0 or 0.1 against the file's size.
pub(crate) fn check_records(records: &Records, size: i64) -> Result<(), TarFault> {
    let count = decimal(record(records, b"GNU.sparse.numblocks"));
    let count = count.and_then(|count| usize::try_from(count).ok());
    let numbers = count.and_then(|count| count.checked_mul(2));
    let numbers = numbers.ok_or(TarFault::SparseMap)?;
    let map = record(records, SPARSE_MAP);
    let mut check = Check::new(size)?;
    let mut found: usize = 0;
    if !map.is_empty() {
        for token in map.split(|&byte| byte == b',') {
            check.number(decimal(token))?;
            found = found.saturating_add(1);
        }
    }
    if found == numbers {
        Ok(())
    } else {
        Err(TarFault::SparseMap)
    }
}

/// Fragments must be in order, apart, and within the file.
struct Check {
    size: i64,
    /// End of the fragment before.
    end: i64,
    /// Start of this fragment, once read.
    offset: Option<i64>,
}

impl Check {
    fn new(size: i64) -> Result<Self, TarFault> {
        if size < 0 {
            return Err(TarFault::SparseMap);
        }
        Ok(Self {
            size,
            end: 0,
            offset: None,
        })
    }

    /// Takes the next number of the map: offsets and lengths by turns.
    fn number(&mut self, number: Option<i64>) -> Result<(), TarFault> {
        let number = number
            .filter(|&number| number >= 0)
            .ok_or(TarFault::SparseMap)?;
        let Some(offset) = self.offset.take() else {
            self.offset = Some(number);
            return Ok(());
        };
        let end = offset.checked_add(number);
        let end = end.filter(|&end| offset >= self.end && end <= self.size);
        self.end = end.ok_or(TarFault::SparseMap)?;
        Ok(())
    }
}

/// The map of format 1.0 as its blocks arrive: a count, then offsets and lengths, one a line.
#[derive(Debug, Default)]
pub(crate) struct Map {
    text: Vec<u8>,
    lines: u64,
    /// Lines in all, known once the first is complete.
    wanted: Option<u64>,
}

/// What a map needs next.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// All of the map was read.
    Complete,
    /// Another block.
    More,
    /// Another block, but the map is as long as a map may be.
    TooLong,
}

impl Map {
    /// Takes the next block of the map.
    pub(crate) fn push(&mut self, block: &[u8; BLOCK]) -> Result<Progress, TarFault> {
        self.text.extend_from_slice(block);
        for &byte in block {
            self.lines = self.lines.saturating_add(u64::from(byte == b'\n'));
        }
        if self.wanted.is_none() && self.lines > 0 {
            let count = self.tokens().next().and_then(decimal);
            let count = count.and_then(|count| u64::try_from(count).ok());
            let numbers = count.and_then(|count| count.checked_mul(2));
            // The reference reads as many numbers into a signed 64-bit count.
            let numbers = numbers.filter(|&numbers| i64::try_from(numbers).is_ok());
            let numbers = numbers.ok_or(TarFault::SparseMap)?;
            self.wanted = Some(numbers.saturating_add(1));
        }
        Ok(match self.wanted {
            Some(wanted) if self.lines >= wanted => Progress::Complete,
            _ if self.text.len() as u64 >= SPECIAL_LIMIT => Progress::TooLong,
            _ => Progress::More,
        })
    }

    /// Checks a complete map against the file's size.
    pub(crate) fn check(&self, size: i64) -> Result<(), TarFault> {
        let mut check = Check::new(size)?;
        let numbers = self.wanted.unwrap_or(1).saturating_sub(1);
        let numbers = usize::try_from(numbers).unwrap_or(usize::MAX);
        for token in self.tokens().skip(1).take(numbers) {
            check.number(decimal(token))?;
        }
        Ok(())
    }

    fn tokens(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&byte| byte == b'\n')
    }
}
