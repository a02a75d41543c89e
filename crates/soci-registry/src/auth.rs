//! Getting in: challenges, tokens, and credentials that are asked for only once they are needed.
//!
//! One [`Authenticator`] serves a registry for the whole run. Its state has one lock, held while a token is fetched, so
//! requests that fail together share one fetch.

pub(crate) mod challenge;
pub(crate) mod header;
pub(crate) mod scope;
pub(crate) mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{self, MutexGuard, PoisonError};

use reqwest::Method;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use url::Url;

use crate::credentials::{Chain, Credential, Renewal};
use crate::ecr;
use crate::error::{ConfigurationError, Denial, Operation, RegistryError, Violation};
use crate::http::egress::{self, Guard};
use crate::http::request::Request;
use crate::http::response::{Answer, Refused, Sender};
use crate::http::transport::Transport;
use challenge::Challenge;
use scope::Scope;

/// Lets requests into one registry.
#[derive(Debug)]
pub(crate) struct Authenticator {
    chain: Chain,
    state: Mutex<State>,
    /// The numbers of the passes that the registry has accepted.
    accepted: sync::Mutex<BTreeSet<u64>>,
}

/// How often a pass is renewed for one request.
const RENEWALS: u32 = 4;

#[derive(Debug, Default)]
struct State {
    challenge: Option<Challenge>,
    credential: Option<Credential>,
    /// Passes by scope; with Basic, the one for the empty scope serves all.
    passes: BTreeMap<Scope, Pass>,
    /// Counts the passes, so that one which was rejected is told from its successor.
    issued: u64,
}

/// The value of an `Authorization` header, and which one it is.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    value: HeaderValue,
    number: u64,
}

impl Authenticator {
    pub(crate) fn new(chain: Chain) -> Self {
        Self {
            chain,
            state: Mutex::default(),
            accepted: sync::Mutex::default(),
        }
    }

    /// Sends a request with credentials as the registry asks for them. A pass that is rejected is renewed once, and again
    /// where it had been good before: then it has expired, be it while the request was tried.
    pub(crate) async fn send(
        &self,
        desk: &Desk<'_>,
        request: &Request,
    ) -> Result<Answer, RegistryError> {
        if !desk.guard.is_home(&request.url) {
            return desk.exchange(request, None).await;
        }
        let mut pass = self.pass(desk).await?;
        let mut answer = desk.exchange(request, pass.as_ref()).await?;
        let (mut asked, mut doubts) = (None, 0);
        for _ in 0..RENEWALS {
            let Answer::Refused(refused) = answer else {
                self.accept(pass.as_ref());
                return Ok(answer);
            };
            let challenge = challenge::read(&refused.headers);
            // To be told what is wanted is no rejection yet; one may follow, if something else is wanted then.
            let is_told_before = asked.is_some() && asked == challenge;
            let has_expired = self.has_accepted(pass.as_ref());
            doubts += u32::from(pass.is_some() && !has_expired);
            let is_final = !has_expired && (is_told_before || doubts > 1);
            if !self.is_rejected(request, &refused) || is_final {
                return Ok(Answer::Refused(refused));
            }
            let Some(renewed) = self.renew(desk, pass, &refused).await? else {
                return Ok(Answer::Refused(refused));
            };
            answer = desk.exchange(request, Some(&renewed)).await?;
            pass = Some(renewed);
            asked = challenge;
        }
        Ok(answer)
    }

    /// Notes that a pass is good.
    fn accept(&self, pass: Option<&Pass>) {
        if let Some(pass) = pass {
            self.accepted().insert(pass.number);
        }
    }

    /// Says whether a pass was good at some time.
    fn has_accepted(&self, pass: Option<&Pass>) -> bool {
        pass.is_some_and(|pass| self.accepted().contains(&pass.number))
    }

