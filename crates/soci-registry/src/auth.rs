//! Authentication: challenges, tokens, and credentials that are resolved only when a registry asks
//! for them.
//!
//! One [`Authenticator`] serves a registry for the whole run. One lock protects its state and is
//! held while a token is fetched, so that requests which are rejected together share one token.

pub(crate) mod challenge;
pub(crate) mod context;
pub(crate) mod header;
pub(crate) mod scope;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{self, MutexGuard, PoisonError};

use reqwest::Method;
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use tokio::sync::Mutex;

use crate::credentials::{Credential, CredentialChain, Renewal};
use crate::ecr;
use crate::error::{Denial, RegistryError, Violation};
use crate::http::rejection::{Rejection, Responder};
use crate::http::request::Request;
use crate::http::response::Outcome;
use challenge::{Challenge, parse_challenge};
use context::{AuthContext, forbid_plain_http};
use scope::Scope;
use token::TokenParameters;

/// Authenticates the requests to one registry.
#[derive(Debug)]
pub(crate) struct Authenticator {
    chain: CredentialChain,
    state: Mutex<State>,
    /// The generations of the authorizations that the registry has accepted at least once. It has a
    /// lock of its own, so that a successful request need not wait for a token that is fetched.
    valid: sync::Mutex<BTreeSet<u64>>,
}

/// How many times one request is sent again with a new authorization.
const MAX_RENEWALS: u32 = 4;

#[derive(Debug, Default)]
struct State {
    /// The registry's last challenge.
    challenge: Option<Challenge>,
    credential: Option<Credential>,
    /// Authorizations by scope. A Basic authorization has the empty scope and serves all requests.
    cached: BTreeMap<Scope, Authorization>,
    /// The generation of the newest authorization.
    generation: u64,
}

/// The value of an `Authorization` header.
#[derive(Clone, Debug)]
struct Authorization {
    value: HeaderValue,
    /// Distinguishes a rejected authorization from the one that has replaced it. Later ones have
    /// higher numbers.
    generation: u64,
}

impl Authenticator {
    /// Returns an authenticator that takes its credential from `chain`.
    pub(crate) fn new(chain: CredentialChain) -> Self {
        Self {
            chain,
            state: Mutex::default(),
            valid: sync::Mutex::default(),
        }
    }

    /// Sends a request, with credentials if the registry asks for them.
    ///
    /// A rejected authorization is renewed once. One that the registry has accepted before has
    /// expired, perhaps during the retries of the request, and is renewed again, up to
    /// [`MAX_RENEWALS`] times. Requests to another origin get no credentials.
    pub(crate) async fn send(
        &self,
        context: &AuthContext<'_>,
        request: &Request,
    ) -> Result<Outcome, RegistryError> {
        if !context.clients.policy().is_registry_origin(&request.url) {
            return context.send(request, None).await;
        }
        let mut authorization = self.initial_authorization(context).await?;
        let mut outcome = send_authorized(context, request, authorization.as_ref()).await?;
        let (mut last_challenge, mut rejections) = (None, 0);
        for _ in 0..MAX_RENEWALS {
            let Outcome::Rejected(rejection) = outcome else {
                self.mark_valid(authorization.as_ref());
                return Ok(outcome);
            };
            let challenge = parse_challenge(&rejection.headers);
            // The first 401 only announces the challenge and does not count as a rejection. If the
            // registry then announces another challenge, that one is answered too.
            let is_repeated = last_challenge.is_some() && last_challenge == challenge;
            let has_expired = self.was_valid(authorization.as_ref());
            rejections += u32::from(authorization.is_some() && !has_expired);
            let is_final = !has_expired && (is_repeated || rejections > 1);
            if is_final || !self.is_about_credentials(request, &rejection) {
                return Ok(Outcome::Rejected(rejection));
            }
            let renewed = self.renew_authorization(context, authorization, &rejection);
            let Some(renewed) = renewed.await? else {
                return Ok(Outcome::Rejected(rejection));
            };
            outcome = send_authorized(context, request, Some(&renewed)).await?;
            authorization = Some(renewed);
            last_challenge = challenge;
        }
        Ok(outcome)
    }

    /// Records that the registry has accepted an authorization.
    fn mark_valid(&self, authorization: Option<&Authorization>) {
        if let Some(authorization) = authorization {
            self.lock_valid().insert(authorization.generation);
        }
    }

    /// Returns whether the registry has accepted an authorization before.
    fn was_valid(&self, authorization: Option<&Authorization>) -> bool {
        authorization
            .is_some_and(|authorization| self.lock_valid().contains(&authorization.generation))
    }

