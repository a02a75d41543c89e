//! The rules of readers that a ztoc breaks.

use std::fmt;

use soci_oci::Descriptor;
use soci_ztoc::{PackedZtoc, ReaderViolation, Ztoc};

/// A ztoc that is checked: a built or a reused one.
pub(crate) trait Checked {
    /// Calls `visit` for each rule of the readers that the ztoc breaks.
    fn visit_broken_rules(&self, visit: impl FnMut(ReaderViolation));
}

impl Checked for Ztoc {
    fn visit_broken_rules(&self, visit: impl FnMut(ReaderViolation)) {
        self.visit_reader_violations(visit);
    }
}

impl Checked for PackedZtoc {
    fn visit_broken_rules(&self, visit: impl FnMut(ReaderViolation)) {
        self.visit_reader_violations(visit);
    }
}

/// Rules of one kind that a ztoc breaks: those that forbid to use it, or the others.
///
/// Displayed as a cause, such as `readers would fail on the ztoc: … (and 2 more)`.
pub(crate) struct BrokenRules {
    /// The first broken rule.
    pub(crate) first: ReaderViolation,
    /// How many such rules are broken.
    pub(crate) count: usize,
}

impl fmt::Display for BrokenRules {
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
pub(crate) fn find_blocking_rules(layer: &Descriptor, ztoc: &impl Checked) -> Option<BrokenRules> {
    let (mut blocking, mut harmless) = (None, None);
    // Only the first is kept of each kind, because a hostile layer breaks millions of rules.
    ztoc.visit_broken_rules(|rule| {
        let kind = match rule {
            ReaderViolation::HardlinkTarget { .. } => &mut harmless,
            _ => &mut blocking,
        };
        kind.get_or_insert(BrokenRules {
            first: rule,
            count: 0,
        })
        .count += 1;
    });
    if let (None, Some(BrokenRules { first, count })) = (&blocking, harmless) {
        tracing::warn!(layer = %layer.digest, rules = count, "readers will not start this layer lazily: {first}");
    }
    blocking
}
