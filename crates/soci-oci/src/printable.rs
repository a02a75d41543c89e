//! Text of users, registries and files, made safe to print.
//!
//! Every message, table, label and report passes through [`to_printable`], so that no text acts on
//! what displays it, and no password that was typed into a reference is shown.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What is printed instead of a user name and a password.
const HIDDEN: &str = "***";

/// The algorithms of digests, as texts that follow an `@` begin.
const DIGESTS: [&str; 8] = [
    "sha256:", "sha512:", "sha384:", "sha1:", "sha224:", "md5:", "blake3:",
    // As in `[:tag][@digest]`.
    "digest]",
];

/// Characters that may stand before a reference in a message.
const OPENING: [char; 8] = ['`', '"', '\'', '(', '<', '[', '{', ','];

/// Returns whether a character acts on what displays it, or is invisible: control characters (C0
/// and C1), line and paragraph separators, and what Unicode calls `Bidi_Control` and
/// `Default_Ignorable_Code_Point` (Unicode Standard Annex 44, section 5.3; Unicode Technical Report
/// 36, section 2.6).
pub fn acts_on_display(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
                | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

/// Returns a text in which each character that [`acts_on_display`] is escaped, such as `\n` or
/// `\u{202e}`.
pub fn escape_invisible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_display) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => escaped.extend(character.escape_default()),
            _ if acts_on_display(character) => escaped.extend(character.escape_unicode()),
            _ => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Returns a text of JSON in which each character that [`acts_on_display`] is escaped as JSON
/// escapes it (RFC 8259, section 7), so that the values are the same. The text must have no
/// white space but blanks.
pub fn escape_invisible_in_json(json: &str) -> Cow<'_, str> {
    if !json.contains(acts_on_display) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if acts_on_display(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _written = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Returns a message without what acts on a display, and without user names and passwords in front
/// of hosts, as in `user:password@registry.example/app`.
pub fn to_printable(message: &str) -> Cow<'_, str> {
    match hide_credentials_in_message(message) {
        Cow::Borrowed(shown) => escape_invisible(shown),
        Cow::Owned(shown) => Cow::Owned(escape_invisible(&shown).into_owned()),
    }
}

/// Returns a reference, or a text in place of one, without a user name and a password. It replaces
/// everything before an `@` that no digest follows: passwords may hold any character.
pub fn hide_credentials(reference: &str) -> Cow<'_, str> {
    let Some(end) = end_of_credentials(reference) else {
        return Cow::Borrowed(reference);
    };
    let start = reference[..end].find("://").map_or(0, |scheme| scheme + 3);
    let (scheme, rest) = (&reference[..start], &reference[end..]);
    Cow::Owned(format!("{scheme}{HIDDEN}{rest}"))
}

/// Returns whether a text in place of a reference has a user name or a password.
pub(crate) fn has_credentials(reference: &str) -> bool {
    end_of_credentials(reference).is_some()
}

/// Returns whether a slash follows before any white space.
fn is_host_with_path(text: &str) -> bool {
    let mut words = text.split(char::is_whitespace);
    words.next().is_some_and(|word| word.contains('/'))
}

/// Returns whether a text is a path, or the reference of a layout or archive at one, such as
/// `oci:/home/me@corp.example/layout`.
fn is_path(text: &str) -> bool {
    let prefixes = ["oci:", "oci-archive:", "docker-archive:"];
    let mut paths = prefixes
        .iter()
        .filter_map(|prefix| text.strip_prefix(prefix));
    let path = paths.next().unwrap_or(text);
    !path.starts_with("//")
        && ["/", "./", "../", "~"]
            .iter()
            .any(|start| path.starts_with(start))
}

/// Returns the position of the last `@` that follows credentials: a host follows it and not a
/// digest.
fn end_of_credentials(reference: &str) -> Option<usize> {
    if is_path(reference) {
        return None;
    }
    let mut end = reference.len();
    let ats = reference.rmatch_indices('@').map(|(at, _)| at);
    for at in ats {
        let (before, after) = (&reference[..at], &reference[at + 1..end]);
        let is_digest = after.is_empty()
            || DIGESTS.iter().any(|digest| after.starts_with(digest))
            // A tag after `@` is a common mistake.
            || !before.contains(':') && !is_host_with_path(after);
        if !is_digest {
            return Some(at);
        }
        end = at;
    }
    None
}

