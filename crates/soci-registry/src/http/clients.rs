//! The HTTP clients of one registry: their certificates, proxies and resolver.
//!
//! They follow no redirect and decode no body. Proxies come from the environment, as `reqwest`
//! reads it. Requests to loopback addresses never use a proxy, because they may carry credentials
//! unencrypted.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use url::Url;

use super::certificates;
use super::egress::{self, EgressPolicy};
use super::error::describe_causes;
use super::manifest_turn::ManifestTurn;
use super::resolver::{CheckedResolver, Lookup};
use crate::error::ConfigurationError;
use crate::error::sanitize::sanitize;
use crate::options::ClientOptions;
use crate::secret::Secret;

/// What the clients of all registries are built from.
pub(crate) struct ClientSettings {
    options: ClientOptions,
    certificates: Vec<CertificateDer<'static>>,
    /// The host names of the proxies in the environment.
    proxies: Arc<[String]>,
    lookup: Lookup,
}

/// The HTTP clients of one registry. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    direct: reqwest::Client,
    /// The client that uses the proxies of the environment, if there are any.
    proxied: Option<reqwest::Client>,
}

/// The HTTP clients of one registry, with the policy that their resolver applies.
#[derive(Clone, Debug)]
pub(crate) struct RegistryClients {
    clients: Clients,
    policy: Arc<EgressPolicy>,
    manifest_turn: Arc<ManifestTurn>,
}

impl Clients {
    /// Returns the client for a URL.
    pub(crate) fn client_for(&self, url: &Url) -> &reqwest::Client {
        self.proxied
            .as_ref()
            .filter(|_| !egress::is_loopback(url))
            .unwrap_or(&self.direct)
    }

    /// Returns the client for a URL of the AWS API or of a service that gives AWS credentials. Such
    /// a service on this machine or on the link, such as the metadata service of a virtual machine,
    /// cannot be reached through a proxy.
    pub(crate) fn client_for_aws(&self, url: &Url) -> &reqwest::Client {
        self.proxied
            .as_ref()
            .filter(|_| !egress::is_loopback_or_link_local(url))
            .unwrap_or(&self.direct)
    }
}

impl RegistryClients {
    /// Returns the client for a URL.
    pub(super) fn client_for(&self, url: &Url) -> &reqwest::Client {
        self.clients.client_for(url)
    }

    /// Returns whether requests may go through a proxy, which resolves host names by itself.
    pub(super) const fn has_proxy(&self) -> bool {
        self.clients.proxied.is_some()
    }

    /// Returns the policy for the hosts that the registry points to.
    pub(crate) fn policy(&self) -> &EgressPolicy {
        &self.policy
    }

    /// Returns the turn of the manifests that are written to the registry.
    pub(super) fn manifest_turn(&self) -> &ManifestTurn {
        &self.manifest_turn
    }
}

impl ClientSettings {
    /// Checks the settings that all clients share. `certificates` are trusted in addition to the
    /// system's; `proxies` are the variables that name proxies, with their values.
    ///
    /// # Errors
    ///
    /// Returns an error if a variable does not hold the URL of a proxy.
    pub(crate) fn new(
        options: &ClientOptions,
        certificates: Vec<CertificateDer<'static>>,
        proxies: &[(&'static str, Secret)],
        lookup: Lookup,
    ) -> Result<Self, ConfigurationError> {
        let proxies = proxies.iter().map(|(variable, value)| {
            let url = check_proxy(variable, value.reveal())?;
            Ok(url.host_str().unwrap_or_default().to_owned())
        });
        Ok(Self {
            options: options.clone(),
            certificates,
            proxies: proxies.collect::<Result<_, ConfigurationError>>()?,
            lookup,
        })
    }

    /// Builds the clients of the registry that `policy` is for.
    ///
    /// # Errors
    ///
    /// Returns an error if TLS cannot be set up.
    pub(crate) fn build_for(
        &self,
        policy: EgressPolicy,
    ) -> Result<RegistryClients, ConfigurationError> {
        let policy = Arc::new(policy);
        Ok(RegistryClients {
            clients: self.build(Some(Arc::clone(&policy)))?,
            policy,
            manifest_turn: Arc::default(),
        })
    }

    /// Builds the clients of the AWS API, which may be at any address.
    ///
    /// # Errors
    ///
    /// Returns an error if TLS cannot be set up.
    pub(crate) fn build_for_aws(&self) -> Result<Clients, ConfigurationError> {
        self.build(None)
    }

    /// Builds clients whose resolver applies `policy`.
    fn build(&self, policy: Option<Arc<EgressPolicy>>) -> Result<Clients, ConfigurationError> {
        let lookup = Arc::clone(&self.lookup);
        let resolver = CheckedResolver::new(lookup, policy, Arc::clone(&self.proxies));
        let resolver = Arc::new(resolver);
        // The files were parsed when they were read, so this fails only if the system has no
        // certificates.
        let tls = certificates::client_config(&self.certificates).map_err(|error| {
            let reason = sanitize(&error.to_string());
            ConfigurationError::SystemCertificates { reason }
        })?;
        let direct = build_client(self.builder(&resolver, tls.clone()).no_proxy())?;
        let proxied = if self.proxies.is_empty() {
            None
        } else {
            Some(build_client(self.builder(&resolver, tls))?)
        };
        Ok(Clients { direct, proxied })
    }

    fn builder(
        &self,
        resolver: &Arc<CheckedResolver>,
        tls: ClientConfig,
    ) -> reqwest::ClientBuilder {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        reqwest::Client::builder()
            .user_agent(&self.options.user_agent)
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .dns_resolver(Arc::clone(resolver))
            .connect_timeout(self.options.timeouts.connect)
            .tls_backend_preconfigured(tls)
    }
}

impl std::fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientSettings")
    }
}

