//! Text in GitHub Flavored Markdown, also in the cells of tables.

use std::fmt::{self, Write as _};

use crate::clean::{Part, split_code};

/// A text without markup: no link, mention, mathematics or HTML. Words with `@`, such as references
/// with a digest, are code, in which GitHub finds no mentions.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for word in self.0.split_inclusive(' ') {
            let (text, space) = word
                .strip_suffix(' ')
                .map_or((word, ""), |text| (text, " "));
            if text.contains('@') {
                write!(f, "<code>{}</code>{space}", Escaped(text))?;
            } else {
                write!(f, "{}{space}", Escaped(text))?;
            }
        }
        Ok(())
    }
}

/// A text whose characters are not markup.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = ' ';
        let mut rest = self.0.chars();
        while let Some(character) = rest.next() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                // The comment keeps the address of an email from being a link (section 6.9).
                '@' if rest.as_str().contains('.') => f.write_str("&#64;<!-- -->")?,
                '@' => f.write_str("&#64;")?,
                // A link, as `https://` or `www.`, is none without its punctuation, nor is the name
                // of an emoji.
                ':' if !rest.as_str().is_empty() && !rest.as_str().starts_with(' ') => {
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
            write!(f, "<code>{}</code>", Escaped(self.0))
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
            ("by @user", "by <code>&#64;user</code>"),
            ("a@b.c", "<code>a&#64;<!-- -->b.c</code>"),
            ("r/a@sha256:0 is", "<code>r/a&#64;sha256&#58;0</code> is"),
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
