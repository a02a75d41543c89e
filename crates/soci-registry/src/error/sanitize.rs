//! Escapes text of registries and other programs for error messages.

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
            // Format characters can change the direction of the text that follows.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(character.escape_unicode());
            }
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}
