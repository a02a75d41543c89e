//! The entries of the ztoc, compared with those of the tar.

use std::collections::BTreeMap;

use super::checkpoints::Report;
use super::cursor::EntryCursor;
use super::finding::{EntryField, ProofFinding, ShortName};
use super::instant::is_same_time;
use crate::entry::{FileMetadata, XATTR_PREFIX, Xattr};
use crate::packed::PackedEntries;

/// Compares the entries of a ztoc with those of its tar, which are added in order.
#[derive(Debug)]
pub(super) struct EntryProof<'z> {
    entries: EntryCursor<'z>,
    /// Number of entries in the tar.
    found: u64,
    /// Uncompressed offset at which the contents of the last file end.
    contents_end: u64,
}

impl<'z> EntryProof<'z> {
    pub(super) fn new(entries: &'z [FileMetadata]) -> Self {
        Self::with_cursor(EntryCursor::new(entries.into()))
    }

    pub(super) fn of_packed(entries: &'z PackedEntries) -> Self {
        Self::with_cursor(EntryCursor::of_packed(entries))
    }

    const fn with_cursor(entries: EntryCursor<'z>) -> Self {
        Self {
            entries,
            found: 0,
            contents_end: 0,
        }
    }

    /// Reports whether the entries are in another order than in the tar.
    pub(super) fn check_order(&self, report: Report<'_>) {
        if !self.entries.is_sorted() {
            report(ProofFinding::EntryOrder);
        }
    }

    /// Returns the number of entries in the tar.
    pub(super) const fn found(&self) -> u64 {
        self.found
    }

    /// Returns the uncompressed offset at which the contents of the last file end.
    pub(super) const fn contents_end(&self) -> u64 {
        self.contents_end
    }

    /// Compares the next entry of the tar.
    pub(super) fn compare(&mut self, found: &FileMetadata, is_truncated: bool, report: Report<'_>) {
        self.found = self.found.saturating_add(1);
        if found.entry_type.has_contents() {
            let end = found.uncompressed_offset;
            let end = end.saturating_add_signed(found.uncompressed_size);
            self.contents_end = self.contents_end.max(end);
        }
        while let Some((index, recorded)) = self.entries.peek() {
            let (ours, theirs) = (recorded.uncompressed_offset, found.uncompressed_offset);
            if ours == theirs || recorded.name == found.name {
                let comparison = Comparison {
                    entry: index,
                    recorded,
                    found,
                };
                comparison.run(report);
                if is_truncated {
                    report(ProofFinding::OwnerTooLarge {
                        entry: index,
                        name: ShortName::new(&found.name),
                    });
                }
                self.entries.advance();
                return;
            }
            if ours > theirs {
                break;
            }
            report(unknown(index, recorded));
            self.entries.advance();
        }
        report(ProofFinding::Missing {
            name: ShortName::new(&found.name),
            offset: found.uncompressed_offset,
        });
    }

    /// Reports the entries of the ztoc after the last one of the tar.
    pub(super) fn finish(mut self, report: Report<'_>) {
        while let Some((index, recorded)) = self.entries.peek() {
            report(unknown(index, recorded));
            self.entries.advance();
        }
    }
}

fn unknown(entry: u64, recorded: &FileMetadata) -> ProofFinding {
    ProofFinding::Unknown {
        entry,
        name: ShortName::new(&recorded.name),
        offset: recorded.uncompressed_offset,
    }
}

/// One entry in the ztoc and in the tar.
struct Comparison<'a> {
    entry: u64,
    recorded: &'a FileMetadata,
    found: &'a FileMetadata,
}

impl Comparison<'_> {
    fn run(&self, report: Report<'_>) {
        let Self {
            recorded, found, ..
        } = self;
        if recorded == found {
            return;
        }
        self.compare_texts(report);
        self.compare_numbers(report);
        if !is_same_time(&recorded.mod_time, &found.mod_time) {
            let texts = [recorded.mod_time.as_bytes(), found.mod_time.as_bytes()];
            report(self.finding(EntryField::ModTime, texts));
        }
        if recorded.xattrs != found.xattrs {
            self.compare_records(report);
        }
    }

    fn compare_texts(&self, report: Report<'_>) {
        let Self {
            recorded, found, ..
        } = self;
        let types = [recorded.entry_type, found.entry_type].map(|kind| kind.as_str().as_bytes());
        for (field, texts) in [
            (EntryField::Name, [&*recorded.name, &*found.name]),
            (EntryField::Type, types),
            (EntryField::Linkname, [&recorded.linkname, &found.linkname]),
            (EntryField::Uname, [&recorded.uname, &found.uname]),
            (EntryField::Gname, [&recorded.gname, &found.gname]),
        ] {
            let [ours, theirs] = texts;
            if ours != theirs {
                report(self.finding(field, texts));
            }
        }
    }

    fn compare_numbers(&self, report: Report<'_>) {
        let [recorded, found] = [self.recorded, self.found].map(|entry| {
            [
                (EntryField::Offset, entry.uncompressed_offset.into()),
                (EntryField::Size, entry.uncompressed_size.into()),
                (EntryField::Mode, entry.mode.into()),
                (EntryField::Uid, entry.uid.into()),
                (EntryField::Gid, entry.gid.into()),
                (EntryField::Device, entry.devmajor.into()),
                (EntryField::Device, entry.devminor.into()),
            ]
        });
        for ((field, ours), (_, theirs)) in recorded.into_iter().zip(found) {
            if ours != theirs {
                let texts = [ours, theirs].map(|number| format_number(field, number));
                report(self.finding(field, [texts[0].as_bytes(), texts[1].as_bytes()]));
            }
        }
    }

    /// Compares the records as a map, as readers do. Some builders keep only extended attributes.
    fn compare_records(&self, report: Report<'_>) {
        let [recorded, found] = [self.recorded, self.found].map(|entry| {
            let pairs = entry.xattrs.iter();
            let pairs = pairs.map(|Xattr { key, value }| (key.as_slice(), value.as_slice()));
            pairs.collect::<BTreeMap<_, _>>()
        });
        for key in recorded
            .keys()
            .chain(found.keys().filter(|key| !recorded.contains_key(*key)))
        {
            let values = [recorded.get(key), found.get(key)];
            let [ours, theirs] = values;
            if ours == theirs {
                continue;
            }
            let field = if key.starts_with(XATTR_PREFIX) {
                EntryField::Xattr
            } else {
                EntryField::Record
            };
            let [ours, theirs] = values.map(|value| match value {
                None => b"none".to_vec(),
                Some(value) => [key, b"=".as_slice(), value].concat(),
            });
            report(self.finding(field, [&ours, &theirs]));
        }
    }

    fn finding(&self, field: EntryField, [recorded, found]: [&[u8]; 2]) -> ProofFinding {
        ProofFinding::Field {
            entry: self.entry,
            name: ShortName::new(&self.found.name),
            field,
            recorded: ShortName::new(recorded),
            found: ShortName::new(found),
        }
    }
}

/// Formats the number of a field: a mode in octal, as tools print it.
fn format_number(field: EntryField, number: i128) -> String {
    match field {
        EntryField::Mode => format!("{number:#o}"),
        _ => number.to_string(),
    }
}
