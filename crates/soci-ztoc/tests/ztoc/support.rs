//! Functions that several test modules use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use soci_testkit::golden::LayerCase;
use soci_ztoc::{Compression, ReaderViolation, SpanHasher, Ztoc};

/// The build tool identifier of the recorded ztocs.
pub(crate) const TOOL: &str = "AWS SOCI CLI v0.2";

/// Returns the compression of a recorded layer, or `None` if its media type cannot be indexed.
pub(crate) fn compression(case: &LayerCase) -> Option<Compression> {
    match case.text("compression_algorithm") {
        "gzip" => Some(Compression::Gzip),
        // The reference knows no name for the compression of Docker's plain tar media type.
        "uncompressed" | "unknown" => Some(Compression::Uncompressed),
        _ => None,
    }
}

/// Returns bytes as lower-case hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).expect("a nibble"));
        }
        text
    })
}

/// Describes the first entry or field in which two ztocs differ, else the first byte.
pub(crate) fn first_difference(found: &[u8], expected: &[u8]) -> String {
    let (found_ztoc, expected_ztoc) = match (Ztoc::decode(found), Ztoc::decode(expected)) {
        (Ok(found), Ok(expected)) => (found, expected),
        (found, expected) => return format!("{:?} and {:?}", found.err(), expected.err()),
    };
    for (index, (found, expected)) in found_ztoc.toc.iter().zip(&expected_ztoc.toc).enumerate() {
        if found != expected {
            return format!("entry {index}: found {found:?}, expected {expected:?}");
        }
    }
    let spans = (found_ztoc.spans(), expected_ztoc.spans());
    if spans.0 != spans.1 {
        return format!("spans: found {:?}, expected {:?}", spans.0, spans.1);
    }
    let summary = |ztoc: &Ztoc| {
        let info = &ztoc.compression_info;
        format!(
            "{} entries, sizes {} and {}, {:?}, last span {}, digests {:?}",
            ztoc.toc.len(),
            ztoc.compressed_archive_size,
            ztoc.uncompressed_archive_size,
            info.algorithm,
            info.max_span_id,
            info.span_digests.first().map(|digest| hex(digest)),
        )
    };
    let (left, right) = (summary(&found_ztoc), summary(&expected_ztoc));
    if left != right {
        return format!("found {left}, expected {right}");
    }
    let byte = found.iter().zip(expected).position(|(a, b)| a != b);
    format!("equal fields, but byte {byte:?} differs")
}

/// Returns the SHA-256 digest of bytes as lower-case hexadecimal text.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut hasher = SpanHasher::new();
    hasher.feed(bytes, &[]);
    hex(&hasher.finish().layer)
}

/// Parses a recorded text, which is recorded in base64 if it is not UTF-8.
pub(crate) fn text_or_base64(value: &Value) -> Vec<u8> {
    match (value.as_str(), value["base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(text)) => STANDARD.decode(text).expect("base64"),
        (None, None) => panic!("{value} is not a text"),
    }
}

/// Returns the rules of the readers that a ztoc breaks.
pub(crate) fn reader_violations(ztoc: &Ztoc) -> Vec<ReaderViolation> {
    let mut found = Vec::new();
    ztoc.visit_reader_violations(|rule| found.push(rule));
    found
}
