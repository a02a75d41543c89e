//! Errors of registries: against the protocol, and in content.

use soci_oci::Digest;

use url::Url;

use super::{Operation, Refusal};
use crate::http::egress::display_host;

/// How a registry broke the protocol or refused a request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
    /// The registry does not know a blob that a manifest names.
    #[error("refused: {0}")]
    BlobUnknown(Refusal),
    /// The registry sent no authentication challenge that this client supports.
    #[error("the response names no way to log in that the tools know, expected Basic or Bearer")]
    Challenge,
    /// The `Content-Range` header of a partial response does not match the request.
    #[error("asked for bytes {expected} of {size}, got `{found}`")]
    ContentRange {
        /// The first byte of the requested range.
        expected: u64,
        /// Length of the whole content, in bytes.
        size: u64,
        /// The `Content-Range` header.
        found: String,
    },
    /// The registry stored a manifest or a blob under another digest.
    #[error("stored as `{found}`, expected `{expected}`")]
    Digest {
        /// The digest of what was sent.
        expected: Box<Digest>,
        /// The digest that the registry reports.
        found: String,
    },
    /// A document is malformed.
    #[error("{what} is malformed: {reason}")]
    Document {
        /// The document, such as `the list of referrers`.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A required header is missing or malformed.
    #[error("{status} without a usable `{name}` header")]
    Header {
        /// The response's HTTP status.
        status: u16,
        /// The header's name.
        name: &'static str,
    },
    /// A response exceeds a limit.
    #[error("more than {limit} {what}")]
    Limit {
        /// What is counted, such as `redirects`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Other clients changed the same tag in every round.
    #[error("other clients changed the fallback tag each time, in {rounds} tries")]
    Lost {
        /// The tag.
        tag: String,
        /// Number of rounds.
        rounds: u32,
    },
    /// The registry answered that it has stored a manifest or a tag, and does not have it.
    #[error("the registry answered that it has stored it, but does not have it")]
    NotKept,
    /// A tag names another manifest after it was set.
    #[error("the registry answered that it has stored `{expected}`, but the tag names `{found}`")]
    OtherTagged {
        /// The digest of the manifest that was sent.
        expected: Box<Digest>,
        /// The digest that the tag names.
        found: Box<Digest>,
    },
    /// The registry redirected a request that must stay with it to another host.
    #[error("redirected to another host, although this request may not leave the registry")]
    Redirected,
    /// The registry refused the request, and another try would not help.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The registry pointed to a URL that it may not point to.
    #[error("{what} to `{target}` refused: {reason}")]
    Target {
        /// The kind of URL, such as `redirect` or `token server`.
        what: &'static str,
        /// The URL, without its query and credentials.
        target: String,
        /// Why the client does not use it.
        reason: &'static str,
    },
}

impl Violation {
    /// Describes the violation in an operation, without the name of its registry and its object.
    pub(super) fn describe(&self, operation: &Operation) -> String {
        match self {
            Self::Digest { expected, found } if operation.object == expected.to_string() => {
                format!("stored under another digest, `{found}`")
            }
            Self::Target {
                what,
                target,
                reason,
            } if is_at_registry(target, operation) => {
                format!("{what} at the registry itself refused: {reason}")
            }
            Self::Target {
                what,
                target,
                reason,
            } if target.contains(&operation.object) => {
                format!("{what} to `{}` refused: {reason}", origin_of(target))
            }
            _ => self.to_string(),
        }
    }
}

/// Returns the scheme, host and port of a URL.
fn origin_of(url: &str) -> String {
    Url::parse(url).map_or_else(
        |_malformed| url.to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

/// Returns whether a URL leads to the registry of an operation.
fn is_at_registry(url: &str, operation: &Operation) -> bool {
    Url::parse(url).is_ok_and(|url| operation.is_registry(&display_host(&url)))
}

impl Damage {
    /// Describes the damage of the object of an operation, without its name.
    pub(super) fn describe(&self, operation: &Operation) -> String {
        match self {
            Self::Digest { expected, found } if operation.object == expected.to_string() => {
                format!("the content has another digest, `{found}`")
            }
            _ => self.to_string(),
        }
    }
}

/// How content differs from its descriptor.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// The digest differs.
    #[error("expected digest `{expected}`, found `{found}`")]
    Digest {
        /// The digest in the descriptor.
        expected: Box<Digest>,
        /// The digest of the content.
        found: Box<Digest>,
    },
    /// The media type of the response and that in the manifest differ.
    #[error("served as `{served}`, but its `mediaType` is `{found}`")]
    MediaType {
        /// The `Content-Type` header.
        served: String,
        /// The manifest's `mediaType`.
        found: String,
    },
    /// A document is malformed.
    #[error("{what} is malformed: {reason}")]
    Document {
        /// The document, such as `the manifest`.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry refused the content because of its size.
    #[error("too large for the registry: {0}")]
    Refused(Refusal),
    /// The length differs.
    #[error("expected {expected} bytes, found {found}")]
    Size {
        /// The length in the descriptor, in bytes.
        expected: u64,
        /// The length of the content, or that which the response announced, in bytes.
        found: u64,
    },
    /// The content is larger than the client accepts.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
}
