//! Documents as lines of JSON.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::duplicate_keys::NoDuplicateKeys;
use crate::{Classify, Document, Exit, FailedImage, VERSION};

/// The maximum length of a line in bytes.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Why a line is not a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The line is longer than [`MAX_LINE`].
    #[error("document has more than {MAX_LINE} bytes")]
    TooLong,
    /// The line starts with a byte order mark.
    #[error("document starts with a byte order mark; write it as UTF-8 without one")]
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
    #[error("a field of the document is missing or malformed")]
    Field(#[source] serde_json::Error),
    /// The field `error`, or another field of a failed image, is malformed.
    #[error("a field of the document of a failed image is missing or malformed")]
    FailedImage(#[source] serde_json::Error),
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

/// What a line of the stream is.
#[derive(Debug)]
pub enum Line {
    /// The document of an image.
    Document(Box<Document>),
    /// An image that failed in an earlier stage: a line with `error`. Its other fields are not
    /// checked, except for `version` and `image`.
    Failed(Box<FailedImage>),
}

/// A line that is neither a document nor a failed image.
#[derive(Debug)]
pub struct MalformedLine {
    /// The text of the field `image`, if the line is JSON that has one.
    pub image: Option<String>,
    /// What is wrong.
    pub error: DocumentError,
}

/// The fields that tell what a line is. A field that is `null` counts as absent.
#[derive(Default, Deserialize)]
struct Header {
    version: Option<serde_json::Value>,
    image: Option<serde_json::Value>,
    error: Option<IgnoredAny>,
}

impl Line {
    /// Parses one line. White space around it is ignored. Fields that documents of earlier releases
    /// lack are set if their values are known.
    ///
    /// # Errors
    ///
    /// Returns an error if the line is longer than [`MAX_LINE`], is not JSON, is of another
    /// version, lacks a field, or has a key twice in one object.
    pub fn parse(line: &[u8]) -> Result<Self, MalformedLine> {
        let line = line.trim_ascii();
        let malformed = |error| MalformedLine { image: None, error };
        check_json(line).map_err(malformed)?;
        let header = Header::of(line);
        header.parse(line).map_err(|error| {
            let image = header.image.as_ref().and_then(|image| image.as_str());
            MalformedLine {
                image: image.map(str::to_owned),
                error,
            }
        })
    }
}

impl Header {
    /// Reads the fields. JSON that is not an object has none.
    fn of(line: &[u8]) -> Self {
        serde_json::from_slice(line).unwrap_or_default()
    }

    fn check_version(&self) -> Result<(), DocumentError> {
        match &self.version {
            Some(version) if version.as_u64() != Some(VERSION) => Err(DocumentError::Version {
                found: version.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Parses the line that has these fields.
    fn parse(&self, line: &[u8]) -> Result<Line, DocumentError> {
        self.check_version()?;
        if self.error.is_none() {
            return parse_document(line).map(|document| Line::Document(Box::new(document)));
        }
        serde_json::from_slice(line)
            .map(|failed| Line::Failed(Box::new(failed)))
            .map_err(DocumentError::FailedImage)
    }
}

fn parse_document(line: &[u8]) -> Result<Document, DocumentError> {
    let mut document: Document = serde_json::from_slice(line).map_err(DocumentError::Field)?;
    document.complete();
    Ok(document)
}

/// Checks what has to hold for every line before its fields are read.
fn check_json(line: &[u8]) -> Result<(), DocumentError> {
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
    Ok(())
}

impl FailedImage {
    /// Returns the failed image as one line, with the newline.
    ///
    /// # Panics
    ///
    /// Never: all keys are strings, and a `Vec` accepts every byte.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self)
            .expect("failed images of strings, numbers and string-keyed maps always serialise");
        line.push(b'\n');
        line
    }
}

impl Document {
    /// Parses the line of a document. Fields that documents of earlier releases lack are set if
    /// their values are known. A document with the field `error`, which [`Line::parse`] takes for a
    /// failed image, is read like another.
    ///
    /// # Errors
    ///
    /// As for [`Line::parse`].
    pub fn from_line(line: &[u8]) -> Result<Self, DocumentError> {
        let line = line.trim_ascii();
        check_json(line)?;
        Header::of(line).check_version()?;
        parse_document(line)
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
        match Line::parse(line) {
            Ok(Line::Document(document)) => Ok(*document),
            Ok(Line::Failed(failed)) => panic!("a failed image: {failed:?}"),
            Err(malformed) => Err(malformed.error),
        }
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
