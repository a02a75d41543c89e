//! Counts findings, and bounds how many of them are passed on.

use std::collections::BTreeMap;

use super::finding::{ProofFinding, Severity};

/// How many findings of each rule are passed to the caller.
pub const MAX_FINDINGS_PER_RULE: u64 = 10;

/// How many findings there were, including those that were not passed on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    by_rule: BTreeMap<&'static str, u64>,
    errors: u64,
    warnings: u64,
    notes: u64,
}

impl Findings {
    /// Returns how often each broken rule was broken.
    pub const fn by_rule(&self) -> &BTreeMap<&'static str, u64> {
        &self.by_rule
    }

    /// Returns the number of findings of a severity.
    pub const fn count(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Error => self.errors,
            Severity::Warning => self.warnings,
            Severity::Note => self.notes,
        }
    }

    /// Counts a finding, and passes it to `visit` unless enough of its rule were passed on.
    pub(super) fn add(&mut self, finding: ProofFinding, visit: &mut dyn FnMut(ProofFinding)) {
        let severity = finding.severity();
        let total = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
            Severity::Note => &mut self.notes,
        };
        *total = total.saturating_add(1);
        let count = self.by_rule.entry(finding.rule()).or_default();
        *count = count.saturating_add(1);
        if *count <= MAX_FINDINGS_PER_RULE {
            visit(finding);
        }
    }
}
