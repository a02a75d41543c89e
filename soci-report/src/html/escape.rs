//! Text and numbers in HTML.

use std::fmt::{self, Write as _};

use crate::clean::{Part, split_code};

/// A text, escaped for element content and for quoted attributes (HTML Standard, section 13.3).
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(position) = rest.find(['&', '<', '>', '"', '\'', '`']) {
            let (plain, special) = rest.split_at(position);
            f.write_str(plain)?;
            f.write_str(match special.as_bytes()[0] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                b'\'' => "&#39;",
                _ => "&#96;",
            })?;
            rest = &special[1..];
        }
        f.write_str(rest)
    }
}

/// A message, whose parts in backticks are displayed as code.
pub(super) struct Message<'a>(pub(super) &'a str);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in split_code(self.0) {
            match part {
                Part::Text(text) => Escaped(text).fmt(f)?,
                Part::Code(code) => write!(f, "<code>{}</code>", Escaped(code))?,
            }
        }
        Ok(())
    }
}

/// A reference or digest, which is broken after its punctuation if it does not fit on a line.
pub(super) struct Reference<'a>(pub(super) &'a str);

impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['/', ':', '@']) {
            Escaped(part).fmt(f)?;
            if part.ends_with(['/', ':', '@']) {
                f.write_str("<wbr>")?;
            }
        }
        Ok(())
    }
}

/// The name of an image, whose registry stands out less than the repository and the tag.
pub(super) struct Name<'a>(pub(super) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once('/') {
            Some((registry, rest)) if is_registry(registry) => {
                let registry = Escaped(registry);
                write!(
                    f,
                    "<span class=\"registry\">{registry}/</span><wbr>{}",
                    Reference(rest)
                )
            }
            _ => Reference(self.0).fmt(f),
        }
    }
}

/// Returns whether the first part of a reference is the host of a registry, and not a part of a
/// repository in Docker Hub or of a path.
fn is_registry(part: &str) -> bool {
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    let is_layout = ["oci:", "oci-archive:", "docker-archive:"]
        .iter()
        .any(|prefix| part.starts_with(prefix));
    part.contains(['.', ':']) && part.bytes().all(is_host) && !is_layout
}

/// A length in hundredths of a percent: 1234 is `12.34%`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Percent(pub(super) u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 100, self.0 % 100);
        write!(f, "{whole}")?;
        match fraction {
            0 => {}
            _ if fraction % 10 == 0 => write!(f, ".{}", fraction / 10)?,
            _ => write!(f, ".{fraction:02}")?,
        }
        f.write_char('%')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_is_markup_in_content_and_attributes() {
        let hostile = r#"</title><script>alert("1")</script> & 'x' `"#;
        let escaped = Escaped(hostile).to_string();
        assert_eq!(
            escaped,
            "&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39; &#96;"
        );
    }

    #[test]
    fn shows_code_in_messages() {
        let message = Message("run `soci-plan <x>` first").to_string();
        assert_eq!(message, "run <code>soci-plan &lt;x&gt;</code> first");
    }

    #[test]
    fn breaks_references_after_punctuation() {
        let reference = Reference("r.example/a:v1@sha256:0").to_string();
        assert_eq!(reference, "r.example/<wbr>a:<wbr>v1@<wbr>sha256:<wbr>0");
    }

    #[test]
    fn tells_the_registry_from_the_repository() {
        for (name, expected) in [
            (
                "localhost:5000/a",
                "<span class=\"registry\">localhost:5000/</span><wbr>a",
            ),
            ("library/a", "library/<wbr>a"),
            ("oci:a.b/c", "oci:<wbr>a.b/<wbr>c"),
            ("a b.c/d", "a b.c/<wbr>d"),
        ] {
            assert_eq!(Name(name).to_string(), expected);
        }
    }

    #[test]
    fn displays_percents() {
        for (value, expected) in [(0, "0%"), (5, "0.05%"), (1230, "12.3%"), (10_000, "100%")] {
            assert_eq!(Percent(value).to_string(), expected);
        }
    }
}
