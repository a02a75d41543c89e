//! The rules of the readers of ztocs, beyond what the format requires.
//!
//! The reader is `soci-snapshotter`. It computes the offset of each tar header from the previous
//! entry, reads the header again when a file is first used, and compares it with the ztoc. A ztoc
//! that breaks a rule of this module describes its layer correctly, but the reader refuses the
//! layer or fails on one of its files.

use std::collections::BTreeSet;

use crate::compression::Compression;
use crate::entry::{EntryType, FileMetadata, XATTR_PREFIX, display_name};
use crate::tar::pax::Records;
use crate::tar::sparse::SparseFormat;
use crate::ztoc::Ztoc;

/// Bytes in a tar block.
const BLOCK_SIZE: i128 = 512;

/// Compressed length of a span, in bytes, at which 32-bit counters of the readers overflow.
const SPAN_LENGTH_OVERFLOW: u64 = 1 << 31;

/// A rule of the readers that a ztoc breaks. `entry` is an index in [`Ztoc::toc`], and `name` the
/// name of that entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderViolation {
    /// The contents of an entry end after the end of the tar.
    #[error("entry {entry} `{}` ends after the end of the tar", display_name(.name))]
    BeyondEnd {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// An extended attribute has no name, and the reader refuses the layer or not, at random.
    #[error("entry {entry} `{}` has an extended attribute without a name", display_name(.name))]
    EmptyXattrName {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// An extended attribute has no value, and the comparison with the header fails at random.
    #[error(
        "entry {entry} `{}` has the extended attribute `{}` without a value",
        display_name(.name),
        display_name(.key)
    )]
    EmptyXattrValue {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Key of the attribute.
        key: Vec<u8>,
    },
    /// The target of a hard link is not an earlier entry of the same layer.
    #[error(
        "entry {entry} `{}` is a hard link to `{}`, which is not an earlier entry of the layer",
        display_name(.name),
        display_name(.target)
    )]
    HardlinkTarget {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// The target of the link.
        target: Vec<u8>,
    },
    /// There is no room for the header of this entry after the previous entry.
    #[error(
        "entry {entry} `{}` starts at {offset}, but its tar header would start at {header_offset}",
        display_name(.name)
    )]
    InvalidTocEntry {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Uncompressed offset of its contents.
        offset: u64,
        /// Uncompressed offset at which the reader expects its header.
        header_offset: i128,
    },
    /// A gzip layer has no checkpoint at all, so it cannot be read.
    #[error("gzip layer has no checkpoints")]
    NoSpans,
    /// The modification time is not within the years 0 to 9999, so the ztoc does not hold it.
    #[error(
        "entry {entry} `{}` has no modification time within the years 0 to 9999",
        display_name(.name)
    )]
    NoModTime {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// An entry without contents has a size, so the reader looks for the next header too late.
    #[error(
        "entry {entry} `{}` of type {} has a size of {size} bytes, but no contents in the tar",
        display_name(.name),
        .entry_type.as_str()
    )]
    SizeWithoutContents {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
        /// Its type.
        entry_type: EntryType,
        /// The size in its header, in bytes.
        size: i64,
    },
    /// A span ends where it starts or before, in compressed or in uncompressed bytes.
    #[error("span {span} does not start before it ends")]
    SpanOrder {
        /// Number of the span.
        span: usize,
    },
    /// A span is longer than the readers can count.
    #[error("span {span} has {size} compressed bytes, expected less than {SPAN_LENGTH_OVERFLOW}")]
    SpanTooLong {
        /// Number of the span.
        span: usize,
        /// Its compressed size in bytes.
        size: u64,
    },
    /// The entry is a sparse file, whose stored fragments the readers take for its contents.
    #[error("entry {entry} `{}` is a sparse file", display_name(.name))]
    SparseFile {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
    /// The spans are inconsistent. A ztoc that was assembled or decoded, and not changed since,
    /// does not break this rule.
    #[error("spans are malformed")]
    Spans,
    /// Owner or group do not fit 32 bits, so the tar header differs from the ztoc.
    #[error("entry {entry} `{}` has an owner or group beyond 32 bits", display_name(.name))]
    TruncatedId {
        /// Index of the entry.
        entry: usize,
        /// Its name.
        name: Vec<u8>,
    },
}

impl ReaderViolation {
    /// Returns whether the readers refuse the whole layer, rather than fail on one of its files.
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
    /// Calls `visit` for each rule of the readers that this ztoc breaks, those of spans first. Most
    /// layers break none, but a hostile one breaks several with each of its entries.
    pub fn visit_reader_violations(&self, mut visit: impl FnMut(ReaderViolation)) {
        let visit: &mut dyn FnMut(ReaderViolation) = &mut visit;
        self.check_spans(visit);
        self.check_header_offsets(visit);
        for (index, entry) in self.toc.iter().enumerate() {
            check_entry(index, entry, visit);
        }
        self.check_hardlinks(visit);
        for &index in &self.truncated_ids {
            if let Some(entry) = self.toc.get(index) {
                visit(ReaderViolation::TruncatedId {
                    entry: index,
                    name: entry.name.clone(),
                });
            }
        }
    }

