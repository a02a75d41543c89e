//! What is needed to authenticate one request, apart from the credential.

use reqwest::header::HeaderValue;
use url::Url;

use super::scope::Scope;
use crate::credentials::Credential;
use crate::error::{ConfigurationError, Denial, Operation, RegistryError};
use crate::http::clients::RegistryClients;
use crate::http::egress::{display_host, is_loopback};
use crate::http::request::Request;
use crate::http::response::Outcome;
use crate::http::transport::HttpTransport;

/// The connection, the operation and the scope of a request that is being authenticated.
#[derive(Clone, Copy)]
pub(crate) struct AuthContext<'a> {
    pub(crate) transport: &'a HttpTransport,
    /// The operation that error messages name.
    pub(crate) operation: &'a Operation,
    pub(crate) clients: &'a RegistryClients,
    /// The scope that the request needs.
    pub(crate) scope: &'a Scope,
}

impl AuthContext<'_> {
    /// Sends a request with the given `Authorization` header.
    pub(super) async fn send(
        &self,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Outcome, RegistryError> {
        self.transport
            .send_with_retries(self.clients, self.operation, request, authorization)
            .await
    }

    /// Returns the error for a denial. If no credentials were found, its hint says how to log in.
    pub(super) fn denied(&self, denial: Denial) -> RegistryError {
        let hint = matches!(denial, Denial::NoCredentials { .. }).then(|| {
            format!(
                "log in to `{}` with docker login, or set SOCI_USERNAME and SOCI_PASSWORD",
                self.operation.registry
            )
        });
        self.operation.denied(denial, hint)
    }
}

/// Returns an error if `credential` holds a secret and `url` would send it unencrypted to another
/// machine. Plain HTTP is accepted only for loopback addresses.
pub(super) fn forbid_plain_http(
    credential: &Credential,
    url: &Url,
) -> Result<(), ConfigurationError> {
    let has_secret = !matches!(credential, Credential::Anonymous { .. });
    if has_secret && url.scheme() == "http" && !is_loopback(url) {
        return Err(ConfigurationError::PlainHttp {
            host: display_host(url),
        });
    }
    Ok(())
}
