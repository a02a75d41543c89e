//! What failed.

use soci_document::StageError;

use crate::clean::{clean, shorten};

/// The failure of an image, of a part of it, or of a whole stage.
#[derive(Clone, Debug)]
pub(crate) struct FailureReport {
    /// The tool that failed.
    pub(crate) stage: String,
    /// The exit status that the failure leads to.
    pub(crate) exit: u8,
    pub(crate) message: String,
    /// What the user can do about it.
    pub(crate) hint: Option<String>,
}

/// The most characters of a message or hint that are displayed.
const MAX_TEXT: usize = 2000;

/// The most characters of the name of a stage that are displayed.
const MAX_STAGE: usize = 40;

fn tidy(text: &str) -> String {
    shorten(&clean(text), MAX_TEXT).into_owned()
}

impl From<StageError> for FailureReport {
    fn from(error: StageError) -> Self {
        Self {
            stage: shorten(&clean(&error.stage), MAX_STAGE).into_owned(),
            exit: error.exit.get(),
            message: tidy(&error.message),
            hint: error.hint.as_deref().map(tidy),
        }
    }
}
