//! The rules of readers that a ztoc breaks.

use std::fmt;

use soci_oci::Descriptor;
use soci_ztoc::{ReaderViolation, Ztoc};

/// The rules that forbid a ztoc to be used.
///
/// Displayed as a cause, such as `readers would fail on the ztoc: … (and 2 more)`.
pub(crate) struct BlockingViolation {
    /// The first broken rule.
    pub(crate) first: ReaderViolation,
    /// How many such rules are broken.
    pub(crate) count: usize,
}

impl fmt::Display for BlockingViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "readers would fail on the ztoc: {}", self.first)?;
        match self.count.saturating_sub(1) {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

/// Returns the rules of readers that a ztoc breaks in a way that would show in the container: the
/// image would not start, or a file would be unreadable or have the wrong content.
///
/// A hard link without its target does not count. Readers then fetch the layer as a whole before
/// the container starts, as they do without a ztoc; a warning tells the user.
pub(crate) fn blocking_violation(layer: &Descriptor, ztoc: &Ztoc) -> Option<BlockingViolation> {
    let is_harmless =
        |rule: &ReaderViolation| matches!(rule, ReaderViolation::HardlinkTarget { .. });
    let (harmless, blocking): (Vec<_>, Vec<_>) =
        ztoc.reader_violations().into_iter().partition(is_harmless);
    let count = blocking.len();
    if let Some(first) = blocking.into_iter().next() {
        return Some(BlockingViolation { first, count });
    }
    if let Some(first) = harmless.first() {
        let rules = harmless.len();
        tracing::warn!(layer = %layer.digest, rules, "readers will not start this layer lazily: {first}");
    }
    None
}
