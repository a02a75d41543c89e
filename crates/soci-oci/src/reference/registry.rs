//! References to images in registries, after the grammar of Docker (`reference.go` and
//! `normalize.go` of <https://github.com/distribution/reference>).

use std::fmt;
use std::net::Ipv6Addr;

use crate::Digest;
use crate::digest::DigestError;

/// The longest tag, in characters (OCI distribution-spec, "Pulling manifests").
pub const MAX_TAG_LENGTH: usize = 128;

/// The registry of a reference that names none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// An earlier name of [`DEFAULT_REGISTRY`].
pub const LEGACY_REGISTRY: &str = "index.docker.io";

/// The maximum length of a repository in characters.
const REPOSITORY_LIMIT: usize = 255;

/// A reference to an image in a registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegistryReference {
    /// The registry: a host name or IP address with an optional port. Defaults to `docker.io`.
    pub registry: String,
    /// The repository, such as `library/debian`.
    pub repository: String,
    /// The tag. Defaults to `latest` if there is no digest.
    pub tag: Option<String>,
    /// The digest of the manifest or index, if given.
    pub digest: Option<Digest>,
}

impl RegistryReference {
    /// Returns the host, with its optional port, that serves the registry API. For `docker.io` that
    /// is `registry-1.docker.io`.
    pub fn host(&self) -> &str {
        match self.registry.as_str() {
            DEFAULT_REGISTRY | LEGACY_REGISTRY => "registry-1.docker.io",
            registry => registry,
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

/// What is wrong with a reference.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistryReferenceError {
    #[error("the repository is missing")]
    NoRepository,
    #[error("the registry `{0}` is malformed")]
    Registry(String),
    #[error("the repository must be lower case")]
    UpperCase,
    #[error("the repository is malformed")]
    Repository,
    #[error("the repository is longer than {REPOSITORY_LIMIT} characters")]
    LongRepository,
    #[error("the tag is malformed")]
    Tag,
    #[error("the tag is longer than {MAX_TAG_LENGTH} characters")]
    LongTag,
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// Parses `[registry/]repository[:tag][@digest]`, and fills in what is not given as Docker does.
///
/// # Errors
///
/// Returns an error if a part of the reference is malformed or too long.
pub(super) fn parse_registry_reference(
    text: &str,
) -> Result<RegistryReference, RegistryReferenceError> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest.parse()?)),
        None => (text, None),
    };
    let (name, tag) = split_tag(name);
    let tag = tag.map(check_tag).transpose()?;
    let (registry, repository) = split_registry(name);
    check_registry(registry)?;
    check_repository(repository)?;
    let registry = match registry {
        LEGACY_REGISTRY => DEFAULT_REGISTRY,
        registry => registry,
    };
    // The images that Docker maintains stand in `library`.
    let repository = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
        format!("library/{repository}")
    } else {
        repository.to_owned()
    };
    if repository.len() > REPOSITORY_LIMIT {
        return Err(RegistryReferenceError::LongRepository);
    }
    let default_tag = digest.is_none().then_some("latest");
    Ok(RegistryReference {
        registry: registry.to_owned(),
        repository,
        tag: tag.or(default_tag).map(str::to_owned),
        digest,
    })
}

/// Splits off the tag, which follows the first colon of the last path component.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    let component = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[component..].find(':') {
        Some(colon) => {
            let colon = component + colon;
            (&name[..colon], Some(&name[colon + 1..]))
        }
        None => (name, None),
    }
}

/// Splits a name into the registry and the repository. The first component is a registry if it
/// contains a dot or a colon, or is `localhost`.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    }
}

/// Returns whether a text can be a tag (OCI distribution-spec, "Pulling manifests").
pub fn is_tag(text: &str) -> bool {
    has_form_of_tag(text) && text.len() <= MAX_TAG_LENGTH
}

/// Returns whether a text has the form of a tag, of any length: `[A-Za-z0-9_][A-Za-z0-9_.-]*`.
fn has_form_of_tag(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    !text.is_empty() && !text.starts_with(['.', '-']) && text.bytes().all(is_valid)
}

