//! Amazon ECR: its host names, its tokens, and the permission that a denied request needs.

mod action;
mod api;
mod host;
pub(crate) mod http;
mod token;

pub(crate) use action::action;
pub(crate) use api::ApiCaller;
pub(crate) use host::EcrHost;

use crate::error::Refusal;

/// How many manifests ECR takes in a second, from an account in a region (`PutImage` in its list of
/// quotas).
pub(crate) const MANIFESTS_PER_SECOND: u32 = 10;

/// Returns whether ECR refused an expired token, which it does with status 403 and without a
/// challenge.
pub(crate) fn is_expired_token(refusal: &Refusal) -> bool {
    refusal
        .message
        .to_ascii_lowercase()
        .contains("authorization token has expired")
}
