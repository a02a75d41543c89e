//! Filters on the repositories and tags that are indexed.

use std::fmt;
use std::str::FromStr;

/// The filters of a function. An image is indexed if one of them matches.
#[derive(Clone, Debug)]
pub struct Filters(Vec<Filter>);

impl Filters {
    /// Returns whether one of the filters matches.
    pub fn match_image(&self, repository: &str, tag: &str) -> bool {
        let mut filters = self.0.iter();
        filters.any(|filter| filter.matches(repository, tag))
    }
}

impl FromStr for Filters {
    type Err = FilterError;

    /// Parses filters that commas or white space separate.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let words = text.split(|sign: char| sign == ',' || sign.is_whitespace());
        let words = words.filter(|word| !word.is_empty());
        let filters = words.map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if filters.is_empty() {
            return Err(FilterError::Empty);
        }
        Ok(Self(filters))
    }
}

/// A pattern of repositories and tags, such as `prod/*:v*`. An asterisk matches every text,
/// with slashes, and the empty one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter {
    repository: String,
    tag: String,
}

impl Filter {
    /// Returns whether the filter matches an image.
    pub fn matches(&self, repository: &str, tag: &str) -> bool {
        matches(&self.repository, repository) && matches(&self.tag, tag)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    /// Parses `repository:tag`. Without a tag, all tags match.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let (repository, tag) = text.split_once(':').unwrap_or((text, "*"));
        let of_repository = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._/-*".contains(&byte)
        };
        let of_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte);
        let is_valid = !repository.is_empty()
            && !tag.is_empty()
            && repository.bytes().all(of_repository)
            && tag.bytes().all(of_tag);
        if !is_valid {
            return Err(FilterError::Malformed(text.to_owned()));
        }
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

/// A list of filters that is malformed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The list has no filter.
    #[error("no filter, expected a list such as `prod/*:v*,app` (`*:*` is every image)")]
    Empty,
    /// A filter is not a repository and a tag.
    #[error("filter `{0}`, expected `repository:tag` with `*` for any characters")]
    Malformed(String),
}

/// Returns whether a text matches a pattern in which `*` is any text. The time is at most the
/// product of the lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // Taking the first place where each part occurs leaves the most text for those after it.
    for part in parts {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_matches(pattern: &str, image: &str, expected: bool) {
        let filters: Filters = pattern.parse().expect("filters");
        let (repository, tag) = image.split_once(':').expect("an image");
        let found = filters.match_image(repository, tag);
        assert_eq!(found, expected, "{pattern} and {image}");
    }

    #[test]
    fn an_asterisk_is_any_text() {
        for (pattern, image, expected) in [
            ("*:*", "a/b:v1", true),
            ("*", "a/b:v1", true),
            ("app", "app:v1", true),
            ("app", "app2:v1", false),
            ("app:v1", "app:v1", true),
            ("app:v1", "app:v10", false),
            ("prod*:v*", "prod:v1", true),
            ("prod*:v*", "prod/a/b:v", true),
            ("prod*:v*", "a/prod:v1", false),
            ("*/app:*-rc", "team/app:1-rc", true),
            ("*/app:*-rc", "team/app:1-rc2", false),
            ("*a*b*", "xaxbx:1", true),
            ("*a*b*", "xbxax:1", false),
            ("a*a", "a:1", false),
            ("a*a", "aa:1", true),
            ("*ab", "abab:1", true),
            ("a**b", "ab:1", true),
            ("app:v1, other:latest", "other:latest", true),
            ("app:v1\nother:latest", "app:latest", false),
            ("app:V1", "app:v1", false),
        ] {
            assert_matches(pattern, image, expected);
        }
    }

    #[test]
    fn many_asterisks_do_not_take_long() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!matches(&pattern, &"a".repeat(100_000)));
    }

    #[test]
    fn refuses_what_is_no_filter() {
        for text in [
            "",
            " ,\n",
            "app:",
            ":v1",
            "a:b:c",
            "App:v1",
            "app@sha256:1",
            "app:v?",
            "r.example/app:v1:x",
        ] {
            let error = text.parse::<Filters>().expect_err(text).to_string();
            assert!(error.contains("filter"), "{error}");
        }
    }
}