/// Returns the tag if it is well-formed.
fn check_tag(tag: &str) -> Result<&str, RegistryReferenceError> {
    if !has_form_of_tag(tag) {
        return Err(RegistryReferenceError::Tag);
    }
    if tag.len() > MAX_TAG_LENGTH {
        return Err(RegistryReferenceError::LongTag);
    }
    Ok(tag)
}

/// Checks that a registry is a host name, an IPv4 address or an IPv6 address in brackets, with an
/// optional port. Host names in private networks may contain underscores.
fn check_registry(registry: &str) -> Result<(), RegistryReferenceError> {
    let (host, port) = match registry.rsplit_once(':') {
        // The colons of an address are not before a port.
        Some(_) if registry.ends_with(']') => (registry, None),
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let is_host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_host_label) || is_path_component(host) && port.is_none(),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_host && port.is_none_or(is_port) {
        Ok(())
    } else {
        let shown = registry.escape_debug().take(100).collect();
        Err(RegistryReferenceError::Registry(shown))
    }
}

/// Returns whether a text is a label of a host name (RFC 1123, section 2.1).
fn is_host_label(label: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(is_valid)
}

/// Checks that a repository consists of path components (OCI distribution-spec, "Pulling
/// manifests").
fn check_repository(repository: &str) -> Result<(), RegistryReferenceError> {
    if repository.is_empty() {
        Err(RegistryReferenceError::NoRepository)
    } else if repository.split('/').all(is_path_component) {
        Ok(())
    } else if repository
        .to_ascii_lowercase()
        .split('/')
        .all(is_path_component)
    {
        Err(RegistryReferenceError::UpperCase)
    } else {
        Err(RegistryReferenceError::Repository)
    }
}

/// Returns whether a text is a path component: lower-case letters and digits, with one of `.`, `_`,
/// `__` or any number of `-` between them.
fn is_path_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| matches!(c, 'a'..='z' | '0'..='9');
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|c| c == b'-');
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && text.split(is_alphanumeric).all(is_separator)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reduces the reference of `oci-spec` to the parts that both parsers return.
    fn parse_with_library(text: &str) -> Option<String> {
        let reference: oci_spec::distribution::Reference = text.parse().ok()?;
        let digest = reference.digest().map(str::parse::<Digest>);
        // See `tests/why_not_oci_spec.rs`.
        let is_valid = reference
            .repository()
            .bytes()
            .all(|byte| !byte.is_ascii_uppercase())
            && digest.is_none_or(|digest| digest.is_ok());
        is_valid.then(|| reference.whole())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn agrees_with_the_library(
            text in "((localhost|r\\.io|docker\\.io|a_b\\.c|[aA.-]{1,3})(:[0-9]{0,2})?/)?[ab/._-]{0,6}[aA]?(:[a-zA-Z_.-]{0,4})?(@sha256:([0-9a-f]{64}|0))?"
        ) {
            let own = parse_registry_reference(&text).ok().map(|parsed| parsed.to_string());
            prop_assert_eq!(own, parse_with_library(&text));
        }
    }

    #[test]
    fn limits_the_length_of_the_repository_and_the_tag() {
        let repository = "a".repeat(256);
        let long = parse_registry_reference(&format!("r.io/{repository}"));
        assert!(matches!(long, Err(RegistryReferenceError::LongRepository)));
        let longest = parse_registry_reference(&format!("r.io/{}", &repository[1..]));
        assert!(longest.is_ok());
        let long = parse_registry_reference(&format!("a:{}", "t".repeat(129)));
        assert!(matches!(long, Err(RegistryReferenceError::LongTag)));
        let longest = parse_registry_reference(&format!("a:{}", "t".repeat(128)));
        assert!(longest.is_ok());
    }

    #[test]
    fn the_error_names_the_part_that_is_malformed() {
        for (text, expected) in [
            ("", "the repository is missing"),
            ("r.io/", "the repository is missing"),
            ("-r.io/a", "the registry `-r.io` is malformed"),
            ("r.io:http/a", "the registry `r.io:http` is malformed"),
            ("App/web", "the repository must be lower case"),
            ("a//b", "the repository is malformed"),
            ("a:v 1", "the tag is malformed"),
        ] {
            let error = parse_registry_reference(text).expect_err(text);
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }
}
