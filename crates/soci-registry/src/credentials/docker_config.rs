//! Docker's `config.json`. Podman's `auth.json` has the same format.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Credential, pipe};
use crate::error::ConfigurationError;
use crate::secret::Secret;

/// The part of the file that concerns credentials.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DockerConfig {
    auths: BTreeMap<String, AuthEntry>,
    #[serde(rename = "credsStore")]
    default_helper: Option<String>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

/// One entry of `auths`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    /// `username:password` in Base64.
    auth: Option<Secret>,
    identitytoken: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
}

/// Largest file that is read, in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// What messages call the file.
const CREDENTIAL_FILE: &str = "credential file";

impl DockerConfig {
    /// Reads the file at `path`, which may be a pipe. Returns `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is larger than [`MAX_SIZE`], or is malformed.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ConfigurationError> {
        let failed = |source| ConfigurationError::File {
            what: CREDENTIAL_FILE,
            path: path.to_owned(),
            source,
        };
        let text = match pipe::read(path, MAX_SIZE + 1) {
            Ok(text) => text,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if text.len() as u64 > MAX_SIZE {
            return Err(malformed(path, format!("larger than {MAX_SIZE} bytes")));
        }
        // The parser's own message may quote the file, and so a secret.
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let reason = format!("not the expected JSON at line {line}, column {column}");
            malformed(path, reason)
        })
    }

    /// Returns the credential helper that is named for this registry only (`credHelpers`).
    pub(crate) fn host_helper(&self, registry: &str) -> Option<&str> {
        let mut helpers = self.helpers.iter();
        let (_, helper) = helpers.find(|(key, _)| is_key_of(key, registry))?;
        Some(helper.as_str()).filter(|helper| !helper.is_empty())
    }

    /// Returns the credential helper for the registries that have no own one (`credsStore`).
    pub(crate) fn default_helper(&self, registry: &str) -> Option<&str> {
        let has_own = self.helpers.keys().any(|key| is_key_of(key, registry));
        let helper = self.default_helper.as_deref();
        helper.filter(|helper| !helper.is_empty() && !has_own)
    }

    /// Returns the credential that the file itself holds for a registry. `path` is for messages.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry's entry is neither a credential nor empty.
    pub(crate) fn credential_for(
        &self,
        registry: &str,
        path: &Path,
    ) -> Result<Option<Credential>, ConfigurationError> {
        let find_alias = || {
            let mut entries = self.auths.iter();
            let (_, entry) = entries.find(|(key, _)| is_key_of(key, registry))?;
            Some(entry)
        };
        let Some(entry) = self.auths.get(registry).or_else(find_alias) else {
            return Ok(None);
        };
        match entry.to_credential() {
            Some(credential) => Ok(Some(credential)),
            // `docker login` with a helper leaves an empty entry behind.
            None if entry.is_empty() => Ok(None),
            None => {
                let reason = format!("the entry for `{registry}` holds no usable credential");
                Err(malformed(path, reason))
            }
        }
    }
}

impl AuthEntry {
    const fn is_empty(&self) -> bool {
        self.auth.is_none() && self.identitytoken.is_none() && self.username.is_none()
    }

    fn to_credential(&self) -> Option<Credential> {
        if let Some(token) = &self.identitytoken
            && !token.reveal().is_empty()
        {
            return Some(Credential::IdentityToken(token.clone()));
        }
        if let Some(auth) = &self.auth
            && !auth.reveal().is_empty()
        {
            let plain = STANDARD.decode(auth.reveal().trim()).ok()?;
            let plain = String::from_utf8(plain).ok()?;
            let (username, password) = plain.split_once(':')?;
            let password = Secret::new(password.trim_end_matches('\0').to_owned());
            return Some(Credential::from_pair(username.to_owned(), password));
        }
        let username = self.username.clone()?;
        let password = self.password.clone()?;
        Some(Credential::from_pair(username, password))
    }
}

fn malformed(path: &Path, reason: String) -> ConfigurationError {
    ConfigurationError::Malformed {
        what: CREDENTIAL_FILE,
        path: path.to_owned(),
        reason,
    }
}

/// Returns whether an error means that the file does not exist.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Returns whether a key of the file stands for a registry. Keys may be URLs, as older versions of
/// Docker wrote them.
fn is_key_of(key: &str, registry: &str) -> bool {
    canonical_host(key) == canonical_host(registry)
}

