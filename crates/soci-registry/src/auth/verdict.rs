//! What to do about a request that was refused, perhaps because of its credentials.

use reqwest::Method;

use super::challenge::Challenge;
use crate::ecr;
use crate::error::Refusal;

/// A request with an authorization that the registry has refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) method: &'a Method,
    pub(super) refusal: &'a Refusal,
    pub(super) challenge: &'a Challenge,
    pub(super) authorization: AuthorizationHistory,
    pub(super) source: SourceHistory,
    pub(super) round: RoundHistory,
}

/// Whether the registry has accepted this authorization before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AuthorizationHistory {
    /// It has, so the authorization has expired since.
    Accepted,
    /// It has not.
    Fresh,
}

/// What is known about the source of the credential.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceHistory {
    /// Whether an authorization of this source was accepted before, for the same scope.
    pub(super) was_accepted: bool,
    pub(super) kind: SourceKind,
}

/// The kind of a source, as far as it matters for a new authorization.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SourceKind {
    /// It holds one credential.
    Fixed,
    /// It may give another credential.
    Renewable,
    /// It is the AWS credential chain, which creates a token on each call.
    Aws,
}

/// What has happened to this request so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundHistory {
    /// Whether the registry has sent another challenge than before, such as one for a wider scope.
    pub(super) has_new_challenge: bool,
    /// Whether the same source was asked again already.
    pub(super) was_renewed: bool,
}

/// What to do about a refused request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The refusal is final, and says nothing about the source.
    Final,
    /// The same source gives a new authorization.
    SameSource,
    /// The source is rejected, and the next one is tried.
    NextSource,
}

impl Case<'_> {
    /// Judges a refusal that other credentials may change.
    pub(super) fn judge(self) -> Verdict {
        let is_basic = *self.challenge == Challenge::Basic;
        // A `HEAD` request is refused without a reason, and some registries refuse each of them.
        let is_head = *self.method == Method::HEAD;
        let is_expired = ecr::is_expired_token(self.refusal);
        if self.authorization == AuthorizationHistory::Accepted {
            let cannot_renew = is_basic && self.source.kind == SourceKind::Fixed;
            return match (cannot_renew, is_head) {
                (false, _) => Verdict::SameSource,
                (true, false) => Verdict::NextSource,
                (true, true) => Verdict::Final,
            };
        }
        if self.round.has_new_challenge && !is_basic && !self.round.was_renewed {
            return Verdict::SameSource;
        }
        let is_silent = is_head && self.refusal.status == 403;
        let may_be_expired = is_expired || is_silent;
        if may_be_expired
            && !self.round.was_renewed
            && (!is_basic || self.source.kind == SourceKind::Aws)
        {
            return Verdict::SameSource;
        }
        if is_head && (!is_basic || is_silent || self.source.was_accepted) {
            return Verdict::Final;
        }
        // A source that works for this scope is not given up because of one request.
        if self.source.was_accepted && !is_basic && !is_expired {
            return Verdict::Final;
        }
        Verdict::NextSource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASIC: Challenge = Challenge::Basic;

    fn bearer() -> Challenge {
        Challenge::Bearer {
            realm: String::new(),
            service: None,
            scope: String::new(),
        }
    }

    fn refusal(status: u16, message: &str) -> Refusal {
        Refusal {
            status,
            code: String::new(),
            message: message.to_owned(),
        }
    }

    /// Judges a fresh credential of a source that was never accepted, after `change`.
    fn judge(
        method: &Method,
        refusal: &Refusal,
        challenge: &Challenge,
        change: impl FnOnce(&mut Case<'_>),
    ) -> Verdict {
        let mut case = Case {
            method,
            refusal,
            challenge,
            authorization: AuthorizationHistory::Fresh,
            source: SourceHistory {
                was_accepted: false,
                kind: SourceKind::Fixed,
            },
            round: RoundHistory {
                has_new_challenge: false,
                was_renewed: false,
            },
        };
        change(&mut case);
        case.judge()
    }

    #[test]
    fn a_rejected_password_is_followed_by_the_next_source() {
        let denied = refusal(401, "");
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let verdict = judge(&method, &denied, &BASIC, |_| {});
            assert_eq!(verdict, Verdict::NextSource, "{method}");
        }
        assert_eq!(
            judge(&Method::GET, &denied, &bearer(), |_| {}),
            Verdict::NextSource
        );
        // The token server has accepted the credential, and a `HEAD` request says no more.
        assert_eq!(
            judge(&Method::HEAD, &denied, &bearer(), |_| {}),
            Verdict::Final
        );
    }

    #[test]
    fn what_was_accepted_before_is_renewed() {
        let denied = refusal(401, "");
        let accepted = |case: &mut Case<'_>| case.authorization = AuthorizationHistory::Accepted;
        for (challenge, kind, expected) in [
            (BASIC, SourceKind::Renewable, Verdict::SameSource),
            (BASIC, SourceKind::Fixed, Verdict::NextSource),
            (bearer(), SourceKind::Fixed, Verdict::SameSource),
        ] {
            let verdict = judge(&Method::GET, &denied, &challenge, |case| {
                accepted(case);
                case.source.kind = kind;
            });
            assert_eq!(verdict, expected, "{challenge:?}");
        }
        let verdict = judge(&Method::HEAD, &denied, &BASIC, accepted);
        assert_eq!(verdict, Verdict::Final);
    }

    #[test]
    fn an_expired_token_of_ecr_is_replaced_once() {
        let expired = refusal(403, "Your authorization token has expired.");
        let judge_aws = |was_renewed| {
            judge(&Method::GET, &expired, &BASIC, |case| {
                case.source.kind = SourceKind::Aws;
                case.round.was_renewed = was_renewed;
            })
        };
        assert_eq!(judge_aws(false), Verdict::SameSource);
        assert_eq!(judge_aws(true), Verdict::NextSource);
        // A stored password cannot be replaced.
        assert_eq!(
            judge(&Method::GET, &expired, &BASIC, |_| {}),
            Verdict::NextSource
        );
        let silent = refusal(403, "");
        assert_eq!(
            judge(&Method::HEAD, &silent, &BASIC, |_| {}),
            Verdict::Final
        );
    }

    #[test]
    fn a_wider_scope_is_asked_for_once() {
        let denied = refusal(401, "");
        for (was_renewed, expected) in [(false, Verdict::SameSource), (true, Verdict::NextSource)] {
            let verdict = judge(&Method::GET, &denied, &bearer(), |case| {
                case.round.has_new_challenge = true;
                case.round.was_renewed = was_renewed;
            });
            assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn one_request_does_not_end_a_source_that_works() {
        let denied = refusal(401, "");
        let verdict = judge(&Method::GET, &denied, &bearer(), |case| {
            case.source.was_accepted = true;
        });
        assert_eq!(verdict, Verdict::Final);
    }
}
