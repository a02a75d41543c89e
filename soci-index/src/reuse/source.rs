//! A repository, layout or archive that is searched for SOCI indexes.

use std::sync::atomic::{AtomicBool, Ordering};

use soci_cli::Failure;
use soci_document::{Classify as _, Exit};
use soci_oci::Reference;
use soci_transport::{Source, TransportError};

/// A source of SOCI indexes. After a failure it is not used any more.
pub(crate) struct ReuseSource {
    pub(crate) source: Source,
    pub(crate) origin: Origin,
    has_failed: AtomicBool,
}

/// Why a source is searched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// It holds the image that is indexed.
    Image,
    /// The plan names it in `reuseFrom`.
    Plan,
}

impl ReuseSource {
    /// Returns a source that has not failed.
    pub(crate) const fn new(source: Source, origin: Origin) -> Self {
        Self {
            source,
            origin,
            has_failed: AtomicBool::new(false),
        }
    }

    /// Returns the reference that is searched, for messages.
    pub(crate) fn reference(&self) -> &Reference {
        self.source.reference()
    }

    /// Returns whether the source has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Marks the source as failed. The error is logged the first time.
    pub(crate) fn fail(&self, error: TransportError) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            log_unusable(self.reference(), self.origin, error);
        }
    }
}

/// Logs that nothing can be reused from a source: as a warning if the user has named the source.
pub(crate) fn log_unusable(reference: &Reference, origin: Origin, error: TransportError) {
    let error = format_chain(error);
    match origin {
        Origin::Image => tracing::info!(from = %reference, "no index can be reused: {error}"),
        Origin::Plan => tracing::warn!(from = %reference, "no index can be reused: {error}"),
    }
}

/// Returns whether an error concerns only the manifest or blob that was asked for: it is missing or
/// malformed. Other errors concern the whole source.
pub(crate) fn is_remote_content_error(error: &TransportError) -> bool {
    matches!(error.exit(), Exit::BadData | Exit::NotFound)
}

/// Formats an error and its causes on one line.
pub(crate) fn format_chain(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", Failure::new(Exit::BadData, error).error)
}