/// Returns the host of a key, in lower case. All names of Docker Hub become `docker.io`.
pub(crate) fn canonical_host(key: &str) -> String {
    let host = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let host = host.split('/').next().unwrap_or_default();
    match host.to_ascii_lowercase().as_str() {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}

/// Returns the name that credential helpers know a registry by: for Docker Hub the URL of its first
/// API, for others the host.
pub(super) fn server_address(registry: &str) -> &str {
    match canonical_host(registry).as_str() {
        "docker.io" => "https://index.docker.io/v1/",
        _ => registry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_config(text: &str) -> DockerConfig {
        serde_json::from_str(text).expect("a configuration")
    }

    fn find_credential(config: &DockerConfig, registry: &str) -> Option<Credential> {
        config
            .credential_for(registry, Path::new("config.json"))
            .expect("no error")
    }

    /// Returns user name and secret. An identity token has the user name `<token>`.
    fn reveal_pair(credential: Option<Credential>) -> Option<(String, String)> {
        match credential? {
            Credential::Password { username, password } => {
                Some((username, password.reveal().to_owned()))
            }
            Credential::IdentityToken(token) => {
                Some(("<token>".to_owned(), token.reveal().to_owned()))
            }
        }
    }

    #[test]
    fn finds_entries_by_host() {
        let config = parse_config(
            r#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"YTpiOmM="},
                "r.example:5000":{"username":"u","password":"p"},
                "https://old.example/v2/":{"auth":"YTpi"},
                "id.example":{"auth":"","identitytoken":"t"},
                "empty.example":{}},
               "HttpHeaders":{}}"#,
        );
        let found = |registry: &str| reveal_pair(find_credential(&config, registry));
        let pair = |name: &str, secret: &str| Some((name.to_owned(), secret.to_owned()));
        assert_eq!(found("docker.io"), pair("a", "b:c"));
        assert_eq!(found("r.example:5000"), pair("u", "p"));
        assert_eq!(found("old.example"), pair("a", "b"));
        assert_eq!(found("id.example"), pair("<token>", "t"));
        for registry in ["r.example", "empty.example", "ample", "example:5000"] {
            assert_eq!(found(registry), None, "{registry}");
        }
    }

    #[test]
    fn a_file_that_does_not_exist_is_no_error() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("config.json");
        let beside = || {
            let below = DockerConfig::read(&file.join("config.json"));
            below.expect("no error").is_none()
        };
        assert!(DockerConfig::read(&file).expect("no error").is_none());
        assert!(beside());
        std::fs::write(&file, "{}").expect("a file");
        assert!(DockerConfig::read(&file).expect("no error").is_some());
        // The file is in the place of a directory.
        assert!(beside());
        DockerConfig::read(folder.path()).expect_err("a directory");
    }

    #[test]
    fn a_file_of_more_than_one_mib_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let largest = "{}".to_owned() + &" ".repeat((1 << 20) - 2);
        std::fs::write(file.path(), &largest).expect("a file");
        let read = DockerConfig::read(file.path());
        assert!(read.expect("a configuration").is_some());
        std::fs::write(file.path(), largest + " ").expect("a file");
        let error = DockerConfig::read(file.path()).expect_err("too large");
        assert!(error.to_string().contains("larger than 1048576 bytes"));
    }

    #[test]
    fn helpers_know_docker_hub_by_its_first_url() {
        let hub = "https://index.docker.io/v1/";
        assert_eq!(server_address("docker.io"), hub);
        assert_eq!(server_address("registry-1.docker.io"), hub);
        assert_eq!(server_address("r.example:5000"), "r.example:5000");
    }

    #[test]
    fn finds_helpers_by_host() {
        let config = parse_config(r#"{"credsStore":"all","credHelpers":{"r.example":"own"}}"#);
        assert_eq!(config.host_helper("R.example"), Some("own"));
        assert_eq!(config.default_helper("r.example"), None);
        assert_eq!(config.host_helper("docker.io"), None);
        assert_eq!(config.default_helper("docker.io"), Some("all"));
    }

    #[test]
    fn an_error_names_the_file_and_shows_no_secret() {
        let config = parse_config(r#"{"auths":{"r.example":{"auth":"?secret?"}}}"#);
        let error = config
            .credential_for("r.example", Path::new("/x/config.json"))
            .expect_err("invalid Base64")
            .to_string();
        assert!(error.contains("/x/config.json"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
