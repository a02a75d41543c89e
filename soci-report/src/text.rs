//! The report as text.

use soci_cli::replace_control_characters;
use soci_document::Line;

/// Renders the report as text.
pub(crate) fn render(lines: &[Line]) -> String {
    let render = |line: &Line| {
        let image = match line {
            Line::Document(document) => document.image.as_str(),
            Line::Failed(failed) => failed.image.as_deref().unwrap_or_default(),
        };
        replace_control_characters(image) + "\n"
    };
    lines.iter().map(render).collect()
}
