//! What registries do wrong: to the protocol, and to content.

use soci_oci::Digest;

use super::Refusal;

/// What a registry must not do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
    /// It does not know a blob that a manifest names, though it took it.
    #[error("refused: {0}")]
    BlobUnknown(Refusal),
    /// It wants credentials in a way that this client does not know.
    #[error("no authentication challenge that is understood, expected Basic or Bearer")]
    Challenge,
    /// The range of a partial reply is not the one that was asked for.
    #[error("asked for bytes {expected} of {size}, got `{found}`")]
    ContentRange {
        /// The first byte that was asked for.
        expected: u64,
        /// Bytes of the whole content.
        size: u64,
        /// The `Content-Range` header.
        found: String,
    },
    /// It stored what was sent under another digest.
    #[error("stored as `{found}`, expected `{expected}`")]
    Digest {
        /// The digest of what was sent.
        expected: Digest,
        /// What the registry says.
        found: String,
    },
    /// A document is malformed.
    #[error("{what} is malformed: {reason}")]
    Document {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A header that must be there is missing or malformed.
    #[error("{status} without a usable `{name}` header")]
    Header {
        /// The reply's HTTP status.
        status: u16,
        /// The header's name.
        name: &'static str,
    },
    /// A reply has more than any honest one.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is accepted.
        limit: u64,
    },
    /// Others changed the same tag in every round.
    #[error("tag `{tag}` was changed by others in each of {rounds} rounds")]
    Lost {
        /// The tag.
        tag: String,
        /// How often it was tried.
        rounds: u32,
    },
    /// It sends a request to another host that must stay with it.
    #[error("redirected to another host, where that is not allowed")]
    Redirected,
    /// It refused, and asking again will not help.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It points to a place where a registry has no business.
    #[error("{what} to `{target}` refused: {reason}")]
    Target {
        /// A redirect, a token server, an upload location.
        what: &'static str,
        /// The place, without query and credentials.
        target: String,
        /// Why it is not visited.
        reason: &'static str,
    },
}

/// How content differs from what was promised.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// The digest is another.
    #[error("expected digest `{expected}`, found `{found}`")]
    Digest {
        /// The digest that was promised.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// The two statements of a manifest's type differ.
    #[error("served as `{served}`, but says of itself that it is `{found}`")]
    MediaType {
        /// The `Content-Type` header.
        served: String,
        /// The document's `mediaType`.
        found: String,
    },
    /// A document cannot be read.
    #[error("{what} is malformed: {reason}")]
    Document {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry takes nothing so large.
    #[error("too large for the registry: {0}")]
    Refused(Refusal),
    /// The length is another.
    #[error("expected {expected} bytes, found {found}")]
    Size {
        /// The length that was promised.
        expected: u64,
        /// The length that came, or that was announced.
        found: u64,
    },
    /// It is larger than anything of its kind may be.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
}
