//! What the work on one document results in.

use soci_document::Document;

use crate::{Failure, Progress};

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
    /// Prints what was decided, before the document is written.
    pub explain: Option<fn(&Document, &Progress)>,
}

impl Processed {
    /// Returns the length of the line of the document, in bytes.
    pub(crate) fn document_bytes(&self) -> usize {
        let document = self.document.as_ref();
        document.map_or(0, |document| document.to_line().len())
    }
}

impl From<Document> for Processed {
    fn from(document: Document) -> Self {
        Self {
            document: Some(document),
            failures: Vec::new(),
            result: None,
            report: None,
            explain: None,
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
            explain: None,
        }
    }
}
