//! Collects the entries of a tar into a table of contents.

use std::mem;

use super::header::Header;
use super::pax::Records;
use crate::entry::{EntryType, FileMetadata, Xattr};
use crate::error::{LimitKind, ScanError};
use crate::limits::Limits;

/// The table of contents of a tar.
#[derive(Debug)]
pub(crate) struct Toc {
    /// Entries in the order of the tar.
    pub(crate) entries: Vec<FileMetadata>,
    /// Uncompressed offset at which the reader stopped: the end of the end-of-archive blocks, or of
    /// the stream.
    pub(crate) uncompressed_size: u64,
    /// Indexes of the entries whose owner or group does not fit 32 bits.
    pub(crate) truncated_ids: Vec<usize>,
}

/// Collects entries and enforces the limits.
#[derive(Debug)]
pub(crate) struct TocBuilder {
    entries: Vec<FileMetadata>,
    truncated_ids: Vec<usize>,
    string_bytes: u64,
    limits: Limits,
}

impl TocBuilder {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            entries: Vec::new(),
            truncated_ids: Vec::new(),
            string_bytes: 0,
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
        Ok(())
    }

    /// Counts an entry against the limits.
    fn check_limits(&mut self, entry: &FileMetadata) -> Result<(), ScanError> {
        let texts = [&entry.name, &entry.linkname, &entry.uname, &entry.gname];
        let texts = texts.into_iter().map(Vec::len);
        let records = entry.xattrs.iter();
        let records = records.flat_map(|xattr| [xattr.key.len(), xattr.value.len()]);
        let bytes = texts.chain(records).map(|length| length as u64);
        self.string_bytes = bytes.fold(self.string_bytes, u64::saturating_add);
        let exceeded = |what, limit| Err(ScanError::Limit { what, limit });
        if self.string_bytes > self.limits.string_bytes {
            return exceeded(LimitKind::StringBytes, self.limits.string_bytes);
        }
        if self.entries.len() as u64 >= self.limits.entries {
            return exceeded(LimitKind::Entries, self.limits.entries);
        }
        Ok(())
    }

    /// Removes and returns the table of the entries since the last call. Indexes in it count from
    /// its first entry.
    pub(crate) fn take_entries(&mut self, uncompressed_size: u64) -> Toc {
        Toc {
            entries: mem::take(&mut self.entries),
            uncompressed_size,
            truncated_ids: mem::take(&mut self.truncated_ids),
        }
    }

    /// Completes the table of a tar that ended at `uncompressed_size`.
    pub(crate) fn finish(self, uncompressed_size: u64) -> Toc {
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