    fn check_spans(&self, visit: &mut dyn FnMut(ReaderViolation)) {
        let Ok(spans) = self.spans() else {
            visit(ReaderViolation::Spans);
            return;
        };
        if spans.is_empty() && self.compression_info.algorithm == Compression::Gzip {
            visit(ReaderViolation::NoSpans);
        }
        let last = spans.len().saturating_sub(1);
        for (index, span) in spans.iter().enumerate() {
            let compressed = span.compressed_start < span.compressed_end;
            // The last span may start after the end of the tar.
            let uncompressed = index == last || span.uncompressed_start < span.uncompressed_end;
            if !compressed || !uncompressed {
                visit(ReaderViolation::SpanOrder { span: index });
            }
            let size = span.compressed_end.saturating_sub(span.compressed_start);
            if size >= SPAN_LENGTH_OVERFLOW {
                visit(ReaderViolation::SpanTooLong { span: index, size });
            }
        }
    }

    /// Computes the offset of each header from the entry before, as the readers do.
    fn check_header_offsets(&self, visit: &mut dyn FnMut(ReaderViolation)) {
        let mut by_offset: Vec<(usize, &FileMetadata)> = self.toc.iter().enumerate().collect();
        by_offset.sort_by_key(|(_, entry)| entry.uncompressed_offset);
        let last = by_offset.len().saturating_sub(1);
        let mut header_offset: i128 = 0;
        for (rank, (index, entry)) in by_offset.into_iter().enumerate() {
            let offset = i128::from(entry.uncompressed_offset);
            let name = || entry.name.clone();
            if offset.saturating_sub(header_offset) < BLOCK_SIZE {
                visit(ReaderViolation::InvalidTocEntry {
                    entry: index,
                    name: name(),
                    offset: entry.uncompressed_offset,
                    header_offset,
                });
            }
            let size = entry.uncompressed_size;
            let end = offset.saturating_add(size.into());
            header_offset = round_up_to_block(end);
            let has_contents = entry.entry_type.has_contents();
            if has_contents && (size < 0 || end > self.uncompressed_archive_size.into()) {
                visit(ReaderViolation::BeyondEnd {
                    entry: index,
                    name: name(),
                });
            }
            let is_header_moved = header_offset != round_up_to_block(offset);
            if !has_contents && is_header_moved && rank != last {
                visit(ReaderViolation::SizeWithoutContents {
                    entry: index,
                    name: name(),
                    entry_type: entry.entry_type,
                    size,
                });
            }
        }
    }

    fn check_hardlinks(&self, visit: &mut dyn FnMut(ReaderViolation)) {
        let is_link = |entry: &FileMetadata| entry.entry_type == EntryType::Hardlink;
        if !self.toc.iter().any(is_link) {
            return;
        }
        let mut names = BTreeSet::new();
        for (index, entry) in self.toc.iter().enumerate() {
            if is_link(entry) && !names.contains(&clean_path(&entry.linkname)) {
                visit(ReaderViolation::HardlinkTarget {
                    entry: index,
                    name: entry.name.clone(),
                    target: entry.linkname.clone(),
                });
            }
            names.insert(clean_path(&entry.name));
        }
    }
}

fn check_entry(index: usize, entry: &FileMetadata, visit: &mut dyn FnMut(ReaderViolation)) {
    let name = || entry.name.clone();
    if entry.mod_time.is_empty() {
        visit(ReaderViolation::NoModTime {
            entry: index,
            name: name(),
        });
    }
    if is_sparse(entry) {
        visit(ReaderViolation::SparseFile {
            entry: index,
            name: name(),
        });
    }
    for xattr in &entry.xattrs {
        let Some(attribute) = xattr.key.strip_prefix(XATTR_PREFIX) else {
            continue;
        };
        if attribute.is_empty() {
            visit(ReaderViolation::EmptyXattrName {
                entry: index,
                name: name(),
            });
        }
        if xattr.value.is_empty() {
            visit(ReaderViolation::EmptyXattrValue {
                entry: index,
                name: name(),
                key: xattr.key.clone(),
            });
        }
    }
}

fn is_sparse(entry: &FileMetadata) -> bool {
    let mut records = Records::new();
    for xattr in &entry.xattrs {
        if xattr.key.starts_with(b"GNU.sparse.") {
            records.insert(xattr.key.clone(), xattr.value.clone());
        }
    }
    SparseFormat::detect(&records).is_some()
}

/// Rounds an offset up to a whole number of tar blocks.
fn round_up_to_block(offset: i128) -> i128 {
    let blocks = offset
        .saturating_add(BLOCK_SIZE.saturating_sub(1))
        .div_euclid(BLOCK_SIZE);
    blocks.saturating_mul(BLOCK_SIZE)
}

/// Resolves `.`, `..` and repeated slashes from the root, as the readers do.
fn clean_path(name: &[u8]) -> Vec<u8> {
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
