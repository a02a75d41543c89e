//! Text from documents, without characters that act on what displays them.

use std::borrow::Cow;

/// Replaces each character that acts on a terminal, or that makes a text read otherwise than it is
/// written, by U+FFFD: control characters, line separators, and the invisible characters that
/// change the direction of a text or hide in it (Unicode Technical Report 36, section 2.6).
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let replace = |character| {
        if acts(character) {
            '\u{FFFD}'
        } else {
            character
        }
    };
    Cow::Owned(text.chars().map(replace).collect())
}

/// Returns whether a character acts on what displays it.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

/// Cuts a text after `length` characters, and marks the cut.
pub(crate) fn shorten(text: &str, length: usize) -> Cow<'_, str> {
    match text.char_indices().nth(length) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Splits a text at its backticks, as messages and cures have them: `run `soci-plan` first` is the
/// text `run `, the code `soci-plan` and the text ` first`. A backtick without a partner is text.
pub(crate) fn split_code(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, after)) = after.split_once('`') else {
            break;
        };
        parts.push(Part::Text(before));
        parts.push(Part::Code(code));
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts
}

/// A part of a text with code in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part<'a> {
    /// Code, without its backticks.
    Code(&'a str),
    /// Plain text, which may be empty.
    Text(&'a str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_acts_on_a_display() {
        assert_eq!(
            clean("registry.example/app:v1 é –"),
            "registry.example/app:v1 é –"
        );
        for hostile in [
            "\u{1b}[2J",
            "a\nb",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{feff}",
            "\u{9b}",
        ] {
            let cleaned = clean(hostile);
            assert!(
                cleaned.contains('\u{FFFD}') && !cleaned.contains(acts),
                "{cleaned:?}"
            );
        }
    }

    #[test]
    fn shortens_at_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöü", 2), "äö…");
    }

    #[test]
    fn splits_code_from_text() {
        let parts = [
            Part::Text("run "),
            Part::Code("soci-plan"),
            Part::Text(" first"),
        ];
        assert_eq!(split_code("run `soci-plan` first"), parts);
        assert_eq!(split_code("a ` b"), [Part::Text("a ` b")]);
        assert_eq!(split_code(""), [Part::Text("")]);
    }
}
