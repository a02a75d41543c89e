//! The files of a ztoc as lines of JSON.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use soci_cli::Io;
use soci_oci::Digest;
use soci_ztoc::{FileMetadata, Span, XATTR_PREFIX};

use super::Stopped;
use super::image::InspectedImage;
use super::json::Lines;

/// One file. A name that is not UTF-8 has U+FFFD in place of the bytes that are not, and stands in
/// full in `nameBase64`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    layer: Digest,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
    r#type: &'static str,
    size: i64,
    mode: String,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    uname: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    gname: String,
    mod_time: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    link: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<[i64; 2]>,
    /// The values in base64, by the names of the attributes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
    /// Uncompressed offset of the contents.
    offset: u64,
    /// The first and the last span that hold the contents.
    #[serde(skip_serializing_if = "Option::is_none")]
    spans: Option<[usize; 2]>,
}

/// Writes a line for each file of each ztoc, in the order of the layers.
pub(super) fn write_files(io: &mut Io, image: &InspectedImage) -> Result<(), Stopped> {
    let mut lines = Lines::new(io);
    for layer in &image.layers {
        let Some(descriptor) = &layer.ztoc else {
            continue;
        };
        let ztoc = image.read_ztoc(descriptor)?;
        let spans = ztoc.spans().unwrap_or_default();
        for entry in &ztoc.toc {
            lines.push(&describe(layer.layer.digest, entry, &spans))?;
        }
    }
    lines.finish()
}

fn describe<'a>(layer: Digest, entry: &'a FileMetadata, spans: &[Span]) -> File<'a> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let is_text = std::str::from_utf8(&entry.name).is_ok();
    let xattrs = entry.xattrs.iter().filter_map(|xattr| {
        let name = xattr.key.strip_prefix(XATTR_PREFIX)?;
        Some((text(name), STANDARD.encode(&xattr.value)))
    });
    let is_device = matches!(entry.entry_type.as_str(), "char" | "block");
    File {
        layer,
        name: text(&entry.name),
        name_base64: (!is_text).then(|| STANDARD.encode(&entry.name)),
        r#type: entry.entry_type.as_str(),
        size: entry.uncompressed_size,
        mode: format!("{:04o}", entry.mode),
        uid: entry.uid,
        gid: entry.gid,
        uname: text(&entry.uname),
        gname: text(&entry.gname),
        mod_time: &entry.mod_time,
        link: text(&entry.linkname),
        device: is_device.then_some([entry.devmajor, entry.devminor]),
        xattrs: xattrs.collect(),
        offset: entry.uncompressed_offset,
        spans: spans_of(entry, spans),
    }
}

/// Returns the first and the last span that hold the contents of a file.
pub(super) fn spans_of(entry: &FileMetadata, spans: &[Span]) -> Option<[usize; 2]> {
    let size = u64::try_from(entry.uncompressed_size).ok()?;
    if !entry.entry_type.has_contents() || size == 0 {
        return None;
    }
    let span_at = |offset: u64| {
        let after = spans.partition_point(|span| span.uncompressed_start <= offset);
        after.checked_sub(1)
    };
    let first = span_at(entry.uncompressed_offset)?;
    let last = span_at(entry.uncompressed_offset.checked_add(size - 1)?)?;
    Some([first, last])
}

#[cfg(test)]
mod tests {
    use soci_ztoc::EntryType;

    use super::*;

    #[test]
    fn the_spans_of_a_file_are_those_with_a_byte_of_it() {
        let spans = [0, 100, 200].map(|start| Span {
            compressed_start: start,
            compressed_end: start + 100,
            uncompressed_start: start,
            uncompressed_end: start + 100,
            shared_bits: 0,
        });
        let spans_at = |entry_type, offset, size| {
            let entry = FileMetadata {
                entry_type,
                uncompressed_offset: offset,
                uncompressed_size: size,
                ..FileMetadata::default()
            };
            spans_of(&entry, &spans)
        };
        let of_file = |offset, size| spans_at(EntryType::Regular, offset, size);
        assert_eq!(of_file(0, 1), Some([0, 0]));
        assert_eq!(of_file(99, 1), Some([0, 0]));
        assert_eq!(of_file(99, 2), Some([0, 1]));
        assert_eq!(of_file(100, 100), Some([1, 1]));
        assert_eq!(of_file(50, 151), Some([0, 2]));
        assert_eq!(of_file(50, 0), None);
        assert_eq!(of_file(50, -1), None);
        assert_eq!(of_file(u64::MAX, 2), None);
        assert_eq!(spans_at(EntryType::Directory, 50, 10), None);
    }
}
