//! References: how users name an image, wherever it lies.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::Digest;

/// Names an image: in a registry, in an OCI image layout, or in a layout inside a tar.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reference {
    /// `[registry/]repository[:tag][@digest]`, with Docker's defaults.
    Registry(RegistryReference),
    /// `oci:DIR[:name|@digest]`: an OCI image layout.
    Layout {
        /// The layout's folder.
        path: PathBuf,
        /// Which image of the layout.
        select: Selector,
    },
    /// `oci-archive:FILE[:name|@digest]`: an OCI image layout in a tar.
    Archive {
        /// The tar.
        path: PathBuf,
        /// Which image of the layout.
        select: Selector,
    },
}

/// Which image of a layout is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selector {
    /// The only one.
    Any,
    /// The one with this digest.
    Digest(Digest),
    /// The one whose annotation `org.opencontainers.image.ref.name` is this.
    Name(String),
}

/// Names an image in a registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegistryReference {
    /// The registry as users write it: a host's name or address with, perhaps, a port. `docker.io` where none was given.
    pub registry: String,
    /// The repository's name, such as `library/debian`.
    pub repository: String,
    /// The tag. `latest` where neither tag nor digest was given.
    pub tag: Option<String>,
    /// The digest of the manifest or index.
    pub digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, thiserror::Error)]
#[error(
    "reference `{text}`: {reason}; expected [registry/]repository[:tag][@digest], oci:DIR[:name] or oci-archive:FILE[:name]"
)]
pub struct ReferenceError {
    text: String,
    reason: String,
}

impl ReferenceError {
    fn new(text: &str, reason: impl fmt::Display) -> Self {
        let text = text.escape_debug().take(200).collect();
        Self {
            text,
            reason: reason.to_string(),
        }
    }
}

impl Reference {
    /// Returns the tag, or the name of an image in a layout, where the reference has one.
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
            Self::Layout { .. } | Self::Archive { .. } => None,
        }
    }

    /// Says whether two references name the same repository, layout or archive, whatever the image in it.
    pub fn same_repository(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Registry(one), Self::Registry(two)) => {
                one.registry == two.registry && one.repository == two.repository
            }
            (Self::Layout { path: one, .. }, Self::Layout { path: two, .. })
            | (Self::Archive { path: one, .. }, Self::Archive { path: two, .. }) => one == two,
            _ => false,
        }
    }
}

impl RegistryReference {
    /// Returns the host that serves the registry's API: Docker Hub's is not the name that users write.
    pub fn host(&self) -> &str {
        match self.registry.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            registry => registry,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(place) = text.strip_prefix("oci:") {
            let (path, select) = split_place(text, place)?;
            return Ok(Self::Layout { path, select });
        }
        if let Some(place) = text.strip_prefix("oci-archive:") {
            let (path, select) = split_place(text, place)?;
            return Ok(Self::Archive { path, select });
        }
        let address = split_address(text);
        let named = match address {
            // `oci-spec` knows no hosts in brackets.
            Some((_, rest)) => format!("localhost{rest}"),
            None => text.to_owned(),
        };
        let parsed: oci_spec::distribution::Reference = named
            .parse()
            .map_err(|source| ReferenceError::new(text, source))?;
        // `oci-spec` takes an upper-case first component for a host and then does not use it as one.
        let plain =
            |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/');
        if !parsed.repository().bytes().all(plain) {
            return Err(ReferenceError::new(
                text,
                "a repository's name is lower case",
            ));
        }
        let digest = parsed
            .digest()
            .map(str::parse)
            .transpose()
            .map_err(|source| ReferenceError::new(text, source))?;
        let registry = match address {
            Some((address, _)) => parsed.registry().replacen("localhost", address, 1),
            None => parsed.registry().to_owned(),
        };
        Ok(Self::Registry(RegistryReference {
            registry,
            repository: parsed.repository().to_owned(),
            tag: parsed.tag().map(str::to_owned),
            digest,
        }))
    }
}

/// Splits the brackets with an IPv6 address off a reference that starts with them, as in `[::1]:5000/app`.
fn split_address(text: &str) -> Option<(&str, &str)> {
    let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
    let _: Ipv6Addr = inner.parse().ok()?;
    let is_host = rest.starts_with([':', '/']) && rest.contains('/');
    is_host.then(|| text.split_at(inner.len() + 2))
}

/// Splits what stands behind `oci:` into a path and a selector, at the first colon as `skopeo` does.
fn split_place(text: &str, place: &str) -> Result<(PathBuf, Selector), ReferenceError> {
    let (path, select) = if let Some((path, digest)) = place.rsplit_once('@') {
        let digest = digest
            .parse()
            .map_err(|source| ReferenceError::new(text, source))?;
        (path, Selector::Digest(digest))
    } else {
        match place.split_once(':') {
            Some((path, name)) => (path, Selector::Name(name.to_owned())),
            None => (place, Selector::Any),
        }
    };
    if path.is_empty() {
        return Err(ReferenceError::new(text, "no path is given"));
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

impl fmt::Display for RegistryReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Reference>().expect("a reference").to_string()
    }

    #[test]
    fn fills_in_dockers_defaults() {
        assert_eq!(shown("debian"), "docker.io/library/debian:latest");
        assert_eq!(shown("a/b:c"), "docker.io/a/b:c");
        assert_eq!(shown("localhost:5000/a:c"), "localhost:5000/a:c");
        assert_eq!(shown("127.0.0.1:5000/a/b"), "127.0.0.1:5000/a/b:latest");
        assert_eq!(
            shown("123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1"),
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1"
        );
        assert_eq!(shown("[::1]:5000/a/b:c"), "[::1]:5000/a/b:c");
        assert_eq!(shown("[2001:db8::7]/a"), "[2001:db8::7]/a:latest");
        let digest = Digest::of(b"");
        assert_eq!(
            shown(&format!("r.example/a@{digest}")),
            format!("r.example/a@{digest}")
        );
        assert_eq!(
            shown(&format!("r.example/a:t@{digest}")),
            format!("r.example/a:t@{digest}")
        );
    }

    #[test]
    fn names_places_on_disk() {
        let digest = Digest::of(b"");
        for text in [
            "oci:a/b",
            "oci:/a/b:latest",
            "oci:a:docker.io/x:v1",
            "oci-archive:x.tar:v1",
            &format!("oci:a@{digest}"),
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn refuses_what_would_reach_a_path_or_a_url() {
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
