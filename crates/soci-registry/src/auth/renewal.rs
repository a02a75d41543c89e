//! What a refused authorization is followed by.

use super::challenge::Challenge;
use super::notes::CredentialRefusal;
use super::sources::Rejection as SourceRejection;
use super::verdict::{AuthorizationHistory, Case, RoundHistory, SourceHistory, Verdict};
use super::{Authenticator, Authorization, State};
use crate::error::Refusal;
use crate::http::rejection::Rejection;
use crate::http::request::Request;

/// How many times one request is sent again with a new authorization of the same source.
const MAX_RENEWALS_OF_SOURCE: u32 = 4;

/// A request that the registry has refused.
pub(super) struct RefusedRequest<'a> {
    pub(super) request: &'a Request,
    /// The authorization that was sent.
    pub(super) authorization: Option<Authorization>,
    pub(super) rejection: &'a Rejection,
}

/// The progress of one request.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The last challenge that the registry sent in response to this request.
    pub(super) challenge: Option<Challenge>,
    /// Whether that challenge differs from the one before.
    pub(super) has_new_challenge: bool,
    /// How many times the request was sent again.
    pub(super) renewals: u32,
    /// How many times in a row the same source was asked again.
    renewals_of_source: u32,
    /// The source that was asked again although its authorization was not accepted before.
    renewed: Option<usize>,
}

impl Authenticator {
    /// Judges the refusal of an authorization, and counts the renewals of its source.
    pub(super) fn judge(
        &self,
        state: &State,
        refused: &RefusedRequest<'_>,
        rejected: &Authorization,
        round: &mut Round,
    ) -> Verdict {
        let Some(challenge) = &state.challenge else {
            return Verdict::Final;
        };
        let position = rejected.source;
        let (history, was_accepted) = {
            let accepted = self.lock_accepted();
            let source = (position, rejected.key.clone());
            let history = if accepted.generations.contains(&rejected.generation) {
                AuthorizationHistory::Accepted
            } else {
                AuthorizationHistory::Fresh
            };
            (history, accepted.sources.contains(&source))
        };
        let case = Case {
            method: &refused.request.method,
            refusal: &refused.rejection.refusal,
            challenge,
            authorization: history,
            source: SourceHistory {
                was_accepted,
                kind: state.sources.kind(position),
            },
            round: RoundHistory {
                has_new_challenge: round.has_new_challenge,
                was_renewed: round.renewed == Some(position),
            },
        };
        let verdict = case.judge();
        if verdict != Verdict::SameSource {
            round.renewals_of_source = 0;
            return verdict;
        }
        round.renewals_of_source += 1;
        if history == AuthorizationHistory::Fresh {
            round.renewed = Some(position);
        }
        if round.renewals_of_source > MAX_RENEWALS_OF_SOURCE {
            return Verdict::Final;
        }
        verdict
    }

    /// Prepares the sources for a new authorization, after a refusal that is not final.
    pub(super) fn apply(
        &self,
        verdict: Verdict,
        rejected: &Authorization,
        refusal: &Refusal,
        state: &mut State,
    ) {
        let State {
            challenge, sources, ..
        } = state;
        match verdict {
            // The registry rejected the password itself. A Bearer token is replaced with the same
            // credential.
            Verdict::SameSource if *challenge == Some(Challenge::Basic) => {
                sources.renew(rejected.source);
            }
            Verdict::Final | Verdict::SameSource => {}
            Verdict::NextSource => {
                let refused = CredentialRefusal {
                    token_server: None,
                    refusal: refusal.clone(),
                };
                let rejection = SourceRejection::Refused(refused);
                sources.reject(rejected.source, &rejected.key, &rejection, &self.notes);
            }
        }
    }
}
