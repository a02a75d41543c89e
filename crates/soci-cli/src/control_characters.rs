//! Text that is safe to print on a terminal.

/// Replaces each control character by U+FFFD, so that text from a registry or a file cannot send
/// escape sequences to the terminal.
pub fn replace_control_characters(text: &str) -> String {
    let plain = |character: char| {
        if character.is_control() {
            '\u{FFFD}'
        } else {
            character
        }
    };
    text.chars().map(plain).collect()
}
