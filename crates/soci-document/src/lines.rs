//! Documents as lines of JSON.

use serde::Deserialize;

use crate::model::{Document, VERSION};
use crate::unique::Unique;
use crate::{Classify, Exit};

/// The longest line that is read, in bytes.
pub const LINE_LIMIT: usize = 16 * 1024 * 1024;

/// Why a line is not a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The line is longer than any document may be.
    #[error("document has more than {LINE_LIMIT} bytes")]
    TooLong,
    /// The line starts with a byte order mark.
    #[error("document starts with a byte order mark; write it as plain UTF-8")]
    ByteOrderMark,
    /// The line is not JSON, or ends in the middle.
    #[error("document is not valid JSON at byte {offset}")]
    Json {
        /// Where the reader stopped, in bytes from the start of the line.
        offset: usize,
        /// What it found.
        source: serde_json::Error,
    },
    /// A field is missing or of the wrong type.
    #[error("document has a field that is missing or malformed")]
    Field(#[source] serde_json::Error),
    /// A later version of the document.
    #[error(
        "document is of version {found}, this release reads version {VERSION}; use tools of one release"
    )]
    Version {
        /// The version that the document names.
        found: String,
    },
}

impl Classify for DocumentError {
    fn exit(&self) -> Exit {
        Exit::BadData
    }
}

/// What is read of a document before it is known to be of this version.
#[derive(Deserialize)]
struct Header {
    version: Option<serde_json::Value>,
}

/// Reads a document from one line.
///
/// # Errors
///
/// Fails where the line is too long, not JSON, of another version, lacks a field or has one twice.
pub fn parse(line: &[u8]) -> Result<Document, DocumentError> {
    if line.len() > LINE_LIMIT {
        return Err(DocumentError::TooLong);
    }
    if line.starts_with(b"\xEF\xBB\xBF") {
        return Err(DocumentError::ByteOrderMark);
    }
    let Unique = serde_json::from_slice(line).map_err(|source| {
        if source.is_data() {
            DocumentError::Field(source)
        } else {
            DocumentError::Json {
                offset: offset(line, &source),
                source,
            }
        }
    })?;
    // What is no object has no version, and is told what it lacks.
    match serde_json::from_slice(line).map(|Header { version }| version) {
        Ok(Some(version)) if version.as_u64() != Some(VERSION) => {
            return Err(DocumentError::Version {
                found: version.to_string(),
            });
        }
        _ => {}
    }
    serde_json::from_slice(line).map_err(DocumentError::Field)
}

/// Returns a document as one line, with its end.
///
/// # Panics
///
/// Never: a document has string keys only, and a `Vec` takes every byte.
pub fn to_line(document: &Document) -> Vec<u8> {
    let mut line = serde_json::to_vec(document)
        .expect("documents of strings, numbers and string-keyed maps always serialise");
    line.push(b'\n');
    line
}

/// Returns where an error stands, in bytes from the start.
fn offset(line: &[u8], error: &serde_json::Error) -> usize {
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

    fn example() -> Vec<u8> {
        let digest = soci_oci::Digest::of(b"");
        format!(
            r#"{{"version":1,"image":"r/a:v1","root":{{"mediaType":"m","digest":"{digest}","size":1}},"manifests":[{{"descriptor":{{"mediaType":"m","digest":"{digest}","size":1}},"layers":[{{"descriptor":{{"mediaType":"l","digest":"{digest}","size":1}},"ztoc":null,"mine":[1,2]}}],"index":null}}],"mine":{{"b":1,"a":2}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn keeps_what_it_does_not_know() {
        let mut line = to_line(&parse(&example()).expect("a document"));
        assert_eq!(line.pop(), Some(b'\n'));
        assert_eq!(
            String::from_utf8_lossy(&line),
            String::from_utf8_lossy(&example())
        );
    }

    #[test]
    fn refuses_a_document_cut_anywhere() {
        let whole = example();
        for end in 0..whole.len() {
            assert!(
                matches!(parse(&whole[..end]), Err(DocumentError::Json { .. })),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn refuses_another_version() {
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
    fn refuses_what_only_some_readers_take() {
        let text = String::from_utf8(example()).expect("UTF-8");
        let twice = text.replacen("\"image\":", "\"image\":\"x\",\"image\":", 1);
        assert!(matches!(
            parse(twice.as_bytes()),
            Err(DocumentError::Field(_))
        ));
        // At any depth, and in what this release does not know.
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
        for bad in ["NaN", "1e999", "\"\\ud800\"", "\"\u{1}\""] {
            let other = text.replacen("\"r/a:v1\"", bad, 1);
            assert!(parse(other.as_bytes()).is_err(), "{bad}");
        }
        // Strings of bytes that are no text, and sizes that are no lengths.
        for byte in [b'\0', b'\x1f', b'\xff', b'\xc0'] {
            let mut other = text.clone().into_bytes();
            let place = text.find("a:v1").expect("the image");
            other[place] = byte;
            assert!(
                matches!(parse(&other), Err(DocumentError::Json { .. })),
                "{byte:#x}"
            );
        }
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
        let deep = text.replacen("{\"b\":1", &"[".repeat(100_000), 1);
        assert!(matches!(
            parse(deep.as_bytes()),
            Err(DocumentError::Json { .. })
        ));
    }
}
