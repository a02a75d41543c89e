//! A rule that a SOCI index or an image must keep, and a finding that it does not.

use std::fmt::Display;

use soci_cli::to_printable;
use soci_document::{Finding, Severity};
use soci_oci::Digest;

/// The longest message of a finding, in characters. Text from a manifest may be of any length.
const MAX_MESSAGE: usize = 2000;

/// A rule, and what it means that it is broken. The texts start in lower case and have no full
/// stop.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Rule {
    /// The name in kebab case, such as `soci-index-missing`.
    pub(crate) name: &'static str,
    pub(crate) severity: Severity,
    /// What follows from it.
    pub(crate) meaning: &'static str,
    /// What the user can do about it, or [`NOTHING`].
    pub(crate) cure: &'static str,
}

/// The cure if there is nothing to do.
pub(crate) const NOTHING: &str = "nothing to do";

/// A rule that is broken.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) rule: &'static Rule,
    pub(crate) finding: Finding,
}

impl Rule {
    /// Returns the finding that the rule is broken. `what` names the object and what is wrong with
    /// it, in lower case.
    pub(crate) fn found(&'static self, what: impl Display) -> Found {
        let text = format!("{what}; {}", self.meaning);
        let text = to_printable(&text);
        let message = match text.char_indices().nth(MAX_MESSAGE) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.into_owned(),
        };
        let finding = Finding {
            severity: self.severity,
            rule: self.name.to_owned(),
            manifest: None,
            layer: None,
            message,
            hint: (self.cure != NOTHING).then(|| self.cure.to_owned()),
        };
        Found {
            rule: self,
            finding,
        }
    }
}

impl Found {
    /// Sets the image manifest that the finding is about.
    pub(crate) fn in_manifest(mut self, manifest: Digest) -> Self {
        self.finding.manifest = Some(manifest);
        self
    }

    /// Sets the layer that the finding is about.
    pub(crate) fn in_layer(mut self, layer: Digest) -> Self {
        self.finding.layer = Some(layer);
        self
    }

    /// Replaces the hint by a more specific one.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.finding.hint = Some(hint.into());
        self
    }
}
