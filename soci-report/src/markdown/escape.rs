//! Text in GitHub Flavored Markdown, also in the cells of tables.

use std::fmt::{self, Write as _};

use crate::clean::{Part, split_code};

/// A text without markup: no link, mention, mathematics or HTML.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = ' ';
        let mut characters = self.0.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                // A mention, and the address of an email.
                '@' => f.write_str("&#64;")?,
                // A link (section 6.9), as `https://` or `www.`, is none without its punctuation, nor
                // is the name of an emoji.
                ':' if characters.peek().is_some_and(|next| *next != ' ') => {
                    f.write_str("&#58;")?;
                }
                '.' if before == 'w' || before == 'W' => f.write_str("&#46;")?,
                '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '$' | '!' => {
                    f.write_char('\\')?;
                    f.write_char(character)?;
                }
                character => f.write_char(character)?,
            }
            before = character;
        }
        Ok(())
    }
}

/// Returns whether a text can stand in a code span or block as it is. Nothing acts there but
/// backticks and, in a table, pipes; the others are for programs that read Markdown in parts.
pub(super) fn is_simple(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains(['`', '|', '<', '>', '\\'])
}

/// A reference, digest or command as code.
pub(super) struct Code<'a>(pub(super) &'a str);

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_simple(self.0) {
            write!(f, "`{}`", self.0)
        } else {
            write!(f, "<code>{}</code>", Plain(self.0))
        }
    }
}

/// A message, whose parts in backticks are displayed as code.
pub(super) struct Message<'a>(pub(super) &'a str);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in split_code(self.0) {
            match part {
                Part::Text(text) => Plain(text).fmt(f)?,
                Part::Code("") => {}
                Part::Code(code) => Code(code).fmt(f)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_markup() {
        for (text, expected) in [
            ("a|b", r"a\|b"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("`x` *y* _z_", r"\`x\` \*y\* \_z\_"),
            ("[a](b)", r"\[a\](b)"),
            ("@user", "&#64;user"),
            ("https://x.example", "https&#58;//x.example"),
            ("www.x.example", "www&#46;x.example"),
            ("state: :smile: a:b", "state: &#58;smile: a&#58;b"),
            ("$x$ &amp; \\", r"\$x\$ &amp;amp; \\"),
        ] {
            assert_eq!(Plain(text).to_string(), expected);
        }
    }

    #[test]
    fn writes_code_without_markup() {
        for (text, expected) in [
            ("r.example/a:v1@sha256:0", "`r.example/a:v1@sha256:0`"),
            ("a|b", r"<code>a\|b</code>"),
            ("a`b", r"<code>a\`b</code>"),
            ("</code><b>", "<code>&lt;/code&gt;&lt;b&gt;</code>"),
            ("", "<code></code>"),
        ] {
            assert_eq!(Code(text).to_string(), expected);
        }
    }

    #[test]
    fn shows_code_in_messages() {
        let message = Message("run `soci-plan --x` on a|b").to_string();
        assert_eq!(message, r"run `soci-plan --x` on a\|b");
    }
}