fn build_client(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ConfigurationError> {
    builder.build().map_err(|error| ConfigurationError::Http {
        reason: describe_causes(&error),
    })
}

/// Checks the value of a variable that names a proxy. `reqwest` ignores a malformed value, and the
/// requests would bypass the proxy.
fn check_proxy(variable: &'static str, value: &str) -> Result<Url, ConfigurationError> {
    let refuse = |reason| Err(ConfigurationError::Proxy { variable, reason });
    match proxy_url(value) {
        Err(_) => refuse("it is not a URL"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            refuse("its scheme must be http or https")
        }
        Ok(url) => Ok(url),
    }
}

/// Parses the URL of a proxy, whose scheme is `http` unless it is given.
pub(crate) fn proxy_url(text: &str) -> Result<Url, url::ParseError> {
    if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    }
}

/// The maximum size of a certificate file in bytes. That of a system has less than 1 MiB.
const MAX_CERTIFICATES: u64 = 16 << 20;

/// Reads a certificate file. It may be a pipe, but not an endless one.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    let file = fs::File::open(path)?;
    file.take(MAX_CERTIFICATES + 1).read_to_end(&mut pem)?;
    if pem.len() as u64 > MAX_CERTIFICATES {
        let message = format!("it is larger than {} MiB", MAX_CERTIFICATES >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(pem)
}

/// Reads certificate files (PEM).
///
/// # Errors
///
/// Returns an error if a file cannot be read or holds no certificate.
pub(crate) fn read_certificates(
    files: &[PathBuf],
) -> Result<Vec<CertificateDer<'static>>, ConfigurationError> {
    const WHAT: &str = "certificate file";
    let read = |path: &PathBuf| {
        let pem = read_bounded(path).map_err(|source| ConfigurationError::File {
            what: WHAT,
            path: path.clone(),
            source,
        })?;
        let malformed = |reason: String| ConfigurationError::Malformed {
            what: WHAT,
            path: path.clone(),
            reason,
        };
        match certificates::parse_pem(&pem) {
            Ok(certificates) if certificates.is_empty() => {
                Err(malformed("expected PEM, found no certificate".to_owned()))
            }
            Ok(certificates) => Ok(certificates),
            Err(reason) => Err(malformed(sanitize(&reason))),
        }
    };
    let certificates = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(certificates.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_proxy_names_the_variable_but_not_its_value() {
        for value in [
            "http://u:p@proxy.example:3128",
            "https://proxy.example",
            "proxy.example:3128",
            "http://[::1]:3128/",
        ] {
            assert!(check_proxy("HTTPS_PROXY", value).is_ok(), "{value}");
        }
        for value in [
            "socks5://u:s3cret@proxy.example",
            "http://",
            "http://proxy.example:s3cret",
            "s3cret word",
        ] {
            let error = check_proxy("HTTPS_PROXY", value).expect_err(value);
            let text = error.to_string();
            assert!(text.contains("HTTPS_PROXY"), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
