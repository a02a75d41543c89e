//! Finds the spans of layers that hold the files to fetch before the container starts.
//!
//! A path is searched from the top layer down, as the container will see it: names are compared in
//! normalized form, the last entry of a name counts, and a file that an upper layer deletes (by a
//! whiteout, OCI image-spec "Whiteouts") is not found.

use std::collections::BTreeMap;

use soci_oci::Digest;
use soci_oci::soci::SpanRange;
use soci_ztoc::{FileMetadata, Span, SpanError, Ztoc};

/// Starts the name of a whiteout. The rest is the name of the deleted file.
const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// The name of an opaque whiteout, which deletes all files of its directory that lower layers have.
const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";

/// The search for the spans that hold the files to prefetch. It visits the layers from the top
/// down, one at a time, because a ztoc may be large.
pub(crate) struct PrefetchSearch<'p> {
    /// The paths and what was found out about each.
    paths: Vec<(&'p str, PathState)>,
    /// The spans of each layer that has one of the files.
    by_layer: BTreeMap<Digest, Vec<SpanRange>>,
}

/// What is known about a path after the layers that were visited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PathState {
    /// No layer has it.
    Missing,
    /// A layer deletes it from the layers below.
    Deleted,
    /// A layer has it.
    Found,
}

impl<'p> PrefetchSearch<'p> {
    /// Returns a search for normalized `paths`.
    pub(crate) fn new(paths: &'p [String]) -> Self {
        let paths = paths.iter().map(|path| (path.as_str(), PathState::Missing));
        Self {
            paths: paths.collect(),
            by_layer: BTreeMap::new(),
        }
    }

    /// Searches the next layer below.
    ///
    /// # Errors
    ///
    /// Returns an error if the ztoc has malformed checkpoints.
    pub(crate) fn visit_layer(&mut self, layer: Digest, ztoc: &Ztoc) -> Result<(), SpanError> {
        let paths = self.paths.iter_mut();
        for (path, state) in paths.filter(|(_, state)| *state == PathState::Missing) {
            let path = path.as_bytes();
            let mut entries = ztoc.toc.iter().rev();
            if let Some(entry) = entries.find(|entry| normalize_name(&entry.name) == path) {
                let spans = self.by_layer.entry(layer).or_default();
                spans.extend(span_range(ztoc, entry)?);
                *state = PathState::Found;
                continue;
            }
            let deletes_path =
                |entry: &FileMetadata| is_whiteout_of(&normalize_name(&entry.name), path);
            if ztoc.toc.iter().any(deletes_path) {
                *state = PathState::Deleted;
            }
        }
        Ok(())
    }

    /// Returns the paths that no layer has.
    pub(crate) fn not_found(&self) -> impl Iterator<Item = &'p str> + use<'p, '_> {
        let paths = self.paths.iter();
        let paths = paths.filter(|(_, state)| *state != PathState::Found);
        paths.map(|(path, _)| *path)
    }

    /// Returns the spans of a layer, the first time that it is asked for them. Returns `None` if
    /// the layer has none of the files.
    pub(crate) fn take_spans(&mut self, layer: Digest) -> Option<Vec<SpanRange>> {
        self.by_layer.remove(&layer)
    }
}

/// Returns whether the entry `name` deletes `path`, or a directory above it, from lower layers.
fn is_whiteout_of(name: &[u8], path: &[u8]) -> bool {
    let (directory, file) = match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => name.split_at(slash + 1),
        None => (&[][..], name),
    };
    let Some(path_in_directory) = path.strip_prefix(directory) else {
        return false;
    };
    if file == OPAQUE_WHITEOUT {
        return true;
    }
    let Some(deleted) = file
        .strip_prefix(WHITEOUT_PREFIX)
        .filter(|deleted| !deleted.is_empty())
    else {
        return false;
    };
    path_in_directory
        .strip_prefix(deleted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Returns a name relative to the root, without `.`, `..` and repeated slashes.
fn normalize_name(name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// Returns the spans that hold an entry and the byte after it, as the reference implementation
/// does.
fn span_range(ztoc: &Ztoc, entry: &FileMetadata) -> Result<Option<SpanRange>, SpanError> {
    let spans = ztoc.spans()?;
    let start = entry.uncompressed_offset;
    let end = start.saturating_add(entry.uncompressed_size.unsigned_abs());
    let range = span_at(&spans, start).zip(span_at(&spans, end));
    Ok(range.map(|(start_span, end_span)| SpanRange {
        start_span,
        end_span,
    }))
}

/// Returns the last span that starts at or before an uncompressed offset.
fn span_at(spans: &[Span], offset: u64) -> Option<u32> {
    let after = spans.partition_point(|span| span.uncompressed_start <= offset);
    u32::try_from(after.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_names() {
        assert_eq!(normalize_name(b"./a//b/"), b"a/b");
        assert_eq!(normalize_name(b"/a/../b"), b"b");
    }

    #[test]
    fn whiteouts_delete_files_of_lower_layers() {
        for (name, path, is_deleted) in [
            ("a/.wh.b", "a/b", true),
            ("a/.wh.b", "a/b/c", true),
            ("a/.wh.b", "a/bc", false),
            (".wh.a", "a/b", true),
            ("a/.wh..wh..opq", "a/b/c", true),
            ("a/.wh..wh..opq", "b", false),
            (".wh..wh..opq", "b", true),
            ("a/b", "a/b/c", false),
        ] {
            assert_eq!(
                is_whiteout_of(name.as_bytes(), path.as_bytes()),
                is_deleted,
                "{name} {path}"
            );
        }
    }
}
