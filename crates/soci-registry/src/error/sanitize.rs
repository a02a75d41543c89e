//! Text of others in messages of ours.

/// How many characters of a registry's words are shown.
const SHOWN: usize = 300;

/// Returns text that cannot harm a terminal or flood it.
pub(crate) fn sanitize(text: &str) -> String {
    let mut shown = String::new();
    for character in text.trim().chars() {
        if shown.chars().count() >= SHOWN {
            shown.push('…');
            break;
        }
        match character {
            '"' | '\'' | '`' => shown.push(character),
            // Also format characters, which can turn the rest of a line around.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(character.escape_unicode());
            }
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}
