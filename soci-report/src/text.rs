//! The report as text.

use soci_cli::replace_control_characters;
use soci_document::Document;

/// Renders the report as text.
pub(crate) fn render(documents: &[Document]) -> String {
    let lines = documents
        .iter()
        .map(|document| replace_control_characters(document.image.as_str()) + "\n");
    lines.collect()
}
