//! Documents as lines of JSON.

use serde::Deserialize;

use crate::duplicate_keys::NoDuplicateKeys;
use crate::{Classify, Document, Exit, VERSION};

/// The maximum length of a line in bytes.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Why a line is not a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The line is longer than [`MAX_LINE`].
    #[error("document has more than {MAX_LINE} bytes")]
    TooLong,
    /// The line starts with a byte order mark.
    #[error("document starts with a byte order mark; write it as plain UTF-8")]
    ByteOrderMark,
    /// The line is not JSON, or it was cut off.
    #[error("document is not valid JSON at byte {offset}")]
    Json {
        /// The position of the fault, in bytes from the start of the line.
        offset: usize,
        /// The fault.
        source: serde_json::Error,
    },
    /// A field is missing, duplicate, of the wrong type, or has an invalid value.
    #[error("document has a field that is missing or malformed")]
    Field(#[source] serde_json::Error),
    /// The document has another version.
    #[error(
        "document is of version {found}, this release reads version {VERSION}; use tools of one release"
    )]
    Version {
        /// The version in the document.
        found: String,
    },
}

impl Classify for DocumentError {
    fn exit(&self) -> Exit {
        Exit::BadData
    }
}

/// The part of a document that every version has.
#[derive(Deserialize)]
struct Header {
    version: Option<serde_json::Value>,
}

impl Document {
    /// Parses one line. Fields that documents of earlier releases lack are set if their values are
    /// known.
    ///
    /// # Errors
    ///
    /// Returns an error if the line is longer than [`MAX_LINE`], is not JSON, is of another
    /// version, lacks a field, or has a key twice in one object.
    pub fn from_line(line: &[u8]) -> Result<Self, DocumentError> {
        if line.len() > MAX_LINE {
            return Err(DocumentError::TooLong);
        }
        if line.starts_with(b"\xEF\xBB\xBF") {
            return Err(DocumentError::ByteOrderMark);
        }
        let NoDuplicateKeys = serde_json::from_slice(line).map_err(|source| {
            if source.is_data() {
                DocumentError::Field(source)
            } else {
                DocumentError::Json {
                    offset: byte_offset(line, &source),
                    source,
                }
            }
        })?;
        // JSON that is not an object fails below, with the error that names what is missing.
        match serde_json::from_slice(line).map(|Header { version }| version) {
            Ok(Some(version)) if version.as_u64() != Some(VERSION) => {
                return Err(DocumentError::Version {
                    found: version.to_string(),
                });
            }
            _ => {}
        }
        let mut document: Self = serde_json::from_slice(line).map_err(DocumentError::Field)?;
        document.complete();
        Ok(document)
    }

    /// Returns the document as one line, with the newline.
    ///
    /// # Panics
    ///
    /// Never: all keys are strings, and a `Vec` accepts every byte.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self)
            .expect("documents of strings, numbers and string-keyed maps always serialise");
        line.push(b'\n');
        line
    }
}

/// Converts the line and column of an error to bytes from the start.
fn byte_offset(line: &[u8], error: &serde_json::Error) -> usize {
    let before: usize = line
        .split(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(|text| text.len() + 1)
        .sum();
    (before + error.column()).min(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[u8]) -> Result<Document, DocumentError> {
        Document::from_line(line)
    }

    fn example() -> Vec<u8> {
        let digest = soci_oci::Digest::of(b"");
        format!(
            r#"{{"version":1,"image":"r/a:v1","root":{{"mediaType":"m","digest":"{digest}","size":1}},"manifests":[{{"descriptor":{{"mediaType":"m","digest":"{digest}","size":1}},"layers":[{{"descriptor":{{"mediaType":"l","digest":"{digest}","size":1}},"ztoc":null,"mine":[1,2]}}],"index":null}}],"mine":{{"b":1,"a":2}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn writes_unknown_fields_as_they_were_read() {
        let mut line = parse(&example()).expect("a document").to_line();
        assert_eq!(line.pop(), Some(b'\n'));
        assert_eq!(
            String::from_utf8_lossy(&line),
            String::from_utf8_lossy(&example())
        );
    }

    #[test]
    fn a_document_cut_off_at_any_byte_is_not_json() {
        let whole = example();
        for end in 0..whole.len() {
            assert!(
                matches!(parse(&whole[..end]), Err(DocumentError::Json { .. })),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn other_versions_are_errors() {
        let text = String::from_utf8(example()).expect("UTF-8");
        for version in ["2", "0", "\"1\"", "1.0", "-1"] {
            let other = text.replacen("\"version\":1", &format!("\"version\":{version}"), 1);
            assert!(
                matches!(parse(other.as_bytes()), Err(DocumentError::Version { .. })),
                "{version}"
            );
        }
        let without = text.replacen("\"version\":1,", "", 1);
        assert!(matches!(
            parse(without.as_bytes()),
            Err(DocumentError::Field(_))
        ));
    }

    #[test]
    fn what_other_json_parsers_may_read_differently_is_an_error() {
        let text = String::from_utf8(example()).expect("UTF-8");
        let twice = text.replacen("\"image\":", "\"image\":\"x\",\"image\":", 1);
        assert!(matches!(
            parse(twice.as_bytes()),
            Err(DocumentError::Field(_))
        ));
        // Duplicate keys at any depth, also in unknown fields.
        for (once, twice) in [
            ("\"size\":1", "\"size\":1,\"size\":2"),
            ("\"b\":1", "\"b\":1,\"b\":1"),
            ("\"b\":1", "\"b\":[{\"c\":1,\"\\u0063\":1}]"),
        ] {
            let other = text.replacen(once, twice, 1);
            assert!(
                matches!(parse(other.as_bytes()), Err(DocumentError::Field(_))),
                "{twice}"
            );
        }
        let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
        assert!(matches!(parse(&marked), Err(DocumentError::ByteOrderMark)));
        for image in ["", "A/b", "oci:", "a b"] {
            let other = text.replacen("r/a:v1", image, 1);
            assert!(
                matches!(parse(other.as_bytes()), Err(DocumentError::Field(_))),
                "{image}"
            );
        }
        for bad in ["NaN", "1e999", "\"\\ud800\"", "\"\u{1}\""] {
            let other = text.replacen("\"r/a:v1\"", bad, 1);
            assert!(parse(other.as_bytes()).is_err(), "{bad}");
        }
        // Control characters and invalid UTF-8 in strings.
        for byte in [b'\0', b'\x1f', b'\xff', b'\xc0'] {
            let mut other = text.clone().into_bytes();
            let position = text.find("a:v1").expect("the image");
            other[position] = byte;
            assert!(
                matches!(parse(&other), Err(DocumentError::Json { .. })),
                "{byte:#x}"
            );
        }
        // Sizes that are negative, fractions, or do not fit into an `i64`.
        for size in [
            "-0",
            "-1",
            "1.0",
            "1e3",
            "9223372036854775808",
            "18446744073709551616",
        ] {
            let other = text.replacen("\"size\":1", &format!("\"size\":{size}"), 1);
            assert!(
                matches!(parse(other.as_bytes()), Err(DocumentError::Field(_))),
                "{size}"
            );
        }
        // Nesting that would exhaust the stack.
        let deep = text.replacen("{\"b\":1", &"[".repeat(100_000), 1);
        assert!(matches!(
            parse(deep.as_bytes()),
            Err(DocumentError::Json { .. })
        ));
    }
}