    fn accepted(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether a refusal is about the pass. ECR says so of an expired one with 403 and without a challenge, and to a
    /// `HEAD` without a word.
    fn is_rejected(&self, request: &Request, refused: &Refused) -> bool {
        let Refused {
            refusal, sender, ..
        } = refused;
        let is_mute = request.method == Method::HEAD && refusal.message.is_empty();
        *sender == Sender::Registry
            && match refusal.status {
                401 => true,
                403 => ecr::says_expired(refusal) || (is_mute && self.chain.is_for_ecr()),
                _ => false,
            }
    }

    /// Returns what to do about a refusal, where it came to somebody without credentials.
    pub(crate) fn hint(&self) -> Option<String> {
        let state = self.state.try_lock().ok()?;
        match &state.credential {
            Some(Credential::Anonymous { tried }) => {
                let tried = tried.join("; ");
                Some(format!("no credentials were found ({tried}); log in first"))
            }
            _ => None,
        }
    }

    /// Returns the pass to try first, where the registry has said before what it wants.
    async fn pass(&self, desk: &Desk<'_>) -> Result<Option<Pass>, RegistryError> {
        let mut state = self.state.lock().await;
        let key = match &state.challenge {
            None => return Ok(None),
            Some(Challenge::Basic) => Scope::default(),
            Some(Challenge::Bearer { .. }) => desk.scope.clone(),
        };
        match state.passes.get(&key) {
            Some(pass) => Ok(Some(pass.clone())),
            None => self.issue(&mut state, desk, key).await,
        }
    }

    /// Replaces a pass that was rejected. Nothing, where there is no other.
    async fn renew(
        &self,
        desk: &Desk<'_>,
        rejected: Option<Pass>,
        refused: &Refused,
    ) -> Result<Option<Pass>, RegistryError> {
        let mut state = self.state.lock().await;
        if let Some(challenge) = challenge::read(&refused.headers) {
            state.challenge = Some(challenge);
        }
        let key = match &state.challenge {
            None if refused.headers.contains_key("www-authenticate") => {
                return Err(desk.operation.protocol(Violation::Challenge));
            }
            None => return Ok(None),
            Some(Challenge::Basic) => Scope::default(),
            Some(Challenge::Bearer { .. }) => desk.scope.clone(),
        };
        let known = state.passes.get(&key).cloned();
        if let Some(known) = known {
            let is_newer = rejected
                .as_ref()
                .is_none_or(|pass| known.number > pass.number);
            if is_newer {
                return Ok(Some(known));
            }
        }
        state.passes.remove(&key);
        let is_basic = matches!(state.challenge, Some(Challenge::Basic));
        if is_basic && rejected.is_some() {
            // The credential itself was rejected: another try makes sense where the source makes new ones.
            let renewable = state.credential.as_ref().map(Credential::renewal);
            if renewable != Some(Renewal::Possible) {
                return Ok(None);
            }
            state.credential = None;
        }
        self.issue(&mut state, desk, key).await
    }

    /// Makes a pass for `key` from the credential.
    async fn issue(
        &self,
        state: &mut State,
        desk: &Desk<'_>,
        key: Scope,
    ) -> Result<Option<Pass>, RegistryError> {
        let Some(challenge) = state.challenge.clone() else {
            return Ok(None);
        };
        let credential = self.credential(state, desk).await?;
        keep_off_the_wire(&credential, desk.guard.origin())?;
        let value = match challenge {
            Challenge::Basic => header::value(&credential).map_err(|denial| desk.denied(denial))?,
            Challenge::Bearer {
                realm,
                service,
                scope: asked,
            } => {
                let mut scope = desk.scope.clone();
                scope.widen(&asked);
                let wanted = token::Wanted {
                    realm: &realm,
                    service: service.as_deref(),
                    scope: &scope,
                };
                match token::fetch(desk, &wanted, &credential).await {
                    Err(RegistryError::Denied { .. })
                        if credential.renewal() == Renewal::Possible =>
                    {
                        state.credential = None;
                        let credential = self.credential(state, desk).await?;
                        token::fetch(desk, &wanted, &credential).await?
                    }
                    other => other?,
                }
            }
        };
        state.issued += 1;
        let pass = Pass {
            value,
            number: state.issued,
        };
        state.passes.insert(key, pass.clone());
        Ok(Some(pass))
    }

    async fn credential(
        &self,
        state: &mut State,
        desk: &Desk<'_>,
    ) -> Result<Credential, RegistryError> {
        if let Some(credential) = &state.credential {
            return Ok(credential.clone());
        }
        let credential = self.chain.resolve(desk.operation).await?;
        state.credential = Some(credential.clone());
        Ok(credential)
    }
}

/// What it takes to ask for a token.
#[derive(Clone, Copy)]
pub(crate) struct Desk<'a> {
    pub(crate) transport: &'a Transport,
    pub(crate) operation: &'a Operation,
    pub(crate) guard: &'a Guard,
    pub(crate) scope: &'a Scope,
}

impl Desk<'_> {
    async fn exchange(
        &self,
        request: &Request,
        pass: Option<&Pass>,
    ) -> Result<Answer, RegistryError> {
        let value = pass.map(|pass| &pass.value);
        let Self {
            transport,
            operation,
            guard,
            ..
        } = self;
        transport.exchange(operation, request, value, guard).await
    }

    pub(crate) fn denied(&self, denial: Denial) -> RegistryError {
        let hint = matches!(denial, Denial::NoCredentials { .. }).then(|| {
            format!(
                "log in to `{}` with docker login, or set SOCI_USERNAME and SOCI_PASSWORD",
                self.operation.registry
            )
        });
        self.operation.denied(denial, hint)
    }
}

/// Refuses to send a secret in the clear, beyond this machine.
fn keep_off_the_wire(credential: &Credential, url: &Url) -> Result<(), ConfigurationError> {
    let is_secret = !matches!(credential, Credential::Anonymous { .. });
    if is_secret && url.scheme() == "http" && !egress::is_loopback(url) {
        return Err(ConfigurationError::PlainHttp {
            host: egress::host(url),
        });
    }
    Ok(())
}
