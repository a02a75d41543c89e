//! References to images in registries, layouts and archives.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use self::registry::parse_registry_reference;
pub use self::registry::{
    DEFAULT_REGISTRY, LEGACY_REGISTRY, MAX_TAG_LENGTH, RegistryReference, is_tag,
};
use crate::Digest;
use crate::printable::{has_credentials, hide_credentials};

mod foreign;
mod registry;

/// A reference to an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reference {
    /// `[registry/]repository[:tag][@digest]`, with the defaults of Docker: an image in a registry.
    Registry(RegistryReference),
    /// `oci:DIR[:name|@digest]`: an image in an OCI image layout.
    Layout {
        /// The directory of the layout.
        path: PathBuf,
        /// The image in the layout.
        select: Selector,
    },
    /// `oci-archive:FILE[:name|@digest]`: an image in a tar of an OCI image layout.
    Archive {
        /// The tar file.
        path: PathBuf,
        /// The image in the layout.
        select: Selector,
    },
    /// `docker-archive:FILE[:name|@digest]`: an image in a tar that `docker save` wrote. It is only
    /// read.
    DockerArchive {
        /// The tar file.
        path: PathBuf,
        /// The image in the archive, by one of its names in full or by its tag.
        select: Selector,
    },
}

/// Selects an image in a layout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selector {
    /// The only image.
    Any,
    /// The image with this digest.
    Digest(Digest),
    /// The image whose annotation `org.opencontainers.image.ref.name` has this value.
    Name(String),
}

/// What to do with a user name and a password instead of writing them into a reference.
pub const CREDENTIALS_ADVICE: &str =
    "leave them out, and log in with docker login or set SOCI_USERNAME and SOCI_PASSWORD";

/// The forms of a reference, for messages.
const FORMS: &str = "[registry/]repository[:tag][@digest], oci:DIR[:name], oci-archive:FILE[:name] or docker-archive:FILE[:name]";

/// The error for a text that is not a reference.
#[derive(Debug, thiserror::Error)]
#[error("reference `{text}`: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: String,
    hint: Option<String>,
}

impl ReferenceError {
    fn new(text: &str, reason: impl fmt::Display) -> Self {
        Self {
            text: shorten(text),
            reason: format!("{reason}; expected {FORMS}"),
            hint: None,
        }
    }

    /// Returns the error for a text with a user name or a password.
    fn with_credentials(text: &str) -> Self {
        Self {
            text: shorten(text),
            reason: "a reference holds no user name or password, and only a digest follows `@`"
                .to_owned(),
            hint: Some(CREDENTIALS_ADVICE.to_owned()),
        }
    }

    /// Returns what is wrong, without the text.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns what to write instead, if that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl Reference {
    /// Returns the tag, or the name of the image in a layout or an archive, if there is one. Which
    /// tag the name in an archive of Docker stands for is known when the image is read.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => reference.tag.as_deref(),
            Self::Layout {
                select: Selector::Name(name),
                ..
            }
            | Self::Archive {
                select: Selector::Name(name),
                ..
            } => Some(name),
            Self::Layout { .. } | Self::Archive { .. } | Self::DockerArchive { .. } => None,
        }
    }

    /// Returns whether two references are to the same repository, layout or archive. They may be to
    /// different images in it.
    pub fn same_repository(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Registry(one), Self::Registry(two)) => {
                one.registry == two.registry && one.repository == two.repository
            }
            (Self::Layout { path: one, .. }, Self::Layout { path: two, .. })
            | (Self::Archive { path: one, .. }, Self::Archive { path: two, .. })
            | (Self::DockerArchive { path: one, .. }, Self::DockerArchive { path: two, .. }) => {
                one == two
            }
            _ => false,
        }
    }
}

/// Returns the beginning of a text for an error, without a password.
fn shorten(text: &str) -> String {
    hide_credentials(text).escape_debug().take(200).collect()
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if has_credentials(text) {
            return Err(ReferenceError::with_credentials(text));
        }
        if let Some(foreign) = foreign::detect(text) {
            return Err(ReferenceError {
                text: shorten(text),
                reason: foreign.reason,
                hint: Some(foreign.hint),
            });
        }
        if let Some(location) = text.strip_prefix("oci:") {
            let (path, select) = split_location(text, location)?;
            return Ok(Self::Layout { path, select });
        }
        if let Some(location) = text.strip_prefix("oci-archive:") {
            let (path, select) = split_location(text, location)?;
            return Ok(Self::Archive { path, select });
        }
        if let Some(location) = text.strip_prefix("docker-archive:") {
            let (path, select) = split_location(text, location)?;
            return Ok(Self::DockerArchive { path, select });
        }
        let reference =
            parse_registry_reference(text).map_err(|source| ReferenceError::new(text, source))?;
        Ok(Self::Registry(reference))
    }
}

