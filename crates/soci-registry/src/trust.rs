//! The HTTP client below everything: whom it trusts, and what it must not do by itself.
//!
//! It follows no redirect and decodes no body. Proxies come from the environment, as `reqwest` reads it.

use std::fs;

use reqwest::Certificate;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};

use crate::error::ConfigurationError;
use crate::options::ClientOptions;

/// Builds the client.
pub(crate) fn http_client(options: &ClientOptions) -> Result<reqwest::Client, ConfigurationError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut builder = reqwest::Client::builder()
        .user_agent(&options.user_agent)
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(options.timeouts.connect);
    let mut certificates = Vec::new();
    for path in &options.ca_files {
        certificates.extend(read_certificates(path)?);
    }
    if !certificates.is_empty() {
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| ConfigurationError::Http {
        reason: crate::http::causes(&error),
    })
}

fn read_certificates(path: &std::path::Path) -> Result<Vec<Certificate>, ConfigurationError> {
    const WHAT: &str = "certificate file";
    let pem = fs::read(path).map_err(|source| ConfigurationError::File {
        what: WHAT,
        path: path.to_owned(),
        source,
    })?;
    let malformed = |reason: String| ConfigurationError::Malformed {
        what: WHAT,
        path: path.to_owned(),
        reason,
    };
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if certificates.is_empty() => {
            Err(malformed("expected PEM, found no certificate".to_owned()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(malformed(crate::http::causes(&error))),
    }
}
