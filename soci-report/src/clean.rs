//! Text from documents, without characters that act on what displays them.

use std::borrow::Cow;

use soci_cli::to_printable;

/// Returns a text with escapes such as `\u{202e}` in place of characters that act on a terminal or
/// on a page, or that make a text read otherwise than it is written, and without passwords.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    to_printable(text)
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
    fn escapes_what_acts_on_a_display() {
        assert_eq!(
            clean("registry.example/app:v1 é –"),
            "registry.example/app:v1 é –"
        );
        assert_eq!(clean("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(clean("a\u{202e}b\n"), "a\\u{202e}b\\n");
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