/// Returns a message without the credentials in its words.
pub fn hide_credentials_in_message(message: &str) -> Cow<'_, str> {
    if !message.contains('@') {
        return Cow::Borrowed(message);
    }
    let mut shown = String::with_capacity(message.len());
    for word in message.split_inclusive(char::is_whitespace) {
        let start = word.len() - word.trim_start_matches(OPENING).len();
        let (opening, word) = word.split_at(start);
        shown.push_str(opening);
        // The session of a role is often the address of a user.
        if word.starts_with("arn:") {
            shown.push_str(word);
        } else {
            shown.push_str(&hide_credentials(word));
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_acts_on_a_display() {
        for (text, expected) in [
            (
                "registry.example/app:v1 é – ✓",
                "registry.example/app:v1 é – ✓",
            ),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("a\u{202e}b\u{2066}", "a\\u{202e}b\\u{2066}"),
            ("\u{200b}\u{feff}\u{2028}", "\\u{200b}\\u{feff}\\u{2028}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("\u{e0041}\u{061c}", "\\u{e0041}\\u{61c}"),
        ] {
            assert_eq!(escape_invisible(text), expected);
            assert_eq!(to_printable(text), expected);
        }
    }

    #[test]
    fn escaped_json_has_the_same_values() {
        let json = "{\"a\":\"\u{202e}x\u{9b}\u{e0041}é\"}";
        let escaped = escape_invisible_in_json(json);
        assert_eq!(escaped, "{\"a\":\"\\u202ex\\u009b\\udb40\\udc41é\"}");
        let values = [json, &escaped].map(serde_json::from_str::<serde_json::Value>);
        let [one, two] = values.map(|value| value.expect("JSON"));
        assert_eq!(one, two);
    }

    #[test]
    fn hides_user_names_and_passwords() {
        for (text, expected) in [
            ("user:pass@r.example/app:v1", "***@r.example/app:v1"),
            ("user@r.example/app", "***@r.example/app"),
            (
                "https://user:pass@r.example/app",
                "https://***@r.example/app",
            ),
            ("oci://token@r.example/chart", "oci://***@r.example/chart"),
            (
                "user:p@ss/w:rd@localhost:5000/app",
                "***@localhost:5000/app",
            ),
            ("user:my pass@localhost", "***@localhost"),
            ("u:p@r.example/app@sha256:00", "***@r.example/app@sha256:00"),
            ("u:p@sha256:x@r.example/app", "***@r.example/app"),
            ("r.example/app:v1@sha256:00", "r.example/app:v1@sha256:00"),
            ("app@v1", "app@v1"),
            ("oci:/home/me@corp.example/a", "oci:/home/me@corp.example/a"),
            ("oci:user:pass@r.example/a", "***@r.example/a"),
            ("app@", "app@"),
            (
                "[registry/]repository[:tag][@digest],",
                "[registry/]repository[:tag][@digest],",
            ),
            (
                "@user a@b.example or https://c.example",
                "@user a@b.example or https://c.example",
            ),
            ("app", "app"),
        ] {
            assert_eq!(hide_credentials(text), expected);
            assert_eq!(has_credentials(text), text != expected, "{text}");
        }
    }

    #[test]
    fn hides_credentials_in_messages() {
        for (text, expected) in [
            (
                "unexpected argument `u:p@r.example/app`: see --help",
                "unexpected argument `***@r.example/app`: see --help",
            ),
            (
                "app:v1: pushed r.example/app:v1@sha256:00 (v2)",
                "app:v1: pushed r.example/app:v1@sha256:00 (v2)",
            ),
            (
                "user arn:aws:sts::1:assumed-role/x/me@corp.example is not authorized",
                "user arn:aws:sts::1:assumed-role/x/me@corp.example is not authorized",
            ),
            (
                "cannot read `/home/me@corp.example/a`",
                "cannot read `/home/me@corp.example/a`",
            ),
            (
                "mail me@corp.example, please",
                "mail me@corp.example, please",
            ),
        ] {
            assert_eq!(to_printable(text), expected);
        }
    }
}
