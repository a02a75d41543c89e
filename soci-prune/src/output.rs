//! What is printed to stdout: a line for each file, and a line for the whole store.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use soci_document::HumanSize;
use soci_layout::StoreFile;
use soci_oci::Digest;

use crate::file::{File, Kind};
use crate::time::format_time;

/// A file that was removed, or that a dry run would remove, as a line of JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RemovedFile {
    /// The path in the store.
    file: String,
    kind: Kind,
    /// The digest, if the file is a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    /// The size in bytes.
    bytes: u64,
    /// When a tool used the file last, as RFC 3339 has it.
    last_used: String,
    /// Whether nothing was removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// A number of files, and their size.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Count {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// What became of the whole store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary<'a> {
    /// The directory of the store.
    pub(crate) store: &'a Path,
    /// What was removed, by kind.
    pub(crate) removed: Counts,
    /// What is still there.
    pub(crate) kept: Count,
    /// Whether the store is not larger than `--max-size`, if that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fits: Option<bool>,
    /// Whether nothing was removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) dry_run: bool,
}

/// The number of files and their size, by kind and in all.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<Kind, Count>);

impl RemovedFile {
    pub(crate) fn new(file: &File, is_dry_run: bool) -> Self {
        let digest = match file.stored.name {
            StoreFile::Blob(digest) => Some(digest),
            StoreFile::CacheEntry(_) | StoreFile::Unfinished(_) => None,
        };
        Self {
            file: file.stored.name.path().display().to_string(),
            kind: file.kind,
            digest,
            bytes: file.size(),
            last_used: format_time(file.last_use),
            dry_run: is_dry_run,
        }
    }
}

impl Count {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl Counts {
    pub(crate) fn add(&mut self, file: &File) {
        self.0.entry(file.kind).or_default().add(file.size());
    }

    /// Returns the sum over all kinds.
    pub(crate) fn total(&self) -> Count {
        let kinds = self.0.values();
        kinds.fold(Count::default(), |total, count| Count {
            files: total.files + count.files,
            bytes: total.bytes + count.bytes,
        })
    }
}

/// Serializes the total, and a count for each kind that occurs.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Count { files, bytes } = self.total();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("files", &files)?;
        map.serialize_entry("bytes", &bytes)?;
        map.serialize_entry("kinds", &self.0)?;
        map.end()
    }
}

impl Summary<'_> {
    /// Returns what became of the files.
    const fn verb(&self) -> &'static str {
        if self.dry_run {
            "would remove"
        } else {
            "removed"
        }
    }

    /// Formats the summary for a reader at a terminal.
    pub(crate) fn to_text(&self) -> String {
        let verb = self.verb();
        let kinds = self.removed.0.iter();
        let mut lines: Vec<String> = kinds
            .map(|(kind, count)| format!("{verb} {}\n", describe(*count, kind.name(count.files))))
            .collect();
        let total = self.removed.total();
        match lines.len() {
            0 => lines.push(format!("{verb} nothing\n")),
            1 => {}
            _ => lines.push(format!(
                "{verb} {} in all\n",
                describe(total, plural(total))
            )),
        }
        lines.push(format!("kept {}\n", describe(self.kept, plural(self.kept))));
        lines.concat()
    }

    /// Logs what was removed and kept, and warns if the store is still too large.
    pub(crate) fn log(&self) {
        let total = self.removed.total();
        let removed = describe(total, plural(total));
        let kept = describe(self.kept, plural(self.kept));
        tracing::info!("{} {removed}; kept {kept}", self.verb());
        if self.fits == Some(false) {
            let hint = "the rest was used in the last hours (see --min-age), or belongs to an image that `index.json` of the store lists";
            let size = HumanSize(self.kept.bytes);
            tracing::warn!(
                hint,
                "the store still has {size}, which is more than --max-size"
            );
        }
    }
}

const fn plural(count: Count) -> &'static str {
    if count.files == 1 { "file" } else { "files" }
}

/// Formats a count, such as `12 layers, 1.2 GiB`.
fn describe(count: Count, name: &str) -> String {
    format!("{} {name}, {}", count.files, HumanSize(count.bytes))
}
