//! Tokens: a name and a password, or an identity token, or nothing, in exchange for the right to do one thing.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{Desk, header};
use crate::auth::scope::Scope;
use crate::credentials::Credential;
use crate::error::{Denial, Fault, RegistryError, Tries, Violation};
use crate::http::egress;
use crate::http::request::{Body, Request};
use crate::http::response::{self, Answer, ReadError};
use crate::secret::Secret;

/// What to ask for, and where.
pub(crate) struct Wanted<'a> {
    pub(crate) realm: &'a str,
    pub(crate) service: Option<&'a str>,
    pub(crate) scope: &'a Scope,
}

/// What a token server is called where it is refused.
const WHAT: &str = "token server";

/// How long a token server's reply may be.
const REPLY: u64 = 128 << 10;

/// A token server's reply. How long the token lasts is not read: it is good until the registry says otherwise.
#[derive(Deserialize)]
struct Reply {
    token: Option<Secret>,
    access_token: Option<Secret>,
}

/// Fetches a token and returns it as a header's value.
pub(crate) async fn fetch(
    desk: &Desk<'_>,
    wanted: &Wanted<'_>,
    credential: &Credential,
) -> Result<HeaderValue, RegistryError> {
    let realm = realm(desk, wanted.realm).await?;
    super::keep_off_the_wire(credential, &realm)?;
    let server = egress::host(&realm);
    let request = match credential {
        Credential::IdentityToken { token, .. } => by_identity(realm, wanted, token),
        Credential::Anonymous { .. } => by_name(realm, wanted),
        Credential::Password {
            username, password, ..
        } => by_name(realm, wanted).header(AUTHORIZATION, header::encode(username, password)),
    };
    let Desk {
        transport,
        operation,
        guard,
        ..
    } = desk;
    let response = match transport.exchange(operation, &request, None, guard).await? {
        Answer::Done(response) => response,
        Answer::Elsewhere => return Err(operation.protocol(Violation::Redirected)),
        Answer::Refused(refused) => {
            let refusal = refused.refusal;
            let is_ours = matches!(refusal.status, 400 | 401 | 403);
            return Err(match credential {
                Credential::Anonymous { tried } if is_ours => desk.denied(Denial::NoCredentials {
                    tried: tried.clone(),
                }),
                _ if is_ours => desk.denied(Denial::Token { server, refusal }),
                _ => operation.protocol(Violation::Refused(refusal)),
            });
        }
    };
    let malformed = |reason: &str| {
        operation.protocol(Violation::Document {
            what: "the token server's reply",
            reason: reason.to_owned(),
        })
    };
    let body = match response::read(response, REPLY, transport.timeouts.idle).await {
        Ok(body) => body,
        Err(ReadError::TooLarge) => return Err(malformed("it is too large")),
        Err(ReadError::Cut { reason, .. }) => {
            let fault = Fault::Connection {
                host: server,
                reason,
            };
            return Err(operation.unavailable(fault, Tries::once()));
        }
    };
    // The parser's own message would repeat the document, and so the token.
    let reply: Reply = serde_json::from_slice(&body).map_err(|error| {
        malformed(&format!(
            "not the expected JSON, at column {}",
            error.column()
        ))
    })?;
    let token = reply.token.or(reply.access_token);
    let token = token.filter(|token| is_token(token.reveal()));
    let token = token.ok_or_else(|| malformed("it holds no token"))?;
    Ok(header::sensitive("Bearer", token.reveal()))
}

/// Checks the place where a token is to be had: it is sent a password.
async fn realm(desk: &Desk<'_>, text: &str) -> Result<Url, RegistryError> {
    let protocol = |violation| desk.operation.protocol(violation);
    let url: Url = text.parse().map_err(|error: url::ParseError| {
        protocol(Violation::Document {
            what: "the token server's URL",
            reason: error.to_string(),
        })
    })?;
    desk.guard.check(WHAT, &url).map_err(protocol)?;
    let named = tokio::time::timeout(
        desk.transport.timeouts.connect,
        desk.guard.check_name(WHAT, &url),
    );
    // A name that takes so long is a matter of the connection.
    named.await.unwrap_or(Ok(())).map_err(protocol)?;
    Ok(url)
}

/// Returns the request with which name and password get a token, or nobody does.
fn by_name(mut realm: Url, wanted: &Wanted<'_>) -> Request {
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = wanted.service {
            query.append_pair("service", service);
        }
        for scope in wanted.scope.iter() {
            query.append_pair("scope", scope);
        }
    }
    Request::new(Method::GET, realm)
}

/// Returns the request with which an identity token gets one (RFC 6749, 6).
fn by_identity(realm: Url, wanted: &Wanted<'_>, token: &Secret) -> Request {
    let scopes: Vec<&str> = wanted.scope.iter().collect();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("service", wanted.service.unwrap_or_default())
        .append_pair("scope", &scopes.join(" "))
        .append_pair("client_id", "soci")
        .append_pair("refresh_token", token.reveal())
        .finish();
    Request::new(Method::POST, realm)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::Bytes(form.into()))
}

/// Says whether a text can stand behind `Bearer` (RFC 6750, 2.1), or at least harms no header.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
