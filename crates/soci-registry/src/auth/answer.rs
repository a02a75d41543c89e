//! Answers the challenge of a registry with a credential.

use reqwest::header::HeaderValue;

use super::challenge::Challenge;
use super::context::{AuthContext, forbid_plain_http};
use super::header;
use super::notes::CredentialRefusal;
use super::sources::Rejection;
use super::token::{self, TokenParameters};
use crate::credentials::Credential;
use crate::error::{Denial, RegistryError};

/// Why a credential gives no authorization.
pub(super) enum NoAnswer {
    /// The credential does not suit the challenge, or the token server rejected it.
    Rejected(Rejection),
    /// Another error, which other credentials would not change.
    Failed(RegistryError),
}

/// Returns the header that answers a challenge.
pub(super) async fn answer_challenge(
    context: &AuthContext<'_>,
    challenge: &Challenge,
    credential: Option<&Credential>,
) -> Result<HeaderValue, NoAnswer> {
    let failed = |error| NoAnswer::Failed(error);
    let origin = context.clients.policy().origin();
    forbid_plain_http(context, credential, origin).map_err(|error| failed(error.into()))?;
    match challenge {
        Challenge::Basic => answer_basic(credential).map_err(NoAnswer::Rejected),
        Challenge::Bearer {
            realm,
            service,
            scope: challenge_scope,
        } => {
            let mut scope = context.scope.clone();
            scope.add_from_challenge(challenge_scope);
            let parameters = TokenParameters {
                realm,
                service: service.as_deref(),
                scope: &scope,
            };
            match token::fetch_token(context, &parameters, credential).await {
                Ok(token) => Ok(header::bearer_header(&token)),
                Err(RegistryError::Denied {
                    denial:
                        Denial::Token {
                            server, refusal, ..
                        },
                    ..
                }) => Err(NoAnswer::Rejected(Rejection::Refused(CredentialRefusal {
                    token_server: Some(server),
                    refusal: *refusal,
                }))),
                Err(error) => Err(failed(error)),
            }
        }
    }
}

/// Returns the header that answers a Basic challenge.
fn answer_basic(credential: Option<&Credential>) -> Result<HeaderValue, Rejection> {
    match credential {
        None => Err(Rejection::Unsuitable(None)),
        Some(Credential::IdentityToken(_)) => Err(Rejection::Unsuitable(Some(
            "an identity token, which only a token server accepts",
        ))),
        Some(Credential::Password { username, password }) => {
            Ok(header::basic_header(username, password))
        }
    }
}
