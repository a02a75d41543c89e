//! Paths in an image.

/// A path from the root of the image, without `.`, `..`, and repeated slashes, and without a slash
/// in front.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Path(Vec<u8>);

impl Path {
    /// Splits a name at its slashes.
    pub(super) fn split(name: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
        let parts = name.split(|&byte| byte == b'/');
        parts.filter(|part| !part.is_empty() && *part != b".")
    }

    /// Returns the path that a user gives, with its `..`, which are resolved after links.
    pub(super) fn of_user(path: &str) -> Self {
        Self::split(path.as_bytes()).fold(Self::default(), |path, part| path.join(part))
    }

    /// Resolves a name from the root, without regard to links.
    pub(super) fn clean(name: &[u8]) -> Self {
        Self::split(name).fold(Self::default(), |path, part| match part {
            b".." => path.parent(),
            part => path.join(part),
        })
    }

    /// Returns the names on the path, outermost first.
    pub(super) fn parts(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        Self::split(&self.0)
    }

    /// Returns the path of a file in this directory.
    pub(super) fn join(&self, name: &[u8]) -> Self {
        let separator: &[u8] = if self.0.is_empty() { b"" } else { b"/" };
        Self([&self.0, separator, name].concat())
    }

    /// Returns the directory of the file. That of the root is the root.
    pub(super) fn parent(&self) -> Self {
        let end = self.0.iter().rposition(|&byte| byte == b'/');
        Self(self.0.get(..end.unwrap_or(0)).unwrap_or_default().to_vec())
    }

    /// Returns the last name, or `None` for the root.
    pub(super) fn name(&self) -> Option<&[u8]> {
        self.parts().next_back()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Returns a path for a message.
pub(super) fn display_path(path: &Path) -> String {
    format!("/{}", String::from_utf8_lossy(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn names_are_resolved_from_the_root() {
        for (name, expected) in [
            ("/usr/bin/env", "usr/bin/env"),
            ("./usr//bin/", "usr/bin"),
            ("a/./b/../c", "a/c"),
            ("../../a", "a"),
            ("/", ""),
            ("", ""),
        ] {
            let path = Path::clean(name.as_bytes());
            assert_eq!(path.as_bytes(), expected.as_bytes(), "{name}");
        }
    }

    #[test]
    fn a_path_has_a_parent_and_a_name() {
        let path = Path::clean(b"a/b/c");
        assert_eq!(path.parent(), Path::clean(b"a/b"));
        assert_eq!(path.name(), Some(b"c".as_slice()));
        assert_eq!(Path::clean(b"a").parent(), Path::default());
        assert_eq!(Path::default().name(), None);
    }
}
