//! Docker's `config.json`, which is also the form of podman's `auth.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Credential, Renewal};
use crate::error::ConfigurationError;
use crate::secret::Secret;

/// The part of the file that is about credentials.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<Secret>,
    identitytoken: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
}

/// How large the file may be.
const LIMIT: u64 = 1 << 20;

const WHAT: &str = "credential file";

impl Config {
    /// Reads the file. Nothing, where there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, ConfigurationError> {
        let failed = |source| ConfigurationError::File {
            what: WHAT,
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut text = Vec::new();
        file.take(LIMIT + 1)
            .read_to_end(&mut text)
            .map_err(failed)?;
        if text.len() as u64 > LIMIT {
            return Err(malformed(path, format!("larger than {LIMIT} bytes")));
        }
        // The parser's own message may quote the file, and so a secret.
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            malformed(path, format!("not the expected JSON at {place}"))
        })
    }

    /// Returns the helper for a registry: its own, or the one for all.
    pub(crate) fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.helpers.iter().find(|(key, _)| names(key, registry));
        let helper = own.map(|(_, helper)| helper).or(self.store.as_ref());
        helper
            .map(String::as_str)
            .filter(|helper| !helper.is_empty())
    }

    /// Returns what the file itself holds for a registry.
    pub(crate) fn entry(
        &self,
        registry: &str,
        path: &Path,
    ) -> Result<Option<Credential>, ConfigurationError> {
        let exact = self.auths.get(registry);
        let alike = || self.auths.iter().find(|(key, _)| names(key, registry));
        let Some(entry) = exact.or_else(|| alike().map(|(_, entry)| entry)) else {
            return Ok(None);
        };
        let broken = || malformed(path, format!("the entry for `{registry}` is no credential"));
        entry
            .credential()
            .ok_or_else(broken)
            .map(Some)
            .or_else(|error| {
                // `docker login` with a helper leaves an empty entry behind.
                if entry.is_empty() {
                    Ok(None)
                } else {
                    Err(error)
                }
            })
    }
}

impl Entry {
    const fn is_empty(&self) -> bool {
        self.auth.is_none() && self.identitytoken.is_none() && self.username.is_none()
    }

    fn credential(&self) -> Option<Credential> {
        let renewal = Renewal::Fixed;
        if let Some(token) = &self.identitytoken
            && !token.reveal().is_empty()
        {
            let token = token.clone();
            return Some(Credential::IdentityToken { token, renewal });
        }
        if let Some(auth) = &self.auth
            && !auth.reveal().is_empty()
        {
            let plain = STANDARD.decode(auth.reveal().trim()).ok()?;
            let plain = String::from_utf8(plain).ok()?;
            let (username, password) = plain.split_once(':')?;
            let password = Secret::new(password.trim_end_matches('\0').to_owned());
            return Some(Credential::from_pair(
                username.to_owned(),
                password,
                renewal,
            ));
        }
        let username = self.username.clone()?;
        let password = self.password.clone()?;
        Some(Credential::from_pair(username, password, renewal))
    }
}

fn malformed(path: &Path, reason: String) -> ConfigurationError {
    ConfigurationError::Malformed {
        what: WHAT,
        path: path.to_owned(),
        reason,
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Says whether a key of the file names a registry. Keys may be URLs, as Docker once wrote them.
fn names(key: &str, registry: &str) -> bool {
    canonical(key) == canonical(registry)
}

/// Returns the host of a key, with one name for Docker Hub's many.
fn canonical(key: &str) -> &str {
    let host = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    match host.split('/').next().unwrap_or_default() {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

/// Returns what helpers and Docker's own files call a registry.
pub(crate) fn server(registry: &str) -> &str {
    match canonical(registry) {
        "docker.io" => "https://index.docker.io/v1/",
        _ => registry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        serde_json::from_str(text).expect("a configuration")
    }

    fn entry(config: &Config, registry: &str) -> Option<Credential> {
        config
            .entry(registry, Path::new("config.json"))
            .expect("no error")
    }

    fn pair(credential: Option<Credential>) -> Option<(String, String)> {
        match credential? {
            Credential::Password {
                username, password, ..
            } => Some((username, password.reveal().to_owned())),
            Credential::IdentityToken { token, .. } => {
                Some(("<token>".to_owned(), token.reveal().to_owned()))
            }
            Credential::Anonymous { .. } => None,
        }
    }

    #[test]
    fn finds_entries_by_host() {
        let config = config(
            r#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"YTpiOmM="},
                "r.example:5000":{"username":"u","password":"p"},
                "https://old.example/v2/":{"auth":"YTpi"},
                "id.example":{"auth":"","identitytoken":"t"},
                "empty.example":{}},
               "HttpHeaders":{}}"#,
        );
        let found = |registry: &str| pair(entry(&config, registry));
        let expect = |name: &str, secret: &str| Some((name.to_owned(), secret.to_owned()));
        assert_eq!(found("docker.io"), expect("a", "b:c"));
        assert_eq!(found("r.example:5000"), expect("u", "p"));
        assert_eq!(found("old.example"), expect("a", "b"));
        assert_eq!(found("id.example"), expect("<token>", "t"));
        for registry in ["r.example", "empty.example", "ample", "example:5000"] {
            assert_eq!(found(registry), None, "{registry}");
        }
    }

    #[test]
    fn finds_helpers_by_host() {
        let config = config(r#"{"credsStore":"all","credHelpers":{"r.example":"own"}}"#);
        assert_eq!(config.helper("r.example"), Some("own"));
        assert_eq!(config.helper("docker.io"), Some("all"));
    }

    #[test]
    fn names_the_file_and_keeps_its_secrets() {
        let config = config(r#"{"auths":{"r.example":{"auth":"?secret?"}}}"#);
        let error = config
            .entry("r.example", Path::new("/x/config.json"))
            .expect_err("no Base64")
            .to_string();
        assert!(error.contains("/x/config.json"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
