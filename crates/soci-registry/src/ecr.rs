//! Amazon ECR: its host names, its tokens, and the permission that a denied request needs.

mod action;
mod advice;
pub(crate) mod api;
mod child_processes;
mod host;
pub(crate) mod http;
mod profile;
pub(crate) mod refusal;
mod token;

pub(crate) use action::{denied_action, required_action};
pub(crate) use api::ApiCaller;
pub(crate) use host::EcrHost;
pub use host::ecr_private_host;

use crate::error::Refusal;

/// How many manifests ECR takes in a second, from an account in a region (`PutImage` in its list of
/// quotas).
pub(crate) const MANIFESTS_PER_SECOND: u32 = 10;

/// Returns whether a host name is that of a private registry of Amazon ECR, in any region and
/// partition. The public gallery is none.
pub fn is_ecr_private(host: &str) -> bool {
    matches!(EcrHost::parse(host), Some(EcrHost::Private { .. }))
}

/// Returns whether ECR refused an expired token, which it does with status 403 or 400 and without a
/// challenge.
pub(crate) fn is_expired_token(refusal: &Refusal) -> bool {
    matches!(refusal.status, 400 | 401 | 403)
        && refusal
            .message
            .to_ascii_lowercase()
            .contains("authorization token has expired")
}