/// Splits the text after `oci:`, `oci-archive:` or `docker-archive:` into the path and the
/// selector. Like `skopeo`, it splits at the first colon.
fn split_location(text: &str, location: &str) -> Result<(PathBuf, Selector), ReferenceError> {
    let (path, select) = if let Some((path, digest)) = location.rsplit_once('@') {
        let digest = digest
            .parse()
            .map_err(|source| ReferenceError::new(text, source))?;
        (path, Selector::Digest(digest))
    } else {
        match location.split_once(':') {
            Some((path, name)) => (path, Selector::Name(name.to_owned())),
            None => (location, Selector::Any),
        }
    };
    if path.is_empty() {
        return Err(ReferenceError::new(text, "the path is missing"));
    }
    if path.contains('\0') || select == Selector::Name(String::new()) {
        return Err(ReferenceError::new(
            text,
            "the path or the name is malformed",
        ));
    }
    Ok((PathBuf::from(path), select))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout { path, select } => write!(f, "oci:{}{select}", path.display()),
            Self::Archive { path, select } => write!(f, "oci-archive:{}{select}", path.display()),
            Self::DockerArchive { path, select } => {
                write!(f, "docker-archive:{}{select}", path.display())
            }
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Digest(digest) => write!(f, "@{digest}"),
            Self::Name(name) => write!(f, ":{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalize(text: &str) -> String {
        text.parse::<Reference>().expect("a reference").to_string()
    }

    #[test]
    fn applies_the_defaults_of_docker() {
        assert_eq!(normalize("debian"), "docker.io/library/debian:latest");
        assert_eq!(normalize("a/b:c"), "docker.io/a/b:c");
        assert_eq!(normalize("localhost:5000/a:c"), "localhost:5000/a:c");
        assert_eq!(normalize("127.0.0.1:5000/a/b"), "127.0.0.1:5000/a/b:latest");
        assert_eq!(
            normalize("123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1"),
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1"
        );
        assert_eq!(normalize("[::1]:5000/a/b:c"), "[::1]:5000/a/b:c");
        assert_eq!(normalize("[2001:db8::7]/a"), "[2001:db8::7]/a:latest");
        let digest = Digest::of(b"");
        assert_eq!(
            normalize(&format!("r.example/a@{digest}")),
            format!("r.example/a@{digest}")
        );
        assert_eq!(
            normalize(&format!("r.example/a:t@{digest}")),
            format!("r.example/a:t@{digest}")
        );
    }

    #[test]
    fn parses_layouts_and_archives() {
        let digest = Digest::of(b"");
        for text in [
            "oci:a/b",
            "oci:/a/b:latest",
            "oci:a:docker.io/x:v1",
            "oci-archive:x.tar:v1",
            "docker-archive:x.tar",
            "docker-archive:x.tar:localhost:5000/app:v1",
            &format!("oci:a@{digest}"),
        ] {
            assert_eq!(normalize(text), text);
        }
    }

    #[test]
    fn tells_what_to_write_instead_of_other_tools_forms() {
        for (text, hint) in [
            ("docker://debian:12", "drop `docker://`"),
            ("https://registry.example/a", "drop `https://`"),
            ("HTTP://a/b", "drop `HTTP://`"),
            ("oci://registry.example/chart:1", "drop `oci://`"),
            ("oci-archive://x.tar", "write `oci-archive:` without `//`"),
            ("docker-daemon:app:v1", "docker save"),
            ("dir:/x", "write `oci:LAYOUT`"),
            ("dir:x", "write `oci:LAYOUT`"),
            ("oci-dir:x:v1", "write `oci:`"),
            ("containers-storage:localhost/app", "podman save"),
            ("ostree:x", "skopeo copy"),
            ("sif:x.sif", "skopeo copy"),
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert!(
                error.hint().is_some_and(|found| found.contains(hint)),
                "{text}: {error:?}"
            );
            assert!(!error.reason().contains(text), "{error}");
        }
        assert_eq!(normalize("docker:27"), "docker.io/library/docker:27");
        assert_eq!(normalize("oci-x:1"), "docker.io/library/oci-x:1");
    }

    #[test]
    fn refuses_credentials_without_repeating_them() {
        for text in [
            "user:canary-p@r.example/app",
            "https://user:canary-p@r.example/app:v1",
            "oci://user:canary-p@r.example/app",
            "user:canary-p/@x@r.example/app@sha256:00",
            "user:canary-p@localhost",
            "docker://canary-p@r.example/app",
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert!(!format!("{error}{error:?}").contains("canary"), "{error}");
            assert!(
                error
                    .hint()
                    .is_some_and(|hint| hint.contains("docker login"))
            );
        }
    }

    #[test]
    fn rejects_malformed_references() {
        let long = format!("a:{}", "t".repeat(129));
        for text in [
            "",
            "A/b",
            "a//b",
            "[::1]:5000",
            "[::1]a/b",
            "[::1]:x/b",
            "[::1/b",
            "[fe80::1%eth0]/b",
            "[127.0.0.1]/b",
            "[::1]/",
            "../a",
            "a:b c",
            "a@sha256:00",
            "http://a/b",
            "a\n",
            "a:\u{1F600}",
            "oci:",
            "oci::x",
            "oci:a:",
            "oci:a@md5:00",
            &long,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }
}
