//! Fetches tokens from a token server (distribution's "Token Authentication Specification"): in
//! exchange for a user name and password, for an identity token, or without any credential.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::context::{AuthContext, forbid_plain_http};
use super::header::basic_header;
use super::scope::Scope;
use crate::credentials::Credential;
use crate::error::{Denial, Fault, Refusal, RegistryError, Tries, Violation};
use crate::http::egress::display_host;
use crate::http::request::{Body, Request};
use crate::http::response::{Outcome, ReadError, Response, read_body};
use crate::secret::Secret;

/// The parameters of a Bearer challenge, with the scope to request.
pub(super) struct TokenParameters<'a> {
    /// The token server's URL, not yet checked.
    pub(super) realm: &'a str,
    /// The registry's name at the token server.
    pub(super) service: Option<&'a str>,
    pub(super) scope: &'a Scope,
}

/// What messages call the token server.
const TOKEN_SERVER: &str = "token server";

/// Longest response of a token server, in bytes.
const MAX_RESPONSE_SIZE: u64 = 128 << 10;

/// A token server's response. `expires_in` is not read: a token is used until the registry rejects
/// it.
#[derive(Deserialize)]
struct TokenResponse {
    token: Option<Secret>,
    access_token: Option<Secret>,
}

/// Fetches a token that may be sent in a `Bearer` header.
///
/// # Errors
///
/// Returns an error if the realm is not a safe place for a credential, if the token server does not
/// answer or refuses, or if its response holds no usable token.
pub(super) async fn fetch_token(
    context: &AuthContext<'_>,
    parameters: &TokenParameters<'_>,
    credential: Option<&Credential>,
) -> Result<Secret, RegistryError> {
    let realm = check_realm(context, parameters.realm)?;
    forbid_plain_http(context, credential, &realm)?;
    let server = display_host(&realm);
    let request = token_request(realm, parameters, credential);
    let response = match context.send(&request, None).await? {
        Outcome::Success(response) => response,
        Outcome::CrossOriginRedirect => {
            return Err(context.operation.protocol(Violation::Redirected));
        }
        Outcome::Rejected(rejection) => {
            return Err(refusal_error(context, server, rejection.refusal));
        }
    };
    read_token(context, response, server).await
}

/// Parses and checks the token server's URL, because a password is sent there. The addresses of its
/// host are checked when it is resolved.
fn check_realm(context: &AuthContext<'_>, text: &str) -> Result<Url, RegistryError> {
    let protocol = |violation| context.operation.protocol(violation);
    let url: Url = text.parse().map_err(|error: url::ParseError| {
        protocol(Violation::Document {
            what: "the token server's URL",
            reason: error.to_string(),
        })
    })?;
    context
        .clients
        .policy()
        .check_url(TOKEN_SERVER, &url)
        .map_err(protocol)?;
    Ok(url)
}

/// Returns the request for a token. A credential travels in it, never in its URL.
fn token_request(
    realm: Url,
    parameters: &TokenParameters<'_>,
    credential: Option<&Credential>,
) -> Request {
    match credential {
        None => query_request(realm, parameters),
        Some(Credential::IdentityToken(token)) => refresh_request(realm, parameters, token),
        Some(Credential::Password { username, password }) => {
            query_request(realm, parameters).header(AUTHORIZATION, basic_header(username, password))
        }
    }
}

/// Returns the `GET` request that asks for a token, without a credential.
fn query_request(mut realm: Url, parameters: &TokenParameters<'_>) -> Request {
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = parameters.service {
            query.append_pair("service", service);
        }
        for scope in parameters.scope.iter() {
            query.append_pair("scope", scope);
        }
    }
    Request::new(Method::GET, realm)
}

/// Returns the `POST` request that trades an identity token, which OAuth 2 calls a refresh token,
/// for an access token (RFC 6749, section 6).
fn refresh_request(realm: Url, parameters: &TokenParameters<'_>, token: &Secret) -> Request {
    let scopes: Vec<&str> = parameters.scope.iter().collect();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("service", parameters.service.unwrap_or_default())
        .append_pair("scope", &scopes.join(" "))
        .append_pair("client_id", "soci")
        .append_pair("refresh_token", token.reveal())
        .finish();
    Request::new(Method::POST, realm)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::Bytes(form.into()))
}

/// Returns the error for a refusal by the token server.
fn refusal_error(context: &AuthContext<'_>, server: String, refusal: Refusal) -> RegistryError {
    if !matches!(refusal.status, 400 | 401 | 403) {
        return context.operation.protocol(Violation::Refused(refusal));
    }
    let denial = Denial::Token {
        server,
        refusal: Box::new(refusal),
        tried: Vec::new(),
    };
    context.operation.denied(denial, None)
}

/// Reads the token from the response of the token server with the host name `server`.
async fn read_token(
    context: &AuthContext<'_>,
    response: Response,
    server: String,
) -> Result<Secret, RegistryError> {
    let operation = context.operation;
    let malformed = |reason: &str| {
        operation.protocol(Violation::Document {
            what: "the token server's response",
            reason: reason.to_owned(),
        })
    };
    let idle = context.transport.timeouts.idle;
    let body = match read_body(response, MAX_RESPONSE_SIZE, idle).await {
        Ok(body) => body,
        Err(ReadError::TooLarge { .. }) => return Err(malformed("it is too large")),
        Err(ReadError::Interrupted { reason, .. }) => {
            let fault = Fault::Connection {
                host: server,
                reason,
            };
            return Err(operation.unavailable(fault, Tries::once()));
        }
    };
    // The parser's own message would quote the document, and so the token.
    let response: TokenResponse = serde_json::from_slice(&body).map_err(|error| {
        let column = error.column();
        malformed(&format!("not the expected JSON, at column {column}"))
    })?;
    // Some servers send both fields, and only one of them has the token.
    let tokens = [response.token, response.access_token];
    let mut tokens = tokens.into_iter().flatten();
    tokens
        .find(|token| is_header_safe(token.reveal()))
        .ok_or_else(|| malformed("it holds no token"))
}

/// Returns whether a token can be sent in a `Bearer` header. This is wider than the token syntax of
/// RFC 6750, section 2.1: every visible ASCII character is accepted.
fn is_header_safe(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_visible_ascii() {
        for token in ["a", "eyJ.e30=~", "!"] {
            assert!(is_header_safe(token), "{token}");
        }
        for token in ["", "a b", "a\n", "a\u{e9}", "\u{7f}"] {
            assert!(!is_header_safe(token), "{token:?}");
        }
    }
}
