//! The outcome of building a ztoc.

use std::fmt;

use serde::{Deserialize, Serialize};
use soci_document::{ReuseOrigin, UnindexableReason};
use soci_oci::Digest;

/// The outcome of a layer, and where it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LayerResult {
    pub(crate) outcome: LayerOutcome,
    pub(crate) origin: OutcomeOrigin,
}

/// Where the outcome of a layer comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OutcomeOrigin {
    /// This run has read the layer.
    Built,
    /// An earlier run with the same store has read the layer.
    Store,
    /// An earlier run with the same store has taken the ztoc from this image.
    StoreFrom(String),
    /// The ztoc was taken from a SOCI index of this image.
    SociIndex(String),
    /// As [`Self::SociIndex`], and this run has read the layer to prove the ztoc.
    Proved(String),
}

impl OutcomeOrigin {
    /// Returns where the ztoc comes from, if this run has not built it alone.
    pub(crate) const fn reused(&self) -> Option<ReuseOrigin> {
        match self {
            Self::Built => None,
            Self::Store | Self::StoreFrom(_) => Some(ReuseOrigin::Store),
            Self::SociIndex(_) | Self::Proved(_) => Some(ReuseOrigin::SociIndex),
        }
    }

    /// Returns the image that a reused ztoc was taken from, as a reference.
    pub(crate) fn reused_from(&self) -> Option<&str> {
        match self {
            Self::Built | Self::Store => None,
            Self::StoreFrom(from) | Self::SociIndex(from) | Self::Proved(from) => Some(from),
        }
    }

    /// Returns whether this run has read the layer.
    pub(crate) const fn has_read_layer(&self) -> bool {
        matches!(self, Self::Built | Self::Proved(_))
    }
}

/// What came of a layer that was to be indexed. The cache keeps it as JSON.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum LayerOutcome {
    /// The ztoc of the layer, which is in the store.
    Ztoc(StoredZtoc),
    /// The layer has the right digest, but cannot have a ztoc.
    Skipped(SkippedLayer),
}

/// Why a layer has no ztoc.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct SkippedLayer {
    pub(crate) reason: UnindexableReason,
    /// What was found in this layer, as a part of a sentence.
    pub(crate) cause: String,
    /// The largest ztoc of the run that has skipped the layer, in bytes, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_ztoc_size: Option<u64>,
}

impl LayerOutcome {
    /// Returns whether the outcome of an earlier run is that of a run whose largest ztoc is this.
    pub(crate) fn holds_for(&self, max_ztoc_size: u64) -> bool {
        match self {
            Self::Ztoc(ztoc) => ztoc.size <= max_ztoc_size,
            Self::Skipped(skipped) => skipped
                .max_ztoc_size
                .is_none_or(|skipped| max_ztoc_size <= skipped),
        }
    }
}

impl SkippedLayer {
    /// Returns why a layer is skipped.
    pub(crate) const fn new(reason: UnindexableReason, cause: String) -> Self {
        Self {
            reason,
            cause,
            max_ztoc_size: None,
        }
    }

    /// Notes the largest ztoc of this run, if that is the reason.
    pub(crate) fn within(mut self, max_ztoc_size: u64) -> Self {
        let is_too_large = self.reason == UnindexableReason::ZtocTooLarge;
        self.max_ztoc_size = is_too_large.then_some(max_ztoc_size);
        self
    }

    /// Logs that the layer is skipped, and names the reason and the cause.
    pub(crate) fn log(&self, layer: Digest) {
        tracing::debug!(layer = %layer, "no ztoc: {self}");
    }
}

impl fmt::Display for SkippedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.cause)
    }
}

/// A ztoc in the store.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct StoredZtoc {
    pub(crate) digest: Digest,
    /// Length of the ztoc in bytes.
    pub(crate) size: u64,
    /// Whether no file of the layer has extended attributes, so that readers need not look for any.
    pub(crate) disable_xattrs: bool,
}
