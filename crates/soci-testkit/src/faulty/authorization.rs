//! Access control: HTTP Basic (RFC 7617), and bearer tokens with the endpoint that issues them.
//!
//! The bearer tokens follow Docker's token authentication specification.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{
    endpoint::Endpoint,
    reply::Reply,
    request::{Request, form_parameter},
    setup::Access,
    state::State,
    tokens::Validity,
};

impl State {
    /// Returns the denial of a request without sufficient credentials, or `None` if the request is
    /// allowed.
    pub(super) fn check_authorization(
        &self,
        request: &Request,
        endpoint: Endpoint<'_>,
    ) -> Option<Reply> {
        if matches!(endpoint, Endpoint::Token | Endpoint::Presigned(_)) {
            return None;
        }
        match &self.setup.access {
            Access::Anonymous => None,
            Access::Basic(user, password) => (!has_basic_credentials(request, user, password))
                .then(|| {
                    let challenge = format!("Basic realm=\"{}\",service=\"faulty\"", self.url);
                    unauthorized().header("WWW-Authenticate", challenge)
                }),
            Access::Bearer(..) => self.check_token(request, endpoint),
        }
    }

    fn check_token(&self, request: &Request, endpoint: Endpoint<'_>) -> Option<Reply> {
        let scope = required_scope(request, endpoint);
        let token = request.header("authorization");
        let token = token.and_then(|header| header.strip_prefix("Bearer "));
        let error = match self.tokens.check(token, scope.as_deref()) {
            Validity::Valid => return None,
            Validity::Invalid => "",
            // RFC 6750, section 3.1.
            Validity::InsufficientScope => ",error=\"insufficient_scope\"",
        };
        let realm = self.setup.realm.clone();
        let realm = realm.unwrap_or_else(|| format!("{}/token", self.url));
        let scope = scope
            .map(|scope| format!(",scope=\"{scope}\""))
            .unwrap_or_default();
        let challenge = format!("Bearer realm=\"{realm}\",service=\"faulty\"{scope}{error}");
        Some(unauthorized().header("WWW-Authenticate", challenge))
    }

    /// Issues a token for the password, by HTTP Basic or in a form, or for the identity token.
    pub(super) fn issue_token(&self, request: &Request) -> Reply {
        let Access::Bearer(user, password) = &self.setup.access else {
            return Reply::error(404, "NOT_FOUND", "no tokens are issued here");
        };
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let identity_token = form_parameter(&form, "refresh_token");
        let is_allowed = (identity_token.is_some() && identity_token == self.setup.identity_token)
            || form_parameter(&form, "password").as_ref() == Some(password)
            || has_basic_credentials(request, user, password);
        if !is_allowed {
            return unauthorized();
        }
        let parameters = if request.method == "POST" {
            &form
        } else {
            &request.query
        };
        let scopes = parameters
            .split('&')
            .filter_map(|pair| form_parameter(pair, "scope"));
        let scopes: Vec<String> = scopes
            .flat_map(|scopes| scopes.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let token = self.tokens.issue(scopes, self.setup.token_uses);
        Reply::new(200).json(&json!({"token": token, "access_token": token, "expires_in": 300}))
    }
}

fn unauthorized() -> Reply {
    Reply::error(401, "UNAUTHORIZED", "authentication required")
}

/// Returns whether a request has this user and password as HTTP Basic credentials.
fn has_basic_credentials(request: &Request, user: &str, password: &str) -> bool {
    let expected = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let header = request.header("authorization");
    header.and_then(|header| header.strip_prefix("Basic ")) == Some(&expected)
}

/// Returns the scope that a request needs, such as `repository:app:pull`, or `None` if any token is
/// sufficient.
fn required_scope(request: &Request, endpoint: Endpoint<'_>) -> Option<String> {
    let actions = match (request.method.as_str(), endpoint) {
        ("GET" | "HEAD", Endpoint::Upload(..)) => "pull,push",
        ("GET" | "HEAD", _) => "pull",
        ("DELETE", Endpoint::Manifest(..) | Endpoint::Blob(..)) => "delete",
        _ => "pull,push",
    };
    Some(format!("repository:{}:{actions}", endpoint.repository()?))
}
