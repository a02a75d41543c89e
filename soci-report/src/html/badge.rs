//! The name of an image's section, and the sign of its state.

use std::fmt::{self, Write as _};

use crate::report::State;

/// Returns the name of the section of an image.
pub(super) fn anchor(position: usize) -> String {
    format!("image-{}", position + 1)
}

/// Writes a text about a state, with a sign that tells the state without colour.
pub(super) fn write_badge(out: &mut String, state: State, text: &str) -> fmt::Result {
    let (class, sign) = match state {
        State::Failed => ("bad", "✕"),
        State::PartlyPushed => ("warn", "!"),
        State::Pushed => ("good", "✓"),
        State::DryRun | State::Unchanged => ("plain", "="),
        State::Indexed | State::Planned | State::Pulled => ("plain", "→"),
    };
    write!(
        out,
        r#"<span class="badge {class}"><span aria-hidden="true">{sign}</span> {text}</span>"#
    )
}
