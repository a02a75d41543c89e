//! The failure of an image, as a line that later stages pass on.

use std::num::NonZeroU8;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, UnknownFields, VERSION};

/// An image that a stage could not process. Later stages pass its line on as it came, and end with
/// its exit status unless an image before it has failed.
///
/// If a part of the image was pushed, or if `soci-check` found its SOCI indexes wrong, the line has
/// the fields of [`Document`](crate::Document) as well. They are among the unknown fields here.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct FailedImage {
    /// The version of the document: 1.
    pub version: u64,
    /// The reference of the image, as the user wrote it. Absent if it is not known, because a
    /// document was malformed or the whole stage failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The failure.
    pub error: StageError,
    /// Fields that this release does not know, and the other fields of a document.
    #[serde(skip)]
    pub unknown_fields: UnknownFields,
}

impl FailedImage {
    /// Returns the line of an image of which nothing but the failure is known.
    pub fn new(image: Option<String>, error: StageError) -> Self {
        Self {
            version: VERSION,
            image,
            error,
            unknown_fields: UnknownFields::new(),
        }
    }

    /// Returns the whole document, with its field `error`, if a part of the image was pushed or its
    /// SOCI indexes are wrong. Returns `None` if the line lacks the fields of a document.
    pub fn to_document(&self) -> Option<Document> {
        Document::from_line(&self.to_line()).ok()
    }
}

/// What failed in a stage, and why.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct StageError {
    /// The tool that failed, such as `soci-pull`.
    pub stage: String,
    /// The exit status that the failure leads to, from 1 to 255.
    pub exit: NonZeroU8,
    /// The error and its causes, as the tool printed them to stderr.
    pub message: String,
    /// What the user can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{DocumentError, Line, MalformedLine};

    fn example() -> Value {
        json!({"version": 1, "image": "app:v1", "error": {"stage": "soci-pull", "exit": 80,
            "message": "not found", "hint": "push it"}})
    }

    fn parse(line: &Value) -> Result<FailedImage, MalformedLine> {
        match Line::parse(line.to_string().as_bytes()) {
            Ok(Line::Failed(failed)) => Ok(*failed),
            Ok(Line::Document(document)) => panic!("a document: {document:?}"),
            Err(malformed) => Err(malformed),
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let mut line = example();
        line["mine"] = json!({"b": 1, "a": 2});
        line["error"]["mine"] = json!([1]);
        let failed = parse(&line).expect("a failed image");
        assert_eq!(failed.error.exit.get(), 80);
        assert_eq!(failed.to_line(), format!("{line}\n").into_bytes());
        let mut whole_stage = example();
        whole_stage.as_object_mut().expect("fields").remove("image");
        whole_stage["error"]
            .as_object_mut()
            .expect("fields")
            .remove("hint");
        let failed = parse(&whole_stage).expect("a failed image");
        assert_eq!((&failed.image, &failed.error.hint), (&None, &None));
        assert_eq!(failed.to_line(), format!("{whole_stage}\n").into_bytes());
    }

    #[test]
    fn an_error_makes_a_failed_image_of_everything_else() {
        let mut line = example();
        line["root"] = json!("no descriptor");
        line["manifests"] = json!(7);
        assert!(
            parse(&line)
                .expect("a failed image")
                .to_document()
                .is_none()
        );
        let root = json!({"mediaType": "m", "digest": soci_oci::Digest::of(b""), "size": 1});
        line["root"] = root;
        line["manifests"] = json!([]);
        let document = parse(&line).expect("a failed image").to_document();
        let error = document.expect("a whole document").error;
        assert_eq!(error.expect("its error").message, "not found");
    }

    #[test]
    fn malformed_errors_are_bad_data_of_that_image() {
        for (pointer, value) in [
            ("/error", json!("x")),
            ("/error", json!(true)),
            ("/error", json!(["soci-pull", 80, "not found"])),
            ("/error", json!({})),
            ("/error/stage", json!(1)),
            ("/error/exit", json!(0)),
            ("/error/exit", json!(-1)),
            ("/error/exit", json!(256)),
            ("/error/exit", json!(80.0)),
            ("/error/exit", json!("80")),
            ("/error/exit", Value::Null),
            ("/error/message", Value::Null),
            ("/error/hint", json!(7)),
        ] {
            let mut line = example();
            *line.pointer_mut(pointer).expect("a field") = value;
            let malformed = parse(&line).expect_err(pointer);
            assert!(
                matches!(malformed.error, DocumentError::FailedImage(_)),
                "{line}: {malformed:?}"
            );
            assert_eq!(malformed.image.as_deref(), Some("app:v1"));
        }
        let mut nameless = example();
        nameless["image"] = json!(7);
        let malformed = parse(&nameless).expect_err("a number as the image");
        assert!(matches!(malformed.error, DocumentError::FailedImage(_)));
        assert_eq!(malformed.image, None);
    }

    #[test]
    fn failed_images_are_checked_as_documents_are() {
        let text = example().to_string();
        let parse = |line: &str| Line::parse(line.as_bytes()).expect_err(line).error;
        let later = text.replacen("\"version\":1", "\"version\":2", 1);
        assert!(matches!(parse(&later), DocumentError::Version { .. }));
        let without = text.replacen("\"version\":1,", "", 1);
        assert!(matches!(parse(&without), DocumentError::FailedImage(_)));
        for twice in [
            text.replacen("\"exit\":80", "\"exit\":80,\"exit\":81", 1),
            text.replacen("\"image\"", "\"error\":null,\"image\"", 1),
        ] {
            assert!(matches!(parse(&twice), DocumentError::Field(_)), "{twice}");
        }
        for end in 1..text.len() {
            assert!(matches!(parse(&text[..end]), DocumentError::Json { .. }));
        }
        let long = text.replacen("not found", &"x".repeat(crate::MAX_LINE), 1);
        assert!(matches!(parse(&long), DocumentError::TooLong));
    }
}
