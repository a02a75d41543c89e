//! What is needed to authenticate one request, apart from the credential.

use reqwest::header::HeaderValue;
use url::Url;

use super::scope::Scope;
use crate::credentials::Credential;
use crate::error::{ConfigurationError, Operation, RegistryError};
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
}

/// Returns an error if there is a `credential` and `url` would send it unencrypted to another
/// machine. Plain HTTP is accepted only for loopback addresses.
pub(super) fn forbid_plain_http(
    context: &AuthContext<'_>,
    credential: Option<&Credential>,
    url: &Url,
) -> Result<(), ConfigurationError> {
    if credential.is_some() && url.scheme() == "http" && !is_loopback(url) {
        return Err(ConfigurationError::PlainHttp {
            token_server: (!context.clients.policy().is_registry_origin(url))
                .then(|| display_host(url)),
        });
    }
    Ok(())
}
