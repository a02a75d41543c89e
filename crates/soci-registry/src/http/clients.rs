//! The HTTP clients below everything: whom they trust, which way they go, and what they must not do by themselves.
//!
//! They follow no redirect and decode no body. Proxies come from the environment, as `reqwest` reads it; this machine is
//! never asked by one, since what may be sent to it in the clear would leave it.

use std::fs;
use std::path::PathBuf;

use reqwest::Certificate;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use url::Url;

use crate::error::ConfigurationError;
use crate::http::egress;
use crate::options::ClientOptions;
use crate::secret::Secret;

/// One client for this machine, and one for the world.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    direct: reqwest::Client,
    world: reqwest::Client,
}

impl Clients {
    /// Returns the client for a URL.
    pub(crate) fn towards(&self, url: &Url) -> &reqwest::Client {
        if egress::is_loopback(url) {
            &self.direct
        } else {
            &self.world
        }
    }
}

/// Builds the clients. `certificates` (PEM) are trusted besides the system's; `proxies` are the variables that name some.
pub(crate) fn http_clients(
    options: &ClientOptions,
    certificates: &[Vec<u8>],
    proxies: &[(&'static str, Secret)],
) -> Result<Clients, ConfigurationError> {
    for (variable, value) in proxies {
        check_proxy(variable, value.reveal())?;
    }
    let direct = build(builder(options, certificates).no_proxy())?;
    let world = if proxies.is_empty() {
        direct.clone()
    } else {
        build(builder(options, certificates))?
    };
    Ok(Clients { direct, world })
}

fn builder(options: &ClientOptions, certificates: &[Vec<u8>]) -> reqwest::ClientBuilder {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let builder = reqwest::Client::builder()
        .user_agent(&options.user_agent)
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(options.timeouts.connect);
    // They were read before, so none is lost here.
    let certificates = certificates
        .iter()
        .filter_map(|pem| Certificate::from_pem_bundle(pem).ok())
        .flatten();
    let certificates: Vec<Certificate> = certificates.collect();
    if certificates.is_empty() {
        builder
    } else {
        builder.tls_certs_merge(certificates)
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ConfigurationError> {
    builder.build().map_err(|error| ConfigurationError::Http {
        reason: crate::http::error::causes(&error),
    })
}

/// Checks a variable that names a proxy: `reqwest` passes over what it cannot read, and the request would go another way
/// than the user wants.
fn check_proxy(variable: &'static str, value: &str) -> Result<(), ConfigurationError> {
    let refuse = |reason| Err(ConfigurationError::Proxy { variable, reason });
    match proxy_url(value) {
        Err(_) => refuse("it is no URL"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            refuse("proxies are spoken to by http or https")
        }
        Ok(_) => Ok(()),
    }
}

/// Reads the URL of a proxy, which need not say how it is spoken to.
pub(crate) fn proxy_url(text: &str) -> Result<Url, url::ParseError> {
    if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    }
}

/// Reads the files with certificates, and checks that they hold some.
pub(crate) fn read_certificates(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, ConfigurationError> {
    const WHAT: &str = "certificate file";
    let read = |path: &PathBuf| {
        let pem = fs::read(path).map_err(|source| ConfigurationError::File {
            what: WHAT,
            path: path.clone(),
            source,
        })?;
        let malformed = |reason: String| ConfigurationError::Malformed {
            what: WHAT,
            path: path.clone(),
            reason,
        };
        match Certificate::from_pem_bundle(&pem) {
            Ok(certificates) if certificates.is_empty() => {
                Err(malformed("expected PEM, found no certificate".to_owned()))
            }
            Ok(_) => Ok(pem),
            Err(error) => Err(malformed(crate::http::error::causes(&error))),
        }
    };
    files.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_proxies_and_says_what_is_none() {
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
