//! The failure of a tool, or of its work on one image.

use std::fmt::Display;

use soci_document::{Classify, Exit};

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
}

impl Failure {
    /// Returns a failure with the given exit status and error.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
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

    /// Replaces the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: error.exit(),
            hint: error.hint(),
            error: error.into(),
        }
    }
}
