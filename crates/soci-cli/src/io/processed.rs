//! What the work on one document results in.

use soci_document::Document;

use crate::Failure;

/// The result of a tool's work on one document.
#[derive(Debug)]
pub struct Processed {
    /// The document to write, or `None` if nothing of the work was done.
    pub document: Option<Document>,
    /// What failed although the rest was done.
    pub failures: Vec<Failure>,
    /// Describes the result for the last message about the image.
    pub result: Option<fn(&Document) -> String>,
    /// Formats the image for a reader, in place of the summary that all tools share.
    pub report: Option<fn(&Document) -> String>,
}

impl From<Document> for Processed {
    fn from(document: Document) -> Self {
        Self {
            document: Some(document),
            failures: Vec::new(),
            result: None,
            report: None,
        }
    }
}

impl From<Failure> for Processed {
    fn from(failure: Failure) -> Self {
        Self {
            document: None,
            failures: vec![failure],
            result: None,
            report: None,
        }
    }
}
