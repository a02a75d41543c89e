//! The one registry that gets `SOCI_USERNAME` and `SOCI_PASSWORD`.

use std::sync::OnceLock;

use soci_oci::Reference;
use soci_oci::printable::hide_credentials;
use soci_oci::reference::DEFAULT_REGISTRY;

use super::docker_config::canonical_host;
use crate::error::ConfigurationError;
use crate::error::sanitize::sanitize;

/// The registry that gets `SOCI_USERNAME` and `SOCI_PASSWORD`. No other registry gets them.
#[derive(Debug, Default)]
pub(crate) struct PasswordRegistry(OnceLock<String>);

impl PasswordRegistry {
    /// Returns the registry that `SOCI_REGISTRY` names, or none yet if the variable is not set.
    ///
    /// # Errors
    ///
    /// Returns an error if the variable is not a host name with an optional port.
    pub(crate) fn from_variable(value: Option<&str>) -> Result<Self, ConfigurationError> {
        let registry = Self::default();
        if let Some(value) = value {
            let host = parse_registry(value).ok_or_else(|| ConfigurationError::RegistryName {
                variable: "SOCI_REGISTRY",
                value: sanitize(&hide_credentials(value)),
            })?;
            registry.claim(&host);
        }
        Ok(registry)
    }

    /// Makes `registry` the one that gets the variables, unless another one is it already.
    pub(crate) fn claim(&self, registry: &str) {
        self.0.get_or_init(|| canonical_host(registry));
    }

    /// Returns whether `registry` gets the variables.
    pub(crate) fn is(&self, registry: &str) -> bool {
        self.0
            .get()
            .is_some_and(|name| *name == canonical_host(registry))
    }

    /// Returns the registry that gets the variables.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Parses a registry as references name it. Returns `None` if the text is anything else, such as a
/// URL or a repository.
fn parse_registry(text: &str) -> Option<String> {
    let text = text.trim();
    match format!("{text}/a/a").parse() {
        Ok(Reference::Registry(reference)) if reference.repository == "a/a" => {
            let is_named = reference.registry == text || canonical_host(text) == DEFAULT_REGISTRY;
            is_named.then_some(reference.registry)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(value: &str) -> PasswordRegistry {
        PasswordRegistry::from_variable(Some(value)).expect(value)
    }

    #[test]
    fn compares_hosts_as_docker_does() {
        for (value, registry, expected) in [
            ("r.example", "r.example", true),
            ("r.example", "R.Example", true),
            ("R.EXAMPLE:5000", "r.example:5000", true),
            ("docker.io", "index.docker.io", true),
            ("registry-1.docker.io", "docker.io", true),
            ("index.docker.io", "docker.io", true),
            (" r.example ", "r.example", true),
            ("[::1]:5000", "[::1]:5000", true),
            ("localhost", "localhost", true),
            ("r.example", "r.example:5000", false),
            ("r.example:5000", "r.example:5001", false),
            ("r.example", "sub.r.example", false),
            ("docker.io", "docker.io.evil.example", false),
            ("localhost:5000", "127.0.0.1:5000", false),
        ] {
            assert_eq!(named(value).is(registry), expected, "{value} {registry}");
        }
    }

    #[test]
    fn the_first_claim_counts() {
        let registry = PasswordRegistry::from_variable(None).expect("no value");
        assert!(!registry.is("a.example"));
        assert_eq!(registry.name(), None);
        registry.claim("A.example");
        registry.claim("b.example");
        assert!(registry.is("a.example") && !registry.is("b.example"));
        assert_eq!(registry.name(), Some("a.example"));
        let registry = named("c.example");
        registry.claim("a.example");
        assert!(registry.is("c.example") && !registry.is("a.example"));
    }

    #[test]
    fn an_error_names_the_variable() {
        for value in [
            "https://r.example",
            "r.example/app",
            "r.example/",
            "r.example:http",
            "r.example:",
            "team",
            "a b",
            "oci:folder",
            "-r.example",
            "user@r.example",
            "r.example\n",
            "r.example\u{1b}[31m",
            "user:canary@r.example",
            "https://user:canary@r.example",
        ] {
            let found = PasswordRegistry::from_variable(Some(value));
            if value.trim() == "r.example" {
                assert!(found.is_ok());
                continue;
            }
            let error = found.expect_err(value).to_string();
            assert!(error.contains("SOCI_REGISTRY"), "{error}");
            let is_clean = !error.contains('\u{1b}') && !error.contains("canary");
            assert!(is_clean, "{error}");
        }
    }
}
