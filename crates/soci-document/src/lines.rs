//! Documents as lines of JSON.

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use soci_oci::printable::hide_credentials;
use soci_oci::reference::CREDENTIALS_ADVICE;

use crate::structure::{MAX_DEPTH, MAX_VALUES, StructureFault, check_structure};
use crate::unknown::UnknownFields;
use crate::{Classify, Document, Exit, FailedImage, VERSION};

/// The maximum length of a line in bytes.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// The longest version that an error shows, in characters.
const LONGEST_VERSION: usize = 40;

/// The longest key that an error shows, in characters.
const LONGEST_KEY: usize = 100;

/// Why a line is not a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The line is longer than [`MAX_LINE`].
    #[error("document has more than {MAX_LINE} bytes")]
    TooLong,
    /// The known fields of the line have more values than `MAX_VALUES`.
    #[error("the fields of the document have more than {MAX_VALUES} values")]
    TooManyValues,
    /// Objects and lists are nested deeper than `MAX_DEPTH`.
    #[error("document is nested more than {MAX_DEPTH} deep")]
    TooDeep,
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
    /// The reference of the image holds a user name or a password.
    #[error("the field `image` holds a user name or a password")]
    Credentials,
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

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Credentials).then(|| CREDENTIALS_ADVICE.to_owned())
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
    /// The text of the field `image`, without a password, if the line is JSON that has one.
    pub image: Option<String>,
    /// What is wrong.
    pub error: DocumentError,
}

/// The fields that tell what a line is. A field that is `null` counts as absent.
#[derive(Default, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    image: Option<&'a RawValue>,
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
        let malformed = |error| MalformedLine { image: None, error };
        let line = check_json(line.trim_ascii()).map_err(malformed)?;
        let header = Header::of(line);
        header.parse(line).map_err(|error| MalformedLine {
            image: header
                .image_text()
                .map(|image| hide_credentials(&image).into_owned()),
            error,
        })
    }
}

impl<'a> Header<'a> {
    /// Reads the fields. JSON that is not an object has none.
    fn of(line: &'a str) -> Self {
        serde_json::from_str(line).unwrap_or_default()
    }

    /// Returns the text of the field `image`, if it is one.
    fn image_text(&self) -> Option<String> {
        serde_json::from_str(self.image?.get()).ok()
    }

    fn check_version(&self) -> Result<(), DocumentError> {
        let version = self.version.map(RawValue::get);
        match version {
            Some(version) if version.parse() != Ok(VERSION) => Err(DocumentError::Version {
                found: version.chars().take(LONGEST_VERSION).collect(),
            }),
            _ => Ok(()),
        }
    }

    /// Parses the line that has these fields.
    fn parse(&self, line: &str) -> Result<Line, DocumentError> {
        self.check_version()?;
        if let Some(image) = self.image_text()
            && hide_credentials(&image) != image
        {
            return Err(DocumentError::Credentials);
        }
        if self.error.is_none() {
            return parse_document(line).map(|document| Line::Document(Box::new(document)));
        }
        let mut failed: FailedImage =
            serde_json::from_str(line).map_err(DocumentError::FailedImage)?;
        failed.unknown_fields =
            find_unknown_fields(line, &failed).map_err(DocumentError::FailedImage)?;
        Ok(Line::Failed(Box::new(failed)))
    }
}

fn parse_document(line: &str) -> Result<Document, DocumentError> {
    let mut document: Document = serde_json::from_str(line).map_err(DocumentError::Field)?;
    document.unknown_fields = find_unknown_fields(line, &document).map_err(DocumentError::Field)?;
    document.complete();
    Ok(document)
}

/// Returns the fields of a line that its parsed form does not have.
fn find_unknown_fields(line: &str, parsed: &impl Serialize) -> serde_json::Result<UnknownFields> {
    let parsed = serde_json::to_string(parsed)?;
    UnknownFields::find(line, &parsed)
        .ok_or_else(|| serde_json::Error::custom("found a list, expected an object"))
}

/// Checks what has to hold for every line before its fields are read. Returns the line.
fn check_json(line: &[u8]) -> Result<&str, DocumentError> {
    if line.len() > MAX_LINE {
        return Err(DocumentError::TooLong);
    }
    if line.starts_with(b"\xEF\xBB\xBF") {
        return Err(DocumentError::ByteOrderMark);
    }
    let json: &RawValue = serde_json::from_slice(line).map_err(|source| DocumentError::Json {
        offset: byte_offset(line, &source),
        source,
    })?;
    match check_structure(json.get()) {
        Ok(()) => Ok(json.get()),
        Err(StructureFault::TooDeep) => Err(DocumentError::TooDeep),
        Err(StructureFault::TooManyValues) => Err(DocumentError::TooManyValues),
        Err(StructureFault::Ambiguous { offset, problem }) => Err(DocumentError::Json {
            offset,
            source: serde_json::Error::custom(problem),
        }),
        Err(StructureFault::DuplicateKey(key)) => {
            let shown: String = key.escape_debug().take(LONGEST_KEY).collect();
            let error = format!("duplicate field `{shown}`");
            Err(DocumentError::Field(serde_json::Error::custom(error)))
        }
    }
}

impl FailedImage {
    /// Returns the failed image as one line, with the newline.
    ///
    /// # Panics
    ///
    /// Never: all keys are strings, and a `Vec` accepts every byte.
    pub fn to_line(&self) -> Vec<u8> {
        let line = serde_json::to_vec(self)
            .expect("failed images of strings, numbers and string-keyed maps always serialise");
        let mut line = self.unknown_fields.add_to(line);
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
        let line = check_json(line.trim_ascii())?;
        Header::of(line).check_version()?;
        parse_document(line)
    }

    /// Returns the document as one line, with the newline.
    ///
    /// # Panics
    ///
    /// Never: all keys are strings, and a `Vec` accepts every byte.
    pub fn to_line(&self) -> Vec<u8> {
        let line = serde_json::to_vec(self)
            .expect("documents of strings, numbers and string-keyed maps always serialise");
        let mut line = self.unknown_fields.add_to(line);
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
mod tests;
