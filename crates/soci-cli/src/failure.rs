//! The failure of a tool, or of its work on one image.

use std::fmt::Display;
use std::num::NonZeroU8;

use soci_document::{Classify, Exit, StageError};

use soci_oci::printable::to_printable;

/// The longest text of a failure in a document, in characters. A registry or the user determines
/// how long a message is, and the next stage must be able to read the line.
const MAX_TEXT: usize = 16 * 1024;

/// An error with the exit status that it leads to and a hint for the user.
///
/// Every error of a library that implements [`Classify`] converts into it.
#[derive(Debug)]
pub struct Failure {
    /// The exit status of the tool.
    pub exit: Exit,
    /// The error and its causes.
    pub error: anyhow::Error,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// Whether the error names the object that the operation was about.
    pub names_object: bool,
}

impl Failure {
    /// Returns a failure with the given exit status and error.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
            names_object: false,
        }
    }

    /// Returns a failure with the given exit status and message.
    pub fn message(exit: Exit, message: impl Display) -> Self {
        Self::new(exit, anyhow::anyhow!("{message}"))
    }

    /// Puts `context` in front of the message, such as `cannot open the store`.
    #[must_use]
    pub fn context(mut self, context: impl Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(context);
        self
    }

    /// Puts `context`, which names an object such as a layer, in front of the message, unless the
    /// error names its object itself ([`Classify::names_object`]).
    #[must_use]
    pub fn context_unless_named(self, context: impl Display + Send + Sync + 'static) -> Self {
        if self.names_object {
            self
        } else {
            self.context(context)
        }
    }

    /// Replaces the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the failure as the field `error` of a document of the stage.
    pub(crate) fn to_stage_error(&self, stage: &str) -> StageError {
        // A failure has no exit status 0.
        let exit = NonZeroU8::new(self.exit.code()).unwrap_or(NonZeroU8::MAX);
        StageError {
            stage: stage.to_owned(),
            exit,
            message: to_document_text(&format!("{:#}", self.error)),
            hint: self.hint.as_deref().map(to_document_text),
        }
    }
}

/// Returns a text for a failed image, which may be printed on a terminal, and without passwords.
/// What exceeds [`MAX_TEXT`] is left out.
pub(crate) fn to_document_text(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => to_printable(&text[..end]).into_owned() + "…",
        None => to_printable(text).into_owned(),
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: error.exit(),
            hint: error.hint(),
            names_object: error.names_object(),
            error: error.into(),
        }
    }
}
