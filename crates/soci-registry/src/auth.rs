//! Authentication: challenges, tokens, and credentials that are resolved only when a registry asks
//! for them.
//!
//! One [`Authenticator`] serves a registry for the whole run. One lock protects its state and is
//! held while a token is fetched, so that requests which are rejected together share one token.

mod answer;
pub(crate) mod challenge;
pub(crate) mod context;
mod denial;
pub(crate) mod header;
pub(crate) mod notes;
mod renewal;
pub(crate) mod scope;
mod sources;
mod token;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{self, Arc, MutexGuard, PoisonError};

use reqwest::Method;
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use tokio::sync::Mutex;

use crate::credentials::CredentialChain;
use crate::ecr;
use crate::error::{RegistryError, Violation};
use crate::http::rejection::{Rejection, Responder};
use crate::http::request::Request;
use crate::http::response::Outcome;
use answer::{NoAnswer, answer_challenge};
use challenge::{Challenge, parse_challenge};
use context::AuthContext;
use notes::{CurrentSource, Notes, Warnings};
use renewal::{RefusedRequest, Round};
use scope::Scope;
use sources::{Candidate, Sources};
use verdict::Verdict;

/// Authenticates the requests to one registry.
#[derive(Debug)]
pub(crate) struct Authenticator {
    chain: CredentialChain,
    state: Mutex<State>,
    notes: Notes,
    /// Held by the request that is the first one with the credential of a source, so that a wrong
    /// password is shown once and not by each request.
    trial: Mutex<()>,
    /// What the registry has accepted. It has a lock of its own, so that a successful request need
    /// not wait for a token that is fetched.
    accepted: sync::Mutex<Accepted>,
}

/// How many times one request is sent again with a new authorization. There are at most ten
/// sources.
const MAX_RENEWALS: u32 = 16;

#[derive(Debug)]
struct State {
    /// The registry's last challenge.
    challenge: Option<Challenge>,
    sources: Sources,
    /// Authorizations by scope. A Basic authorization has the empty scope and serves all requests.
    cached: BTreeMap<Scope, Authorization>,
    /// The generation of the newest authorization.
    generation: u64,
}

/// What the registry has accepted at least once.
#[derive(Debug, Default)]
struct Accepted {
    /// The generations of authorizations.
    generations: BTreeSet<u64>,
    /// The positions of sources, with the scope.
    sources: BTreeSet<(usize, Scope)>,
}

/// The value of an `Authorization` header.
#[derive(Clone, Debug)]
struct Authorization {
    value: HeaderValue,
    /// Distinguishes a rejected authorization from the one that has replaced it. Later ones have
    /// higher numbers.
    generation: u64,
    /// The scope under which it is cached.
    key: Scope,
    /// The position of its source.
    source: usize,
    /// How the registry is accessed, such as `with AWS`.
    access: String,
}

impl Authenticator {
    /// Returns an authenticator that takes its credential from `chain`. `warnings` are those of the
    /// whole run.
    pub(crate) fn new(chain: CredentialChain, warnings: Arc<Warnings>) -> Self {
        Self {
            notes: Notes::new(&chain, warnings),
            trial: Mutex::default(),
            state: Mutex::new(State {
                challenge: None,
                sources: Sources::new(chain.clone()),
                cached: BTreeMap::new(),
                generation: 0,
            }),
            chain,
            accepted: sync::Mutex::default(),
        }
    }

    /// Sends a request, with credentials if the registry asks for them.
    ///
    /// An authorization that the registry has accepted before has expired, perhaps during the
    /// retries of the request, and is renewed by the same source. If the registry rejects what a
    /// source has given, the next source is tried. Requests to another origin get no credentials.
    pub(crate) async fn send(
        &self,
        context: &AuthContext<'_>,
        request: &Request,
    ) -> Result<Outcome, RegistryError> {
        if !context.clients.policy().is_registry_origin(&request.url) {
            return context.send(request, None).await;
        }
        let mut authorization = self.initial_authorization(context).await?;
        let mut round = Round::default();
        loop {
            let _trial = self.wait_for_trial(&mut authorization).await;
            let value = authorization.as_ref().map(|found| &found.value);
            let rejection = match context.send(request, value).await? {
                Outcome::Rejected(rejection) => rejection,
                outcome => {
                    self.mark_accepted(authorization.as_ref());
                    return Ok(outcome);
                }
            };
            if shows_acceptance(&rejection) {
                self.mark_accepted(authorization.as_ref());
            }
            if !self.is_about_credentials(request, &rejection) || round.renewals == MAX_RENEWALS {
                return Ok(Outcome::Rejected(rejection));
            }
            round.renewals += 1;
            let refused = RefusedRequest {
                request,
                authorization,
                rejection: &rejection,
            };
            authorization = self.renew(context, refused, &mut round).await?;
            if authorization.is_none() {
                return Ok(Outcome::Rejected(rejection));
            }
        }
    }