    fn lock_valid(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether other credentials may change a refusal. ECR answers an expired token with
    /// status 403 and no challenge, and a `HEAD` request with status 403 and no message at all.
    fn is_about_credentials(&self, request: &Request, rejection: &Rejection) -> bool {
        let Rejection {
            refusal, responder, ..
        } = rejection;
        let has_no_message = request.method == Method::HEAD && refusal.message.is_empty();
        *responder == Responder::Origin
            && match refusal.status {
                401 => true,
                403 => {
                    ecr::is_expired_token(refusal) || (has_no_message && self.chain.is_for_ecr())
                }
                _ => false,
            }
    }

    /// Returns advice for a request that was refused because no credentials were found.
    pub(crate) fn missing_credentials_hint(&self) -> Option<String> {
        let state = self.state.try_lock().ok()?;
        match &state.credential {
            Some(Credential::Anonymous { tried }) => {
                let tried = tried.join("; ");
                Some(format!("no credentials were found ({tried}); log in first"))
            }
            _ => None,
        }
    }

    /// Returns the authorization for the first try of a request: none before the registry has sent
    /// a challenge.
    async fn initial_authorization(
        &self,
        context: &AuthContext<'_>,
    ) -> Result<Option<Authorization>, RegistryError> {
        let mut state = self.state.lock().await;
        let Some(challenge) = state.challenge.clone() else {
            return Ok(None);
        };
        if let Some(cached) = state.cached.get(&cache_key(&challenge, context)) {
            return Ok(Some(cached.clone()));
        }
        let authorization = self.authorize(&mut state, context, &challenge).await?;
        Ok(Some(authorization))
    }

    /// Returns the authorization that replaces a rejected one. Returns `None` if the registry sent
    /// no challenge, or if it rejected a password and the credential source has no other.
    async fn renew_authorization(
        &self,
        context: &AuthContext<'_>,
        rejected: Option<Authorization>,
        rejection: &Rejection,
    ) -> Result<Option<Authorization>, RegistryError> {
        let mut state = self.state.lock().await;
        if let Some(challenge) = parse_challenge(&rejection.headers) {
            state.challenge = Some(challenge);
        }
        let Some(challenge) = state.challenge.clone() else {
            return if rejection.headers.contains_key(WWW_AUTHENTICATE) {
                Err(context.operation.protocol(Violation::Challenge))
            } else {
                Ok(None)
            };
        };
        let key = cache_key(&challenge, context);
        let rejected_generation = rejected.map(|rejected| rejected.generation);
        if let Some(cached) = state.cached.get(&key)
            && rejected_generation.is_none_or(|rejected| cached.generation > rejected)
        {
            // Another request has renewed it in the meantime.
            return Ok(Some(cached.clone()));
        }
        state.cached.remove(&key);
        if challenge == Challenge::Basic && rejected_generation.is_some() {
            // The registry rejected the password itself, so a fixed one cannot succeed.
            let renewal = state.credential.as_ref().map(Credential::renewal);
            if renewal != Some(Renewal::Possible) {
                return Ok(None);
            }
            state.credential = None;
        }
        let authorization = self.authorize(&mut state, context, &challenge).await?;
        Ok(Some(authorization))
    }

    /// Creates an authorization for a challenge and caches it.
    async fn authorize(
        &self,
        state: &mut State,
        context: &AuthContext<'_>,
        challenge: &Challenge,
    ) -> Result<Authorization, RegistryError> {
        let credential = self.resolve_credential(state, context).await?;
        forbid_plain_http(&credential, context.clients.policy().origin())?;
        let value = match challenge {
            Challenge::Basic => {
                answer_basic(&credential).map_err(|denial| context.denied(denial))?
            }
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
                self.answer_bearer(state, context, &parameters, &credential)
                    .await?
            }
        };
        state.generation += 1;
        let authorization = Authorization {
            value,
            generation: state.generation,
        };
        let key = cache_key(challenge, context);
        state.cached.insert(key, authorization.clone());
        Ok(authorization)
    }

    /// Returns the header that answers a Bearer challenge. If the token server rejects a credential
    /// that its source can renew, this tries once more with a new one.
    async fn answer_bearer(
        &self,
        state: &mut State,
        context: &AuthContext<'_>,
        parameters: &TokenParameters<'_>,
        credential: &Credential,
    ) -> Result<HeaderValue, RegistryError> {
        let mut token = token::fetch_token(context, parameters, credential).await;
        if matches!(token, Err(RegistryError::Denied { .. }))
            && credential.renewal() == Renewal::Possible
        {
            state.credential = None;
            let credential = self.resolve_credential(state, context).await?;
            token = token::fetch_token(context, parameters, &credential).await;
        }
        Ok(header::bearer_header(&token?))
    }

    /// Returns the credential, which is resolved only once unless it is renewed.
    async fn resolve_credential(
        &self,
        state: &mut State,
        context: &AuthContext<'_>,
    ) -> Result<Credential, RegistryError> {
        if let Some(credential) = &state.credential {
            return Ok(credential.clone());
        }
        let credential = self.chain.resolve(context.operation).await?;
        state.credential = Some(credential.clone());
        Ok(credential)
    }
}

/// Returns the scope under which an authorization for `challenge` is cached.
fn cache_key(challenge: &Challenge, context: &AuthContext<'_>) -> Scope {
    match challenge {
        Challenge::Basic => Scope::default(),
        Challenge::Bearer { .. } => context.scope.clone(),
    }
}

async fn send_authorized(
    context: &AuthContext<'_>,
    request: &Request,
    authorization: Option<&Authorization>,
) -> Result<Outcome, RegistryError> {
    let value = authorization.map(|authorization| &authorization.value);
    context.send(request, value).await
}

/// Returns the header that answers a Basic challenge.
fn answer_basic(credential: &Credential) -> Result<HeaderValue, Denial> {
    match credential {
        Credential::Anonymous { tried } => Err(Denial::NoCredentials {
            tried: tried.clone(),
        }),
        Credential::IdentityToken { .. } => Err(Denial::NoCredentials {
            tried: vec!["an identity token, which only a token server accepts".to_owned()],
        }),
        Credential::Password {
            username, password, ..
        } => Ok(header::basic_header(username, password)),
    }
}
