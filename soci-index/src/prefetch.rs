//! Files to fetch before the container starts: which spans of which layer hold them.
//!
//! A path is looked for from the top layer down, as the container will see it: names are compared in clean form, the last
//! entry of a name counts, and a file that an upper layer deletes is not found.

use std::collections::BTreeMap;

use soci_oci::Digest;
use soci_oci::soci::SpanRange;
use soci_ztoc::{FileMetadata, Span, SpanError, Ztoc};

/// What marks a deleted file: this, in front of its name.
const WHITEOUT: &[u8] = b".wh.";
/// The name of the file that hides all that lower layers have in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The spans to fetch, by layer.
pub(crate) type Spans = BTreeMap<Digest, Vec<SpanRange>>;

/// Finds `paths`, in clean form, in the layers that have a ztoc, the base first. Returns the spans to fetch by layer, and
/// the paths that were not found.
pub(crate) fn spans<'p>(
    layers: &[(Digest, Ztoc)],
    paths: &'p [String],
) -> Result<(Spans, Vec<&'p str>), SpanError> {
    let mut found = Spans::new();
    let mut missing = Vec::new();
    for path in paths {
        match find(layers, path.as_bytes()) {
            Some((digest, ztoc, entry)) => {
                found.entry(digest).or_default().extend(range(ztoc, entry)?);
            }
            None => missing.push(path.as_str()),
        }
    }
    Ok((found, missing))
}

/// Finds the entry that a container sees under `path`.
fn find<'z>(
    layers: &'z [(Digest, Ztoc)],
    path: &[u8],
) -> Option<(Digest, &'z Ztoc, &'z FileMetadata)> {
    for (digest, ztoc) in layers.iter().rev() {
        if let Some(entry) = ztoc
            .toc
            .iter()
            .rev()
            .find(|entry| clean(&entry.name) == path)
        {
            return Some((*digest, ztoc, entry));
        }
        if ztoc
            .toc
            .iter()
            .any(|entry| hides(&clean(&entry.name), path))
        {
            return None;
        }
    }
    None
}

/// Says whether an entry deletes `path`, or a folder above it, from the layers below.
fn hides(entry: &[u8], path: &[u8]) -> bool {
    let (folder, name) = match entry.iter().rposition(|byte| *byte == b'/') {
        Some(at) => entry.split_at(at + 1),
        None => (&[][..], entry),
    };
    let Some(below) = path.strip_prefix(folder) else {
        return false;
    };
    if name == OPAQUE {
        return true;
    }
    let Some(deleted) = name
        .strip_prefix(WHITEOUT)
        .filter(|deleted| !deleted.is_empty())
    else {
        return false;
    };
    below
        .strip_prefix(deleted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Returns a name without what does not tell it apart: `.`, doubled and outer slashes.
fn clean(name: &[u8]) -> Vec<u8> {
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

/// Returns the spans that hold an entry and the byte after it, as the ecosystem's builder does.
fn range(ztoc: &Ztoc, entry: &FileMetadata) -> Result<Option<SpanRange>, SpanError> {
    let spans = ztoc.spans()?;
    let start = span_of(&spans, entry.uncompressed_offset);
    let end = span_of(
        &spans,
        entry
            .uncompressed_offset
            .saturating_add(entry.uncompressed_size.unsigned_abs()),
    );
    Ok(start.zip(end).map(|(start_span, end_span)| SpanRange {
        start_span,
        end_span,
    }))
}

/// Returns the last span that starts at or before an offset.
fn span_of(spans: &[Span], offset: u64) -> Option<u32> {
    let after = spans.partition_point(|span| span.uncompressed_start <= offset);
    u32::try_from(after.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_names_in_clean_form() {
        assert_eq!(clean(b"./a//b/"), b"a/b");
        assert_eq!(clean(b"/a/../b"), b"b");
    }

    #[test]
    fn honours_whiteouts() {
        for (entry, path, hidden) in [
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
                hides(entry.as_bytes(), path.as_bytes()),
                hidden,
                "{entry} {path}"
            );
        }
    }
}
