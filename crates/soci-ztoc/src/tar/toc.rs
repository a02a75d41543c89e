//! Collects the entries of a tar into a table of contents.

use std::mem;

use super::header::Header;
use super::pax::Records;
use crate::encode::entries::minimum_size;
use crate::entry::{EntryType, FileMetadata, Xattr};
use crate::error::{LimitKind, ScanError};
use crate::limits::Limits;
use crate::packed::PackedEntries;

/// The table of contents of a tar.
#[derive(Debug)]
pub(crate) struct Toc {
    /// Entries in the order of the tar.
    pub(crate) entries: PackedEntries,
    /// Uncompressed offset at which the reader stopped: the end of the end-of-archive blocks, or of
    /// the stream.
    pub(crate) uncompressed_size: u64,
    /// Indexes of the entries whose owner or group does not fit 32 bits.
    pub(crate) truncated_ids: Vec<usize>,
}

/// Collects entries and enforces the limits.
#[derive(Debug)]
pub(crate) struct TocBuilder {
    entries: PackedEntries,
    truncated_ids: Vec<usize>,
    string_bytes: u64,
    /// The fewest bytes that the entries take in a ztoc.
    ztoc_bytes: u64,
    limits: Limits,
}

impl TocBuilder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            entries: PackedEntries::default(),
            truncated_ids: Vec::new(),
            string_bytes: 0,
            ztoc_bytes: 0,
            limits,
        }
    }

    /// Adds an entry whose contents start at uncompressed offset `position`.
    pub(crate) fn push_entry(
        &mut self,
        header: Header,
        records: Records,
        position: u64,
    ) -> Result<(), ScanError> {
        let Some(entry_type) = EntryType::from_typeflag(header.typeflag) else {
            return Err(ScanError::UnsupportedEntryType {
                typeflag: header.typeflag,
                name: header.name,
                offset: position,
            });
        };
        if u32::try_from(header.uid).is_err() || u32::try_from(header.gid).is_err() {
            self.truncated_ids.push(self.entries.len());
        }
        let xattrs = records.into_iter().map(|(key, value)| Xattr { key, value });
        let entry = FileMetadata {
            name: header.name,
            entry_type,
            uncompressed_offset: position,
            uncompressed_size: header.size,
            linkname: header.linkname,
            mode: header.mode,
            uid: truncate_id(header.uid),
            gid: truncate_id(header.gid),
            uname: header.uname,
            gname: header.gname,
            mod_time: header.mtime.to_rfc3339(),
            devmajor: header.devmajor,
            devminor: header.devminor,
            xattrs: xattrs.collect(),
        };
        self.check_limits(&entry)?;
        self.entries.push(entry);
        if self.entries.memory() > self.limits.table_bytes {
            let (what, limit) = (LimitKind::TableBytes, self.limits.table_bytes);
            return Err(ScanError::Limit { what, limit });
        }
        Ok(())
    }

    /// Returns the fewest bytes that the entries take in a ztoc.
    pub(crate) const fn ztoc_bytes(&self) -> u64 {
        self.ztoc_bytes
    }

    /// Returns the bytes of memory that the entries take.
    pub(crate) const fn memory(&self) -> u64 {
        self.entries.memory()
    }

    /// Counts an entry against the limits.
    fn check_limits(&mut self, entry: &FileMetadata) -> Result<(), ScanError> {
        let bytes = entry.text_length().saturating_sub(entry.mod_time.len());
        self.string_bytes = self.string_bytes.saturating_add(bytes as u64);
        self.ztoc_bytes = self.ztoc_bytes.saturating_add(minimum_size(entry));
        let exceeded = |what, limit| Err(ScanError::Limit { what, limit });
        if self.string_bytes > self.limits.string_bytes {
            return exceeded(LimitKind::StringBytes, self.limits.string_bytes);
        }
        if self.entries.len() as u64 >= self.limits.entries {
            return exceeded(LimitKind::Entries, self.limits.entries);
        }
        if self.ztoc_bytes > self.limits.ztoc_bytes {
            return exceeded(LimitKind::ZtocBytes, self.limits.ztoc_bytes);
        }
        Ok(())
    }

    /// Removes and returns the table of the entries since the last call. Indexes in it count from
    /// its first entry.
    pub(crate) fn take_entries(&mut self, uncompressed_size: u64) -> Toc {
        self.entries.complete_block();
        Toc {
            entries: mem::take(&mut self.entries),
            uncompressed_size,
            truncated_ids: mem::take(&mut self.truncated_ids),
        }
    }

    /// Completes the table of a tar that ended at `uncompressed_size`.
    pub(crate) fn finish(mut self, uncompressed_size: u64) -> Toc {
        self.entries.complete_block();
        Toc {
            entries: self.entries,
            uncompressed_size,
            truncated_ids: self.truncated_ids,
        }
    }
}

/// Returns the low 32 bits, as the readers keep them.
fn truncate_id(id: i64) -> u32 {
    let [a, b, c, d, ..] = id.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
