//! What the readers of ztocs refuse, or fail on, although the format allows it.
//!
//! The reader is `soci-snapshotter`. It derives where each tar header starts from the entry
//! before, reads the header again when a file is first used, and compares all it says with the
//! ztoc. A ztoc that breaks a rule here is exact, but of no use.

use std::collections::BTreeSet;

use crate::compression::Compression;
use crate::entry::{EntryType, FileMetadata, XATTR_PREFIX, printable};

use crate::tar::pax;
use crate::tar::sparse::Version;
use crate::ztoc::Ztoc;

/// Bytes in a tar block.
const BLOCK: i128 = 512;

/// Compressed bytes of a span from which the readers' 32-bit counters overflow.
const LONGEST_SPAN: u64 = 1 << 31;

/// A rule of the readers that a ztoc breaks. `entry` is a position in [`Ztoc::toc`], `name` that
/// entry's name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderViolation {
    /// The contents of an entry end beyond the tar.
    #[error("entry {entry} `{}` ends beyond the end of the tar", printable(.name))]
    BeyondEnd {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// Owner or group do not fit 32 bits, so that the tar header differs from the ztoc.
    #[error("entry {entry} `{}` has an owner or group beyond 32 bits", printable(.name))]
    TruncatedId {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// An extended attribute without a name makes the reader refuse the layer at random.
    #[error("entry {entry} `{}` has an extended attribute without a name", printable(.name))]
    EmptyXattrName {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// An extended attribute without a value makes the comparison fail at random.
    #[error(
        "entry {entry} `{}` has the extended attribute `{}` without a value",
        printable(.name),
        printable(.key)
    )]
    EmptyXattrValue {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Key of the attribute.
        key: Vec<u8>,
    },
    /// The target of a hard link is not an earlier entry of the same layer.
    #[error(
        "entry {entry} `{}` is a hard link to `{}`, which is no earlier entry of the layer",
        printable(.name),
        printable(.target)
    )]
    HardlinkTarget {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// What it links to.
        target: Vec<u8>,
    },
    /// Where the entry before ends leaves no room for this entry's tar header.
    #[error(
        "entry {entry} `{}` starts at {offset}, but its tar header would start at {header_offset}",
        printable(.name)
    )]
    InvalidTocEntry {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Where its contents start, in uncompressed bytes.
        offset: u64,
        /// Where the reader looks for its header, in uncompressed bytes.
        header_offset: i128,
    },
    /// A gzip layer without a single checkpoint cannot be read.
    #[error("gzip layer has no checkpoints")]
    NoSpans,
    /// The modification time lies outside the years 0 to 9999, and was not recorded.
    #[error("entry {entry} `{}` has no modification time within the years 0 to 9999", printable(.name))]
    NoModTime {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// The entry has a size but no contents, so that the header after it is looked for too late.
    #[error("entry {entry} `{}` is a {} of {size} bytes, which have no place in a tar", printable(.name), .entry_type.as_str())]
    SizeWithoutContents {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Its type.
        entry_type: EntryType,
        /// The size its header gives, in bytes.
        size: i64,
    },
    /// A span does not start before it ends, in compressed or uncompressed bytes.
    #[error("span {span} does not start before it ends")]
    SpanOrder {
        /// Number of the span.
        span: usize,
    },
    /// A span is longer than the readers can count.
    #[error("span {span} has {size} compressed bytes, expected less than {LONGEST_SPAN}")]
    SpanTooLong {
        /// Number of the span.
        span: usize,
        /// Its compressed size in bytes.
        size: u64,
    },
    /// The readers take the pieces of a sparse file for all of it.
    #[error("entry {entry} `{}` is a sparse file", printable(.name))]
    SparseFile {
        /// Position of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// The list of spans is malformed; never so after decoding or assembling.
    #[error("spans are malformed")]
    Spans,
}

impl ReaderViolation {
    /// Says whether the readers refuse the whole layer, rather than fail on one file of it.
    pub const fn refuses_layer(&self) -> bool {
        matches!(
            self,
            Self::EmptyXattrName { .. }
                | Self::HardlinkTarget { .. }
                | Self::InvalidTocEntry { .. }
                | Self::NoSpans
                | Self::SpanOrder { .. }
                | Self::SpanTooLong { .. }
                | Self::Spans
        )
    }
}

impl Ztoc {
    /// Lists the rules of the readers that this ztoc breaks: first those of spans, then those of
    /// entries in their order. Empty for most layers.
    pub fn reader_violations(&self) -> Vec<ReaderViolation> {
        let mut found = Vec::new();
        self.check_spans(&mut found);
        self.check_layout(&mut found);
        for (index, entry) in self.toc.iter().enumerate() {
            check_entry(index, entry, &mut found);
        }
        self.check_hardlinks(&mut found);
        for &index in &self.truncated_ids {
            if let Some(entry) = self.toc.get(index) {
                found.push(ReaderViolation::TruncatedId {
                    entry: index,
                    name: entry.name.clone(),
                });
            }
        }
        found
    }

    fn check_spans(&self, found: &mut Vec<ReaderViolation>) {
        let Ok(spans) = self.spans() else {
            found.push(ReaderViolation::Spans);
            return;
        };
        if spans.is_empty() && self.compression_info.algorithm == Compression::Gzip {
            found.push(ReaderViolation::NoSpans);
        }
        let last = spans.len().saturating_sub(1);
        for (index, span) in spans.iter().enumerate() {
            let compressed = span.compressed_start < span.compressed_end;
            // The last span may lie behind the end of the tar.
            let uncompressed = index == last || span.uncompressed_start < span.uncompressed_end;
            if !compressed || !uncompressed {
                found.push(ReaderViolation::SpanOrder { span: index });
            }
            let size = span.compressed_end.saturating_sub(span.compressed_start);
            if size >= LONGEST_SPAN {
                found.push(ReaderViolation::SpanTooLong { span: index, size });
            }
        }
    }

    /// Derives where each header starts, as the readers do.
    fn check_layout(&self, found: &mut Vec<ReaderViolation>) {
        let mut order: Vec<(usize, &FileMetadata)> = self.toc.iter().enumerate().collect();
        order.sort_by_key(|(_, entry)| entry.uncompressed_offset);
        let last = order.len().saturating_sub(1);
        let mut header_offset: i128 = 0;
        for (place, (index, entry)) in order.into_iter().enumerate() {
            let offset = i128::from(entry.uncompressed_offset);
            let name = || entry.name.clone();
            if offset.saturating_sub(header_offset) < BLOCK {
                found.push(ReaderViolation::InvalidTocEntry {
                    entry: index,
                    name: name(),
                    offset: entry.uncompressed_offset,
                    header_offset,
                });
            }
            let size = entry.uncompressed_size;
            let end = offset.saturating_add(size.into());
            header_offset = round_up(end);
            let contents = entry.entry_type.has_contents();
            if contents && (size < 0 || end > self.uncompressed_archive_size.into()) {
                found.push(ReaderViolation::BeyondEnd {
                    entry: index,
                    name: name(),
                });
            }
            if !contents && header_offset != round_up(offset) && place != last {
                found.push(ReaderViolation::SizeWithoutContents {
                    entry: index,
                    name: name(),
                    entry_type: entry.entry_type,
                    size,
                });
            }
        }
    }

    fn check_hardlinks(&self, found: &mut Vec<ReaderViolation>) {
        let is_link = |entry: &FileMetadata| entry.entry_type == EntryType::Hardlink;
        if !self.toc.iter().any(is_link) {
            return;
        }
        let mut names = BTreeSet::new();
        for (index, entry) in self.toc.iter().enumerate() {
            if is_link(entry) && !names.contains(&clean(&entry.linkname)) {
                found.push(ReaderViolation::HardlinkTarget {
                    entry: index,
                    name: entry.name.clone(),
                    target: entry.linkname.clone(),
                });
            }
            names.insert(clean(&entry.name));
        }
    }
}

fn check_entry(index: usize, entry: &FileMetadata, found: &mut Vec<ReaderViolation>) {
    let name = || entry.name.clone();
    if entry.mod_time.is_empty() {
        found.push(ReaderViolation::NoModTime {
            entry: index,
            name: name(),
        });
    }
    if is_sparse(entry) {
        found.push(ReaderViolation::SparseFile {
            entry: index,
            name: name(),
        });
    }
    for xattr in &entry.xattrs {
        let Some(attribute) = xattr.key.strip_prefix(XATTR_PREFIX) else {
            continue;
        };
        if attribute.is_empty() {
            found.push(ReaderViolation::EmptyXattrName {
                entry: index,
                name: name(),
            });
        }
        if xattr.value.is_empty() {
            found.push(ReaderViolation::EmptyXattrValue {
                entry: index,
                name: name(),
                key: xattr.key.clone(),
            });
        }
    }
}

fn is_sparse(entry: &FileMetadata) -> bool {
    let mut records = pax::Records::new();
    for xattr in &entry.xattrs {
        if xattr.key.starts_with(b"GNU.sparse.") {
            records.insert(xattr.key.clone(), xattr.value.clone());
        }
    }
    Version::of(&records).is_some()
}

/// Rounds up to a whole number of blocks.
fn round_up(offset: i128) -> i128 {
    let blocks = offset
        .saturating_add(BLOCK.saturating_sub(1))
        .div_euclid(BLOCK);
    blocks.saturating_mul(BLOCK)
}

/// Resolves `.`, `..` and doubled slashes the way the readers do, from the root.
fn clean(name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}