    /// Waits while another request tries a source that the registry has not accepted yet. Replaces
    /// the authorization if it was rejected in the meantime. Returns the right to be the next one
    /// that tries the source, unless it is accepted.
    async fn wait_for_trial(
        &self,
        authorization: &mut Option<Authorization>,
    ) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        if self.is_source_accepted(authorization.as_ref()?) {
            return None;
        }
        let trial = self.trial.lock().await;
        let state = self.state.lock().await;
        *authorization = state.cached.get(&authorization.as_ref()?.key).cloned();
        (!self.is_source_accepted(authorization.as_ref()?)).then_some(trial)
    }

    /// Returns whether the registry has accepted an authorization of this source before, for the
    /// same scope.
    fn is_source_accepted(&self, authorization: &Authorization) -> bool {
        let source = (authorization.source, authorization.key.clone());
        self.lock_accepted().sources.contains(&source)
    }

    /// Records that the registry has accepted an authorization, and warns about the sources before
    /// its own.
    fn mark_accepted(&self, authorization: Option<&Authorization>) {
        let Some(authorization) = authorization else {
            return;
        };
        let is_new = {
            let mut accepted = self.lock_accepted();
            let source = (authorization.source, authorization.key.clone());
            accepted.sources.insert(source);
            accepted.generations.insert(authorization.generation)
        };
        if is_new {
            let (source, access) = (authorization.source, &authorization.access);
            self.notes.warn_of_skipped(source, access);
        }
    }

    fn lock_accepted(&self) -> MutexGuard<'_, Accepted> {
        let accepted = self.accepted.lock();
        accepted.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether other credentials may change a refusal. ECR answers an expired token with
    /// status 403 or 400 and no challenge, and a `HEAD` request with status 403 and no message at
    /// all.
    fn is_about_credentials(&self, request: &Request, rejection: &Rejection) -> bool {
        let Rejection {
            refusal, responder, ..
        } = rejection;
        let is_silent = request.method == Method::HEAD && refusal.message.is_empty();
        let is_ecr = self.chain.ecr_host().is_some();
        *responder == Responder::Origin
            && match refusal.status {
                401 => true,
                403 => ecr::is_expired_token(refusal) || (is_silent && is_ecr),
                400 => ecr::is_expired_token(refusal),
                _ => false,
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
        let key = cache_key(&challenge, context);
        if let Some(cached) = state.cached.get(&key) {
            return Ok(Some(cached.clone()));
        }
        // All sources have failed for an earlier request. Those that have worked in this run may
        // work again.
        let worked = self.accepted_sources(&key);
        state.sources.revive(&worked, &key, &self.notes);
        match self.authorize(&mut state, context, &challenge).await? {
            Some(authorization) => Ok(Some(authorization)),
            None => Err(self.exhausted_error(context, state.sources.take_outage())),
        }
    }

    /// Returns the positions of the sources that the registry has accepted for a scope.
    fn accepted_sources(&self, key: &Scope) -> BTreeSet<usize> {
        let accepted = self.lock_accepted();
        let sources = accepted.sources.iter();
        let sources = sources.filter(|(_, scope)| scope == key);
        sources.map(|(position, _)| *position).collect()
    }

    /// Returns the authorization that replaces a rejected one. Returns `None` if the refusal is
    /// final: if the registry sent no challenge, or has rejected what each source has given.
    async fn renew(
        &self,
        context: &AuthContext<'_>,
        refused: RefusedRequest<'_>,
        round: &mut Round,
    ) -> Result<Option<Authorization>, RegistryError> {
        let mut state = self.state.lock().await;
        let headers = &refused.rejection.headers;
        if let Some(sent) = parse_challenge(headers) {
            let last = round.challenge.replace(sent.clone());
            round.has_new_challenge = last.is_some_and(|last| last != sent);
            state.challenge = Some(sent);
        }
        let Some(challenge) = state.challenge.clone() else {
            return if headers.contains_key(WWW_AUTHENTICATE) {
                Err(context.operation.protocol(Violation::Challenge))
            } else {
                Ok(None)
            };
        };
        let key = cache_key(&challenge, context);
        let rejected = refused.authorization.as_ref();
        if let Some(cached) = state.cached.get(&key)
            && rejected.is_none_or(|rejected| cached.generation > rejected.generation)
        {
            // Another request has renewed it in the meantime.
            return Ok(Some(cached.clone()));
        }
        let verdict = rejected.map(|rejected| self.judge(&state, &refused, rejected, round));
        if verdict == Some(Verdict::Final) {
            return Ok(None);
        }
        state.cached.remove(&key);
        if let (Some(verdict), Some(rejected)) = (verdict, rejected) {
            self.apply(verdict, rejected, &refused.rejection.refusal, &mut state);
        }
        let authorization = self.authorize(&mut state, context, &challenge).await?;
        let outage = state.sources.take_outage();
        match (authorization, verdict) {
            (Some(authorization), _) => Ok(Some(authorization)),
            (None, Some(Verdict::NextSource)) if outage.is_none() => Ok(None),
            (None, _) => Err(self.exhausted_error(context, outage)),
        }
    }

    /// Creates an authorization for a challenge from the first source that has a credential for
    /// it, and caches it. Returns `None` if there is no such source.
    async fn authorize(
        &self,
        state: &mut State,
        context: &AuthContext<'_>,
        challenge: &Challenge,
    ) -> Result<Option<Authorization>, RegistryError> {
        let key = cache_key(challenge, context);
        let mut renewed = BTreeSet::new();
        state.sources.begin();
        while let Some(candidate) = {
            let next = state.sources.next(&key, context.operation, &self.notes);
            next.await?
        } {
            let position = candidate.position;
            let credential = candidate.found.credential.as_ref();
            let rejection = match answer_challenge(context, challenge, credential).await {
                Ok(value) => return Ok(Some(self.keep(state, value, candidate, key))),
                Err(NoAnswer::Failed(error)) => return Err(error),
                Err(NoAnswer::Rejected(rejection)) => rejection,
            };
            let has_worked = {
                let accepted = self.lock_accepted();
                let mut sources = accepted.sources.iter();
                sources.any(|(source, _)| *source == position)
            };
            // What worked before has expired.
            if has_worked && state.sources.is_renewable(position) && renewed.insert(position) {
                state.sources.renew(position);
            } else {
                state
                    .sources
                    .reject(position, &key, &rejection, &self.notes);
            }
        }
        Ok(None)
    }

    /// Caches an authorization.
    fn keep(
        &self,
        state: &mut State,
        value: HeaderValue,
        candidate: Candidate,
        key: Scope,
    ) -> Authorization {
        let Candidate { position, found } = candidate;
        let access = match &found.credential {
            Some(_) => format!("with {}", found.label),
            None => "without credentials".to_owned(),
        };
        tracing::debug!("`{}` is accessed {access}", self.chain.registry());
        self.notes.set_current(CurrentSource {
            position,
            label: found.label,
            is_anonymous: found.credential.is_none(),
        });
        state.generation += 1;
        let authorization = Authorization {
            value,
            generation: state.generation,
            key: key.clone(),
            source: position,
            access,
        };
        state.cached.insert(key, authorization.clone());
        authorization
    }
}

/// Returns the scope under which an authorization for `challenge` is cached.
fn cache_key(challenge: &Challenge, context: &AuthContext<'_>) -> Scope {
    match challenge {
        Challenge::Basic => Scope::default(),
        Challenge::Bearer { .. } => context.scope.clone(),
    }
}

/// Returns whether a registry that answers so has accepted the authorization.
fn shows_acceptance(rejection: &Rejection) -> bool {
    rejection.responder == Responder::Origin
        && matches!(rejection.refusal.status, 404 | 405 | 409 | 412 | 416)
}
