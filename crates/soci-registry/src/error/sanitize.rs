//! Escapes text of registries and other programs for error messages.

use soci_oci::printable::acts_on_display;

/// Longest text that is shown, in characters.
const MAX_LENGTH: usize = 300;

/// Returns text without control characters, cut to [`MAX_LENGTH`], for a terminal or a log.
pub(crate) fn sanitize(text: &str) -> String {
    let mut shown = String::new();
    for character in text.trim().chars() {
        if shown.chars().count() >= MAX_LENGTH {
            shown.push('…');
            break;
        }
        match character {
            '"' | '\'' | '`' => shown.push(character),
            _ if acts_on_display(character) && !character.is_control() => {
                shown.extend(character.escape_unicode());
            }
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}
